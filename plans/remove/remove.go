// Package remove computes how to remove everything of a plan from a router, and how to restore
// everything else to its state before the plan.
//
// A plan's own rows are found by their mark. The changes that the plan made to existing services,
// and to rules that it took over, can't be read from the router: the [Origin] has them, or the
// operator says them. Everything else stays as it is, and is named.
//
//	want := remove.RuleSet(plan, snapshot, remove.Options{Origin: origin, Session: session})
//	changes, err := diff.Compute(snapshot, want, session)
package remove

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// Origin is the state of a router before a plan was applied, as far as it was recorded.
type Origin struct {
	// Known says that the journal has the whole history of the plan: it has not touched anything
	// that is not listed here.
	Known    bool
	Services []Service
	Rules    []Rule
}

// Service is one thing about a service that a plan has changed: what it was before the plan, and
// what the plan made of it. What is disabled, port or from.
type Service struct{ Name, What, Was, Is string }

// Rule is a rule that a plan took over from somebody: its comment before, and a fingerprint of what
// it does.
type Rule struct {
	Menu        routeros.Menu
	ID, Comment string
	Fingerprint string
}

// Options are further inputs besides the plan and the router.
type Options struct {
	Origin Origin
	// Services are the operator's settings for services; they override the origin.
	Services []compile.Service
	// Fingerprint shows whether a rule is still the same; without it no rule is handed back.
	Fingerprint func(routeros.Rule) string
	Session     change.Management
}

// RuleSet returns the desired state of the snapshot's router: nothing of the plan, and services and
// foreign rules as they were before. Only the plan's name counts; its services are used only to say
// what stays.
func RuleSet(p plans.Plan, s routeros.Snapshot, o Options) compile.RuleSet {
	want := compile.Removal(p.Name, s)
	want.Services = slices.Clone(o.Services)
	for _, w := range o.Origin.before(s, o.Services, &want.Notes) {
		if err := diff.Keeps(o.Session, s, w); err != nil && !slices.Contains(o.Session.Accepted, change.LoseSession) {
			want.Notes = append(want.Notes, fmt.Sprintf("the service %s stays as it is, since it carries this session: restore it over another service, with --restore-services %s", w.Name, strings.Join(texts(w), ",")))
			continue
		}
		want.Services = append(want.Services, w)
	}
	if !o.Origin.Known && Installed(p.Name, s) {
		want.Notes = append(want.Notes, unknown(p, s, o.Services)...)
	}
	o.giveBack(s, &want)
	if n, lists := entries(s, want); n > 0 {
		want.Notes = append(want.Notes, fmt.Sprintf("all entries (%d) of the lists %s are removed after the last step, and undo does not restore them: trusted sources have to knock again", n, strings.Join(lists, ", ")))
	}
	return want
}

// Installed reports whether anything of a plan is on a router.
func Installed(plan string, s routeros.Snapshot) bool {
	mine := func(comment string, dynamic bool) bool {
		mark, ok := routeros.FindMark(comment)
		return ok && !dynamic && mark.Plan == plan
	}
	for _, rows := range s.Rules {
		if slices.ContainsFunc(rows, func(r routeros.Rule) bool { return mine(r.Comment(), r.Dynamic) }) {
			return true
		}
	}
	for _, rows := range s.Entries {
		if slices.ContainsFunc(rows, func(e routeros.ListEntry) bool { return mine(e.Comment, e.Dynamic) }) {
			return true
		}
	}
	return false
}

// before are the services as they were before the plan, except those that somebody else has changed
// since or that the operator sets.
func (o Origin) before(s routeros.Snapshot, said []compile.Service, notes *[]string) []compile.Service {
	if !o.Known {
		return nil
	}
	var out []compile.Service
	for _, was := range o.Services {
		row, ok := s.Service(was.Name)
		switch is := value(row, was.What); {
		case !ok || slices.ContainsFunc(said, func(w compile.Service) bool { return w.Name == was.Name }) || same(was.What, is, was.Was):
			continue
		case !same(was.What, is, was.Is):
			*notes = append(*notes, fmt.Sprintf("the service %s was changed by somebody else since: its %s stays %s", was.Name, was.What, cmp.Or(is, "anywhere")))
			continue
		}
		at := slices.IndexFunc(out, func(w compile.Service) bool { return w.Name == was.Name })
		if at < 0 {
			out, at = append(out, compile.Service{Name: was.Name}), len(out)
		}
		set(&out[at], was.What, was.Was)
	}
	return out
}

// value is one thing about a service, as text.
func value(row routeros.Service, what string) string {
	switch what {
	case "disabled":
		return routeros.FormatBool(row.Disabled)
	case "port":
		return strconv.Itoa(int(row.Port))
	default:
		return routeros.JoinPrefixes(row.From)
	}
}

func same(what, a, b string) bool {
	if what == "from" {
		return routeros.SameFrom(routeros.SplitPrefixes(a), routeros.SplitPrefixes(b))
	}
	return a == b
}

func set(w *compile.Service, what, value string) {
	switch what {
	case "disabled":
		off := value == "true"
		w.Disabled = &off
	case "port":
		if port, err := routeros.ParsePort(value); err == nil {
			w.Port = &port
		}
	default:
		w.From, w.WantFrom = routeros.SplitPrefixes(value), true
	}
}

// unknown says what stays of a plan without a record of how it was applied, and how to change it.
func unknown(p plans.Plan, s routeros.Snapshot, said []compile.Service) []string {
	notes := []string{"this machine has no record of how the plan was applied: rules that it took over are removed with the rest, and services stay as they are"}
	add := func(name, stays, restore string) {
		if _, ok := s.Service(name); ok && !slices.ContainsFunc(said, func(w compile.Service) bool { return w.Name == name }) {
			notes = append(notes, fmt.Sprintf("the service %s stays %s, as the plan set it: its state before is unknown here; --restore-services %s=%s changes it", name, stays, name, restore))
		}
	}
	for _, name := range p.Services.Disable {
		if row, _ := s.Service(name); row.Disabled {
			add(name, "off", "on")
		}
	}
	for _, want := range p.Services.Ports {
		if row, _ := s.Service(want.Name); row.Port == want.Port {
			usual, _ := routeros.KnownService(want.Name)
			add(want.Name, fmt.Sprintf("on port %d", want.Port), fmt.Sprint(usual))
		}
	}
	for _, want := range p.Services.From {
		if row, _ := s.Service(want.Name); len(row.From) > 0 {
			add(want.Name, "limited to "+routeros.JoinPrefixes(row.From), "anywhere")
		}
	}
	return notes
}

// giveBack finds the rules that belonged to somebody before. A rule that the plan or somebody has
// changed since is not handed back.
func (o Options) giveBack(s routeros.Snapshot, want *compile.RuleSet) {
	for _, rule := range o.Origin.Rules {
		at := slices.IndexFunc(s.Rules[rule.Menu], func(r routeros.Rule) bool { return r.ID == rule.ID })
		if !o.Origin.Known || o.Fingerprint == nil || at < 0 {
			continue
		}
		r := s.Rules[rule.Menu][at]
		if mark, ok := r.Mark(); !ok || r.Dynamic || mark.Plan != want.Plan {
			continue
		}
		if o.Fingerprint(r) != rule.Fingerprint {
			want.Notes = append(want.Notes, fmt.Sprintf("the rule %s existed before the plan, but was changed since: it is removed with the rest", r.Describe()))
			continue
		}
		want.Returned = append(want.Returned, compile.Returned{Menu: rule.Menu, ID: rule.ID, Comment: rule.Comment})
	}
}

// entries counts the entries that rules have put into lists that are no longer needed.
func entries(s routeros.Snapshot, want compile.RuleSet) (n int, lists []string) {
	for _, list := range diff.OwnLists(s, want) {
		held := 0
		for _, e := range s.Entries[list.Family.AddressList()] {
			if e.List == list.Name && e.Dynamic {
				held++
			}
		}
		if n += held; held > 0 && !slices.Contains(lists, list.Name) {
			lists = append(lists, list.Name)
		}
	}
	return n, lists
}
