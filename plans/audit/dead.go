package audit

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Dead is a rule that does nothing.
type Dead struct {
	Menu routeros.Menu
	Rule string
	// Why is the reason: an earlier rule decides about its packets, or nothing matches it.
	Why string
}

// dead finds the rules on the way to the router that no packet meets. Chains that packets to the
// router never enter are not judged: forwarded packets may.
func (a *auditor) dead() []Dead {
	classes := space.New(a.family, space.Cuts{Open: true}, a.router)
	tracked := classes.Minus(classes.All(), classes.States(firewall.Untracked))
	result := classes.Walk(a.router, tracked)
	if !classes.Complete() || result.Incomplete {
		a.notes = append(a.notes, a.family.String()+": rules that no packet meets were not searched: the table is too complex")
		return nil
	}
	menu := a.family.Filter()
	rows := a.router.Rules[menu]
	entered := a.entered(rows)
	var out []Dead
	for i := range rows {
		r := &rows[i]
		if r.Disabled() || r.Dynamic || ownTalk(classes.Rule(r)) || !entered[r.Chain()] || !result.Hits(menu, i).Empty() {
			continue
		}
		coming := tracked
		if r.Chain() != "input" {
			coming = entering(classes, result, menu, rows, r.Chain())
		}
		out = append(out, Dead{menu, name(r), a.whyDead(classes, coming, r)})
	}
	return out
}

// ownTalk reports whether a rule is about the router's packets to itself, not about packets from
// outside.
func ownTalk(r *firewall.Rule) bool {
	for _, end := range []firewall.End{firewall.Source, firewall.Destination} {
		if a, negated, asks := r.Addresses(end); asks && !negated && a.First.IsLoopback() {
			return true
		}
	}
	in, _ := r.Condition("in-interface")
	return in.Value == "lo" && !in.Negated
}

// entering are the packets that jumps send into a chain.
func entering(classes *space.Space, result space.Result, menu routeros.Menu, rows []routeros.Rule, chain string) space.Set {
	var out space.Set
	for i := range rows {
		if rows[i].Attrs.Get("jump-target") == chain {
			out = classes.Or(out, result.Hits(menu, i))
		}
	}
	return out
}

func (a *auditor) whyDead(classes *space.Space, coming space.Set, r *routeros.Rule) string {
	e, ok := classes.Pick(classes.And(classes.Asks(a.router, a.family.Filter(), r), coming), classes.Stranger())
	if list := a.untoldList(r); !ok && list != "" {
		return "no packet matches it if the list " + list + " is empty: its entries are not shown"
	}
	if !ok && r.Chain() != "input" {
		return "no packet that comes into its chain matches it"
	}
	if !ok {
		return "no packet that can arrive matches it"
	}
	fate := classes.Replay(a.router, e)
	if fate.Rule == nil || fate.Rule == r {
		return "no packet that comes into its chain matches it"
	}
	return "shadowed: " + name(fate.Rule) + " decides about its packets"
}

// untoldList is the list that a rule asks for, if nothing is known about it; or empty.
func (a *auditor) untoldList(r *routeros.Rule) string {
	menu := a.family.AddressList()
	told := a.router.Tells(menu) || len(a.router.Entries[menu]) > 0
	for _, matcher := range []string{"src-address-list", "dst-address-list"} {
		list := r.Attrs.Get(matcher)
		if list != "" && !strings.HasPrefix(list, "!") && (!told || !a.router.ReadsList(a.family, list)) {
			return list
		}
	}
	return ""
}

// entered are input and the chains that rules lead to from there.
func (a *auditor) entered(rows []routeros.Rule) map[string]bool {
	in := map[string]bool{"input": true}
	for again := true; again; {
		again = false
		for _, r := range rows {
			target := r.Attrs.Get("jump-target")
			if r.Action() == "jump" && !r.Disabled() && in[r.Chain()] && !in[target] && slices.ContainsFunc(rows, func(o routeros.Rule) bool { return o.Chain() == target }) {
				in[target], again = true, true
			}
		}
	}
	return in
}
