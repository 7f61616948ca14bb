package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// largeList is how many entries make a list slow to read and to match on small routers.
const largeList = 20_000

// reach checks who reaches which service.
func (f *finder) reach(s routeros.Snapshot, report audit.Report) {
	lan := map[routeros.Family]bool{}
	for _, r := range report.Reach {
		for _, by := range r.By {
			lan[r.Family] = lan[r.Family] || by.Who == audit.LAN || by.Who == audit.Anyone
			if r.Name == "api" && by.Who == audit.Anyone && !by.Perhaps {
				f.add("L52", "service api", ifItRuns(r)+"the API in clear is reached by anyone", "the password crosses the internet in clear", "use api-ssl, or limit api with services.from or a gate")
			}
		}
	}
	if drops(s, routeros.IPv4) && !drops(s, routeros.IPv6) && global6(s) {
		f.add("L24", string(routeros.IPv6.Filter()), "the router has an IPv6 address and its IPv6 rules stop nothing", "services that are closed over IPv4 are open over IPv6", "drop the same packets there as over IPv4")
	}
	for _, family := range routeros.Families() {
		if !drops(s, family) {
			continue
		}
		if !lan[family] && len(report.Reach) > 0 {
			f.add("L03", string(family.Filter()), "not even the LAN reaches a service of the router", "a drop without an interface locks out administrators inside", "accept the LAN before the last drop, or limit the drop to the outside interfaces")
		}
		if report.Breaks[family] != "" {
			f.add("L02", string(family.Filter()), "packets of running connections are stopped by "+report.Breaks[family], "every session breaks, including the operator's", "accept connection-state=established,related first")
		}
	}
}

// drops reports whether a family's input has a rule that stops anything.
func drops(s routeros.Snapshot, f routeros.Family) bool {
	return slices.ContainsFunc(s.Rules[f.Filter()], func(r routeros.Rule) bool {
		return r.Chain() == "input" && !r.Disabled() && slices.Contains([]string{"drop", "reject", "tarpit"}, r.Action())
	})
}

// knocks checks the knocks that were found.
func (f *finder) knocks(report audit.Report) {
	for _, k := range report.Knocks {
		at := "list " + k.List
		switch {
		case k.Shut && len(k.Steps) > 0:
			f.add("L06", at, "a source that has knocked is not let in, as no packet arrives at the rule that accepts the list", "a jump or a rule before it matches other packets than the rule accepts", "let the jump match what the rule accepts")
		case k.Shut:
			f.add("L07", at, k.Why, "the knock can't be played to its end", "correct the stage, or remove the knock")
		}
		if k.Doubles {
			f.add("L22", at, "one packet takes two stages", "adding to a list does not end the evaluation, so the next rule already sees the packet's source in it", "put later stages above earlier ones")
		}
		if len(k.Open) > 0 && k.Works() {
			f.add("L23", at, strings.Join(k.Open, ", ")+" can be reached without the knock", "a rule above accepts it from anyone, or nothing drops it", "drop it for sources that have not knocked")
		}
		f.strength(at, k)
	}
}

func (f *finder) strength(at string, k audit.Knock) {
	if !k.Works() {
		return
	}
	if k.Strength.Ascending || k.Strength.Descending {
		f.add("L21", at, "one sweep of all ports in their order opens it", "that is what scanners do", "mix the order of the ports")
	}
	if k.Strength.Random > sequence.Budget {
		f.add("L20", at, fmt.Sprintf("one sweep in random order at %d packets/s opens it with a chance of %.2g %%", sequence.DefaultRate, 100*k.Strength.Random), "a scanner gets in by chance after some sweeps", "use more stages")
	}
	for _, step := range k.Steps[:len(k.Steps)-1] {
		if step.Timeout > 0 && step.Timeout < shortestStage {
			f.add("L11", at, "a stage is remembered for "+routeros.FormatDuration(step.Timeout)+" only", "over a mobile network the next knock comes later than that", "give it 10s")
		}
	}
	for _, step := range k.Steps {
		if step.Protocol == "icmp" && step.First == step.Last && commonPing(step.First) {
			f.add("L10", at, "a stage has a size that is common for pings", "every monitoring system knocks by accident", "choose another size")
		}
	}
}

// tables checks the rules of a family.
func (f *finder) tables(s routeros.Snapshot, family routeros.Family) {
	rows := s.Rules[family.Filter()]
	established := slices.IndexFunc(rows, func(r routeros.Rule) bool {
		states, asks := f.rules.Of(&r).Values(firewall.FieldState)
		return r.Chain() == "input" && r.Action() == "accept" && !r.Disabled() && asks && states.Contain(int(firewall.Established))
	})
	for i := range rows {
		r := &rows[i]
		if r.Disabled() || r.Dynamic || r.Chain() == "forward" || r.Chain() == "output" {
			continue
		}
		c := f.rules.Of(r)
		f.interfaceLists(s, r, family)
		f.fills(rows, i, established, family)
		in, _ := c.Condition("in-interface-list")
		outside := in.Value != "LAN" || in.Negated
		if r.Action() == "reject" && outside {
			f.add("L29", place(family, r), "the outside gets an answer", "a scanner learns that a router is there, and forged packets make it send answers", "drop instead")
		}
		if (r.Action() == "log" || c.Log) && !c.Has("limit") && !c.Has("dst-limit") && outside && c.Takes(firewall.FieldState, int(firewall.New)) && !f.named(rows, c) {
			f.add("L29", place(family, r), "it logs every packet from outside", "a scan fills the log, and on small routers the flash", "give it a limit")
		}
		if c.Has("layer7-protocol") {
			f.add("L51", place(family, r), "it matches by layer 7", "that needs much CPU, and buffers the beginning of every connection", "use content")
		}
	}
	f.names(s, family)
	f.large(s, family)
}

// named reports whether a rule matches only sources that it names, and strangers can't become one: no
// rule fills its list.
func (f *finder) named(rows []routeros.Rule, c *firewall.Rule) bool {
	if a, negated, asks := c.Addresses(firewall.Source); asks && !negated && !a.First.IsUnspecified() {
		return true
	}
	list, negated, asks := c.List(firewall.Source)
	return asks && !negated && !slices.ContainsFunc(rows, func(o routeros.Rule) bool {
		other := f.rules.Of(&o)
		return !o.Disabled() && other.Action.Effect == firewall.Fills && other.Fill.List == list
	})
}

func place(family routeros.Family, r *routeros.Rule) string {
	text := r.Describe()
	if r.Comment() == "" {
		text = r.ID // its attributes may reveal a knock
	}
	return string(family.Filter()) + " " + text
}

func (f *finder) interfaceLists(s routeros.Snapshot, r *routeros.Rule, family routeros.Family) {
	for _, attribute := range []string{"in-interface-list", "out-interface-list"} {
		c, _ := f.rules.Of(r).Condition(attribute)
		list := c.Value
		if list == "" || slices.Contains([]string{"all", "none", "dynamic", "static"}, list) {
			continue
		}
		if firewall.IsGone(list) { // routeros-facts § 15
			f.add("L03b", place(family, r), fmt.Sprintf("its interface list was deleted (%s)", list),
				"the router takes it for empty, so the rule matches nothing, or with a ! everything; by one report it still matches its old members", "name a list that exists, or remove the rule")
			continue
		}
		member := slices.ContainsFunc(s.ListMembers, func(m routeros.ListMember) bool { return m.List == list && !m.Disabled })
		includes := slices.ContainsFunc(s.InterfaceLists, func(l routeros.InterfaceList) bool { return l.Name == list && len(l.Include) > 0 })
		if s.Tells(routeros.ListMembers) && !member && !includes && !filledLater(s, list) {
			f.add("L03b", place(family, r), fmt.Sprintf("the interface list %s has no member", list), "the rule matches nothing, or with a ! everything", "add the interfaces to the list")
		}
	}
}

// filledLater reports whether clients join a list when they dial in. Where the profiles are not known,
// a VPN server that makes interfaces may fill any.
func filledLater(s routeros.Snapshot, list string) bool {
	lists, told := s.FilledLater()
	if told {
		return slices.Contains(lists, list)
	}
	return slices.ContainsFunc(s.VPNServers, func(v routeros.VPNServer) bool {
		return !v.Disabled && slices.Contains([]string{"openvpn", "sstp", "l2tp", "pptp"}, v.Kind)
	})
}

// fills checks a rule that adds to a list.
func (f *finder) fills(rows []routeros.Rule, i, established int, family routeros.Family) {
	r := &rows[i]
	c := f.rules.Of(r)
	if c.Action.Effect != firewall.Fills || c.Fill.Of != firewall.Source {
		return
	}
	list := c.Fill.List
	if !c.Has("connection-state") && (established < 0 || i < established) {
		f.add("L30", place(family, r), "it matches answers too, not only new connections", "servers that answer the router get into the list", "give it connection-state=new, or move it below the accept of established")
	}
	penalty := slices.ContainsFunc(rows, func(o routeros.Rule) bool {
		asked, negated, asks := f.rules.Of(&o).List(firewall.Source)
		return asks && !negated && asked == list && !o.Disabled() && f.rules.Of(&o).Action.Stops()
	})
	if c.Fill.Timeout.Kind != routeros.Timed {
		f.add("L28", place(family, r), fmt.Sprintf("a source in the list %s stays there until a reboot, or for ever", list), "addresses change hands", "give it an address-list-timeout")
	}
	if penalty {
		f.add("L31", place(family, r), fmt.Sprintf("one packet gets a source into the list %s, which is dropped", list), "an attacker who forges an address can have it banned", "keep the time short, and never apply it to the allow-list")
	}
}

func (f *finder) large(s routeros.Snapshot, family routeros.Family) {
	count := map[string]int{}
	for _, e := range s.Entries[family.AddressList()] {
		if count[e.List]++; count[e.List] == largeList {
			f.add("L51", "list "+e.List, fmt.Sprintf("the list has more than %d entries", largeList), "it is slow to read, and to match on small routers", "combine the addresses into prefixes")
		}
	}
}

// managed checks rules with a mark: of one plan, or of any.
func (f *finder) managed(s routeros.Snapshot, plan string) {
	for _, family := range routeros.Families() {
		seen := map[routeros.Mark]bool{}
		for i := range s.Rules[family.Filter()] {
			r := &s.Rules[family.Filter()][i]
			mark, ok := r.Mark()
			if !ok {
				if strings.HasPrefix(r.Chain(), "rosknock-") && (plan == "" || strings.HasPrefix(r.Chain(), "rosknock-"+plan+"-")) {
					f.add("L46", place(family, r), "it stands in a chain of rosknock, and is no rule of rosknock", "the next change leaves that chain behind", "move it to a chain of your own")
				}
				continue
			}
			if r.Dynamic || plan != "" && mark.Plan != plan {
				continue
			}
			if seen[mark] {
				f.add("L46", place(family, r), "another rule has the same mark", "one of them is a copy", "run rosknock apply")
			}
			if seen[mark] = true; r.Disabled() {
				f.add("L46", place(family, r), "it is disabled", "the plan does not hold", "run rosknock apply")
			}
		}
	}
}

// others looks for other administrators at work.
func (f *finder) others(s routeros.Snapshot) {
	var names []string
	for _, a := range s.Active {
		if !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
	}
	if len(names) > 1 {
		f.add("L42", "/user/active", "logged in are "+strings.Join(names, ", "), "their changes may be undone together with a change that is rolled back", "agree on a time")
	}
}
