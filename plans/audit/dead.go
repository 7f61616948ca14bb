package audit

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/classes"
	"github.com/rosknock/rosknock/routeros/packet"
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
	space := classes.New(a.family, classes.Cuts{}, a.router)
	tracked := space.Minus(space.All(), space.States(packet.Untracked))
	result := space.Walk(a.router, tracked)
	if !space.Complete() || result.Incomplete {
		a.notes = append(a.notes, a.family.String()+": rules that no packet meets were not searched: the table is too complex")
		return nil
	}
	menu := a.family.Filter()
	rows := a.router.Rules[menu]
	entered := a.entered(rows)
	var out []Dead
	for i := range rows {
		r := &rows[i]
		if r.Disabled() || r.Dynamic || ownTalk(space.Rule(r)) || !entered[r.Chain()] || !result.Hits(menu, i).Empty() {
			continue
		}
		coming := tracked
		if r.Chain() != "input" {
			coming = entering(space, result, menu, rows, r.Chain())
		}
		out = append(out, Dead{menu, name(r), a.whyDead(space, coming, r)})
	}
	return out
}

// ownTalk reports whether a rule is about the router's packets to itself, not about packets from
// outside.
func ownTalk(r *packet.Rule) bool {
	for _, end := range []packet.End{packet.Source, packet.Destination} {
		if a, negated, asks := r.Addresses(end); asks && !negated && a.First.IsLoopback() {
			return true
		}
	}
	in, _ := r.Condition("in-interface")
	return in.Value == "lo" && !in.Negated
}

// entering are the packets that jumps send into a chain.
func entering(space *classes.Space, result classes.Result, menu routeros.Menu, rows []routeros.Rule, chain string) classes.Set {
	var out classes.Set
	for i := range rows {
		if rows[i].Attrs.Get("jump-target") == chain {
			out = space.Or(out, result.Hits(menu, i))
		}
	}
	return out
}

func (a *auditor) whyDead(space *classes.Space, coming classes.Set, r *routeros.Rule) string {
	e, ok := space.Pick(space.And(space.Asks(a.router, a.family.Filter(), r), coming), space.Stranger())
	if !ok && r.Chain() != "input" {
		return "no packet that comes into its chain matches it"
	}
	if !ok {
		return "no packet that can arrive matches it"
	}
	fate := space.Replay(a.router, e)
	if fate.Rule == nil || fate.Rule == r {
		return "no packet that comes into its chain matches it"
	}
	return "shadowed: " + name(fate.Rule) + " decides about its packets"
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
