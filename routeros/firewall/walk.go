package firewall

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// walk is one packet on its way.
type walk struct {
	world    *Firewall
	packet   Packet
	family   routeros.Family
	lists    Lists
	at       time.Time
	toRouter bool
	// sent says that destination NAT has sent the packet elsewhere; vague, that it went to one of
	// several hosts, which is hosts, or any where it is not valid; anyPort, that it went to one of
	// several ports.
	sent, vague, anyPort bool
	hosts                routeros.AddressRange
	// leaves is by which interface, where that is known.
	leaves bool
	made   bool // the router itself made the packet
	option
	fate  Disposition
	steps int // rules looked at
}

// outcome says whether a chain decided or ran through.
type outcome uint8

const (
	through outcome = iota
	returned
	ended
)

// Bounds of one walk: chains that jump in circles end there, with the packet going on behind the
// jump, and the fate says that it is incomplete. Real tables of 10,000 rules stay far below.
const (
	Deepest  = 64 // chains within each other
	mostLook = 200_000
)

func (k *walk) chain(t *table, name string, depth int) outcome {
	for _, i := range t.chain(name) {
		if k.steps++; k.steps > mostLook {
			k.fate.Incomplete = true
			return through
		}
		if !k.matches(t, i) {
			continue
		}
		switch k.act(t, i, depth) {
		case ended:
			return ended
		case returned:
			return through
		}
	}
	return through
}

// matches holds the packet against one rule and leaves a look in the trail.
func (k *walk) matches(t *table, i int) bool {
	var open []string
	rule := t.rule(i)
	for at := range rule.checks {
		switch rule.checks[at].on(k) {
		case no, absent:
			if k.all {
				k.fate.Trail = append(k.fate.Trail, TraceStep{Table: t.menu, Index: i, Rule: &t.rows[i], Failed: rule.Conditions[at].Matcher})
			}
			return false
		case unknown:
			open = append(open, rule.Conditions[at].Matcher)
		}
	}
	matched := true
	look := TraceStep{Table: t.menu, Index: i, Rule: &t.rows[i], Undecided: open}
	if open != nil {
		// What only logs or counts makes no difference, so nobody is asked.
		matched = k.oracle != nil && rule.Action.Effect != Passes && k.oracle(&t.rows[i], open)
		if !matched {
			look.Failed = open[0]
		}
	}
	look.Matched = matched
	if matched || k.all {
		k.fate.Trail = append(k.fate.Trail, look)
	}
	if open != nil {
		k.fate.Undecided = append(k.fate.Undecided, look)
	}
	return matched
}

// act carries out the action of a rule that matched (routeros-facts § 2.6).
func (k *walk) act(t *table, i, depth int) outcome {
	r := t.rule(i)
	if r.Log || r.Action.Name == "log" {
		k.fate.Logged = append(k.fate.Logged, &t.rows[i])
	}
	switch r.Action.Effect {
	case Decides:
		return k.end(t, i, r.Action.Verdict)
	case Returns:
		return returned
	case Jumps:
		if depth == Deepest {
			k.fate.Incomplete = true
			return through
		}
		return k.chain(t, r.Target, depth+1)
	case Untracks:
		k.packet.State = Untracked
	case Fills:
		k.add(r.Fill, &t.rows[i])
	case Translates:
		return k.translate(t, i)
	case Unheard:
		return k.unknown(t, i)
	}
	return through
}

// unknown is an action that nobody here knows, or endpoint-independent-nat, which sends on what
// belongs to a mapping that no snapshot shows. It may let the packet go on, stop it or accept it,
// so the oracle is asked twice: whether it ends the chain, and then whether it accepts.
func (k *walk) unknown(t *table, i int) outcome {
	look := TraceStep{Table: t.menu, Index: i, Rule: &t.rows[i], Matched: true, Undecided: []string{"action"}}
	k.fate.Undecided = append(k.fate.Undecided, look)
	switch {
	case k.oracle == nil || !k.oracle(&t.rows[i], look.Undecided):
		return through
	case k.oracle(&t.rows[i], look.Undecided):
		return k.end(t, i, Accept)
	case t.menu == k.family.NAT():
		k.vague, k.anyPort = true, true
		return k.end(t, i, Forwarded)
	}
	return k.end(t, i, Drop)
}

func (k *walk) end(t *table, i int, v Verdict) outcome {
	k.fate.Verdict, k.fate.Rule, k.fate.Table = v, &t.rows[i], t.menu
	return ended
}

// translate is destination NAT: away from the router, or to another address or port of it. A
// connection that keeps both does not count as translated.
func (k *walk) translate(t *table, i int) outcome {
	to := t.rule(i).Translate
	stay, own := k.world.Stays(to)
	if stay == Leaves || stay == MayLeave && !k.stays(t, i) {
		k.send(to)
		return k.end(t, i, Forwarded)
	}
	dst, port := k.packet.Dst, k.packet.DstPort
	if to.Redirect {
		own, _ = k.world.Primary(k.family, k.packet.InInterface)
	}
	if own.IsValid() {
		k.packet.Dst = own
	}
	if to.Port != 0 && k.packet.hasPorts() {
		k.packet.DstPort = to.Port
	}
	k.packet.DstNAT = k.packet.DstNAT || k.packet.Dst != dst || k.packet.DstPort != port
	k.fate.At = netip.AddrPortFrom(k.packet.Dst, k.packet.DstPort)
	return k.end(t, i, Accept)
}

// send gives a packet that leaves the router again its new address and port.
func (k *walk) send(to Translation) {
	k.packet.DstNAT, k.vague, k.anyPort, k.hosts = true, !to.To.First.IsValid() || to.To.First != to.To.Last, to.AnyPort, to.To
	if to.Port != 0 && k.packet.hasPorts() {
		k.packet.DstPort = to.Port
	}
	if k.vague {
		return
	}
	if k.packet.Dst = to.To.First; !k.anyPort {
		k.fate.To = netip.AddrPortFrom(k.packet.Dst, k.packet.DstPort)
	}
}

// stays asks whether a packet that goes to one of several addresses goes to the router's own among
// them.
func (k *walk) stays(t *table, i int) bool {
	look := TraceStep{Table: t.menu, Index: i, Rule: &t.rows[i], Matched: true, Undecided: []string{"to-addresses"}}
	k.fate.Undecided = append(k.fate.Undecided, look)
	return k.oracle != nil && k.oracle(look.Rule, look.Undecided)
}

func (k *walk) add(f Fill, r *routeros.Rule) {
	addr := k.packet.Dst
	if f.Of == Source {
		addr = k.packet.Src
	}
	k.fate.Additions = append(k.fate.Additions, Addition{k.family, f.List, addr, f.Timeout, r})
}

// listed looks an address up, in what this packet has added itself first: later rules of the same
// pass see the new membership (routeros-facts § 2.6).
func (k *walk) listed(name string, a netip.Addr) bool {
	if slices.ContainsFunc(k.fate.Additions, func(x Addition) bool { return x.List == name && x.Address == a }) {
		return true
	}
	return k.lists != nil && k.lists.Contains(k.family, name, a, k.at)
}
