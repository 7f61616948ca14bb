package expect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Fits checks that the plans have the doors that the tests name. The error is [form.Problems].
func (c Cases) Fits(file string, of []plans.Plan) error {
	var problems form.Problems
	for _, t := range c.Tests {
		if _, has := door(of, t.Knock); t.Knock == "" || has {
			continue
		}
		p := form.Problem{File: file, Line: t.Line, Column: 1, Message: fmt.Sprintf("test %q: no plan has a door %q", t.Name, t.Knock)}
		var names []string
		for _, plan := range of {
			for _, d := range plan.Doors {
				names = append(names, d.Name)
			}
		}
		if near, ok := form.Nearest(t.Knock, names); ok {
			p.Remedy = form.DidYouMean(near)
		}
		problems = append(problems, p)
	}
	if problems == nil {
		return nil
	}
	return problems
}

// door finds a door by its name.
func door(of []plans.Plan, name string) (plans.Door, bool) {
	for _, p := range of {
		for _, d := range p.Doors {
			if d.Name == name {
				return d, true
			}
		}
	}
	return plans.Door{}, false
}

// Check runs the tests on a router. The plans are those of the router, with their knocks; none
// where no test needs one, see [Cases.NeedsPlan]. The results are in the order of the tests.
func Check(cases Cases, s routeros.Snapshot, of []plans.Plan) []Result {
	c := newChecker(cases, s, of)
	out := make([]Result, len(cases.Tests))
	for i := range cases.Tests {
		out[i] = c.check(i)
	}
	return out
}

// checker runs tests on one router.
type checker struct {
	tests  []Test
	plans  []plans.Plan
	router routeros.Snapshot // with the interfaces that it does not show and that tests are about
	world  *firewall.Firewall
	tables map[routeros.Family]*table
}

// unlisted is an interface that the router does not show: in no list, and named by no rule.
const unlisted = "any other interface, in no list"

// Shown reports whether the router shows the interface of an example: others are those that may
// come later.
func (e Example) Shown() bool {
	return e.Packet.InInterface != unlisted && !traffic.Unseen(e.Packet.InInterface)
}

func newChecker(cases Cases, s routeros.Snapshot, of []plans.Plan) *checker {
	c := &checker{tests: cases.Tests, plans: of, router: s, world: firewall.NewFirewall(s), tables: map[routeros.Family]*table{}}
	var unseen []string
	for _, list := range c.outerLists() {
		unseen = append(unseen, traffic.UnseenIn(list))
	}
	for _, t := range c.tests {
		for _, name := range append(c.allowedLists(t), t.In, t.From.Name) {
			if hidden := traffic.UnseenIn(name); name != "" && c.hasList(name) && !slices.Contains(unseen, hidden) {
				unseen = append(unseen, hidden)
			}
		}
	}
	c.router = traffic.WithUnseen(s, unseen)
	c.router.Interfaces = append(c.router.Interfaces, routeros.Interface{Name: unlisted, Type: "other"})
	c.world = firewall.NewFirewall(c.router)
	return c
}

func (c *checker) allowedLists(t Test) []string {
	var out []string
	for _, p := range c.plans {
		if t.From.Kind == Allowed {
			out = append(out, p.Allow.InterfaceLists...)
		}
	}
	return out
}

// hasList reports whether there is an interface list in which interfaces can be.
func (c *checker) hasList(name string) bool {
	return c.router.HasInterfaceList(name) && name != "none" ||
		slices.ContainsFunc(c.router.ListMembers, func(m routeros.ListMember) bool { return m.List == name })
}

// outerLists are the interface lists that an interface joins by which strangers come in: WAN, and
// those that hold interfaces outside alone.
func (c *checker) outerLists() []string {
	var out []string
	for _, l := range c.router.InterfaceLists {
		members := c.members(l.Name)
		outside := len(audit.Outside(c.router, routeros.IPv4, members))
		if l.Name == "WAN" || len(members) > 0 && outside == len(members) {
			out = append(out, l.Name)
		}
	}
	return out
}

// members are the interfaces of a list by which packets come in.
func (c *checker) members(list string) []string {
	var out []string
	for _, name := range c.receiving() {
		if c.world.InInterfaceList(name, list) {
			out = append(out, name)
		}
	}
	return out
}

// receiving are the interfaces by which packets come in.
func (c *checker) receiving() []string {
	var out []string
	for _, i := range c.router.Interfaces {
		if i.Receives() {
			out = append(out, i.Name)
		}
	}
	return out
}

// named returns the interfaces that a name stands for: an interface, or those of a list, of which
// there is one that may still come. why says why there is none.
func (c *checker) named(name string) (interfaces []string, why string) {
	i, shown := c.router.Interface(name)
	if shown && i.Receives() {
		interfaces = append(interfaces, name)
	}
	if c.hasList(name) {
		interfaces = append(interfaces, c.members(name)...)
	}
	switch {
	case len(interfaces) > 0:
		return interfaces, ""
	case shown:
		return nil, fmt.Sprintf("no packet comes in by %s itself: it is off, or a port of a bridge or bond", routeros.Quote(name))
	}
	var known []string
	for _, l := range c.router.InterfaceLists {
		known = append(known, l.Name)
	}
	for _, i := range c.router.Interfaces {
		if !traffic.Unseen(i.Name) && i.Name != unlisted {
			known = append(known, i.Name)
		}
	}
	why = fmt.Sprintf("the router shows neither an interface nor an interface list %s", routeros.Quote(name))
	if near, ok := form.Nearest(name, known); ok {
		return nil, why + ": " + form.DidYouMean(near)
	}
	const most = 8
	return nil, why + "; it has " + traffic.Names(known[:min(most, len(known))])
}

// check runs one test, over all families that it is about. What fails goes before what is unknown.
func (c *checker) check(n int) Result {
	t := c.tests[n]
	out := Result{Test: t, Outcome: Passed, Got: string(t.Expect)}
	worse := func(r Result) {
		if r.Outcome == Failed && out.Outcome != Failed || r.Outcome == Unknown && out.Outcome == Passed {
			out = r
		}
	}
	families, why := c.families(t)
	if why != "" {
		worse(unknown(t, why))
	}
	for _, f := range families {
		worse(c.table(f).check(t, n))
	}
	if why := c.unread(); out.Outcome == Passed && why != "" {
		return unknown(t, why)
	}
	return out
}

// unknown is the result of a test that can't be decided.
func unknown(t Test, why string) Result {
	return Result{Test: t, Outcome: Unknown, Got: string(Unknown), Why: why}
}

// families are those that a test is about. why names tables that the router does not show.
func (c *checker) families(t Test) (out []routeros.Family, why string) {
	s := c.router
	var hidden []string
	for _, f := range routeros.Families() {
		asked := t.Family == f
		if t.Family != 0 && !asked {
			continue
		}
		for _, menu := range []routeros.Menu{f.Raw(), f.NAT(), f.Filter()} {
			if !s.Tells(menu) || menu == f.Filter() && !s.HasMenu(menu) && (asked || f == routeros.IPv4) {
				hidden = append(hidden, string(menu))
			}
		}
		if s.HasMenu(f.Filter()) && (asked || f == routeros.IPv4 || len(s.Rules[f.Filter()]) > 0 || c.has6()) {
			out = append(out, f)
		}
	}
	if hidden != nil {
		why = "nothing is known of what is not shown: " + strings.Join(hidden, ", ")
	}
	return out, why
}

// has6 reports whether the router has an IPv6 address besides those of its links.
func (c *checker) has6() bool {
	return slices.ContainsFunc(c.router.Addresses, func(a routeros.InterfaceAddress) bool {
		return a.Prefix.Addr().Is6() && !a.Prefix.Addr().IsLinkLocalUnicast() && !a.Disabled
	})
}

// unread says which rows of an export could change an answer and can't be read.
func (c *checker) unread() string {
	var lines []string
	for _, row := range c.router.Unread {
		lines = append(lines, "line "+strconv.Itoa(row.Line))
	}
	if lines == nil {
		return ""
	}
	return "it holds without rows of the export that can't be read: " + strings.Join(lines, ", ")
}
