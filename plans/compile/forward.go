package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Forwarding is the part of a rule set for services behind the router. It has rules in two tables
// besides those in input: dst-nat forwards only sources that may use a forward; and the chain
// forward accepts them and drops everybody else, since a foreign rule may forward strangers there
// too.
type Forwarding struct {
	Forwards []Forward
	// Outer are the ports of the router that are forwarded. Packets that still reach the router
	// itself there are dropped.
	Outer []traffic.Match
	// NAT are rules of the chain dstnat, Filter of the chain forward, in their order and without a
	// chain.
	NAT, Filter           []routeros.Rule
	NATPlace, FilterPlace Place
}

// Forward is one forward with the lists of sources that may use it, besides the allow-list.
type Forward struct {
	plans.Forward
	Trusted []string
}

// ForwardChainNames returns the two names between which the chain layout switches in forward. No
// name of a plan holds a dot.
func ForwardChainNames(plan string) [2]string {
	return [2]string{"rosknock-" + plan + ".forward-a", "rosknock-" + plan + ".forward-b"}
}

// Outer is the match of packets to the router's port.
func (f Forward) Outer() traffic.Match {
	return traffic.Match{Protocol: f.Protocol, Ports: routeros.Ports{{First: f.Port, Last: f.Port}}}
}

// concerns returns the plan for one family: forwards exist only for IPv4, and so do doors that open
// only forwards.
func concerns(p plans.Plan, f routeros.Family) plans.Plan {
	if f == routeros.IPv4 || len(p.Gate.Forwards) == 0 {
		return p
	}
	p.Gate.Forwards = nil
	p.Doors = slices.DeleteFunc(slices.Clone(p.Doors), func(d plans.Door) bool {
		return !slices.ContainsFunc(d.Opens, func(t plans.Target) bool { return t.Kind != plans.ForwardTarget })
	})
	return p
}

// forwards notes the plan's forwards in a table.
func (c *compiler) forwards(t *Table) error {
	var outer []traffic.Match
	for _, f := range c.plan.Gate.Forwards {
		forward := Forward{Forward: f}
		for _, d := range c.plan.Doors {
			if d.OpensForward(f.Name) && !slices.Contains(forward.Trusted, d.Trusted.List) {
				forward.Trusted = append(forward.Trusted, d.Trusted.Lists()...)
			}
		}
		if err := c.forwardIsFree(f); err != nil {
			return err
		}
		t.Forwarding.Forwards = append(t.Forwarding.Forwards, forward)
		outer = append(outer, forward.Outer())
	}
	if outer != nil {
		t.Forwarding.Outer = traffic.Merge(outer)
	}
	return nil
}

// forwardIsFree refuses a forward that would take the port of a service of this router, or lead
// back to the router.
func (c *compiler) forwardIsFree(f plans.Forward) error {
	for _, s := range c.router.Services {
		port, _ := c.servicePort(s.Name)
		if s.Dynamic || s.Connection || s.Disabled || slices.Contains(c.plan.Services.Disable, s.Name) || f.Protocol != "tcp" || port != f.Port {
			continue
		}
		return &change.RefusalError{
			Risk: "forward-in-use", What: fmt.Sprintf("the port of forward %s is that of the router's service %s", f.Name, s.Name),
			Remedy: "choose another port, or disable or move the service",
		}
	}
	own := func(a routeros.InterfaceAddress) bool { return !a.Disabled && a.Prefix.Addr() == f.To }
	if slices.ContainsFunc(c.router.Addresses, own) {
		return &change.RefusalError{
			Risk: "forward-to-router", What: fmt.Sprintf("forward %s leads to the router itself", f.Name),
			Remedy: "name the service under gate.services, or under opens as " + f.Protocol + "/PORT",
		}
	}
	if !c.router.HasMenu(c.family.NAT()) {
		return &change.RefusalError{Risk: "no-table", What: fmt.Sprintf("the router has no %s, which forwards need", c.family.NAT()), Remedy: "remove the forwards from the plan"}
	}
	return nil
}

// who is a set of sources that may use a forward, as a matcher.
type who struct {
	slot, text  string
	name, value string
	trusted     bool // by a door
}

// forwarding completes a table's forwards with their rules.
func (w ruleWriter) forwarding(t *Table) {
	f := &t.Forwarding
	var drops []routeros.Rule
	for _, one := range f.Forwards {
		to := []string{"protocol", one.Protocol, "dst-address", one.To.String(), "dst-port", fmt.Sprint(one.ToPort), "connection-nat-state", "dstnat"}
		if f.FilterPlace.NeedsEstablished {
			f.Filter = append(f.Filter, w.running(one)...)
		}
		for _, who := range w.users(one) {
			slot, text := who.slot+"/forward-"+one.Name, "forward "+one.Name+": "+who.text
			f.NAT = append(f.NAT, w.rule(slot, text, "action", "dst-nat", "protocol", one.Protocol, "dst-port", fmt.Sprint(one.Port),
				"dst-address-type", "local", who.name, who.value, "to-addresses", one.To.String(), "to-ports", fmt.Sprint(one.ToPort)))
			accept := w.rule(slot, text, append([]string{"action", "accept", who.name, who.value}, to...)...)
			if t.Bogons == nil || !who.trusted {
				f.Filter = append(f.Filter, accept)
				continue
			}
			name := forwardChain(who.slot, one.Name)
			t.Chains = append(t.Chains, Chain{Name: name, Rules: append(w.distrusted(t.Bogons, name), accept)})
			f.Filter = append(f.Filter, w.rule(name+"/jump", text, append([]string{"action", "jump", "jump-target", name, who.name, who.value}, to...)...))
		}
		drops = append(drops, w.rule("gate/forward-"+one.Name, "forward "+one.Name+": shut for everybody else", append([]string{"action", "drop", "connection-state", "new"}, to...)...))
	}
	f.Filter = append(f.Filter, drops...) // two forwards may lead to one port, each for other sources
}

// users lists who may use a forward: trusted sources of doors that open it, and the allow-list.
func (w ruleWriter) users(f Forward) []who {
	var out []who
	seen := map[string]bool{}
	for _, d := range w.plan.Doors {
		if d.OpensForward(f.Name) && !seen[d.Trusted.List] {
			seen[d.Trusted.List] = true
			text := "trusted by door " + d.Name
			out = append(out, who{d.Name, text, "src-address-list", d.Trusted.List, true})
			if d.Trusted.Networks != "" {
				out = append(out, who{d.Name + "." + NetworksSlot, text, "src-address-list", d.Trusted.Networks, true})
			}
		}
	}
	if len(w.allowed()) > 0 {
		out = append(out, who{"allow/addresses", "allow-list", "src-address-list", AllowList(w.plan.Name), false})
	}
	for i, list := range w.plan.Allow.InterfaceLists {
		out = append(out, who{fmt.Sprintf("allow/interfaces-%d", i+1), "allow-list", "in-interface-list", list, false})
	}
	for i, name := range w.plan.Allow.Interfaces {
		out = append(out, who{fmt.Sprintf("allow/interface-%d", i+1), "allow-list", "in-interface", name, false})
	}
	for i, list := range w.plan.Allow.AddressLists {
		out = append(out, who{fmt.Sprintf("allow/list-%d", i+1), "allow-list", "src-address-list", list, false})
	}
	return out
}

// running lets the packets of a forward's connections through, in both directions.
func (w ruleWriter) running(one Forward) []routeros.Rule {
	accept := []string{"action", "accept", "connection-state", "established,related", "connection-nat-state", "dstnat", "protocol", one.Protocol}
	return []routeros.Rule{
		w.rule("established/forward-"+one.Name, "established traffic", slices.Concat(accept, []string{"dst-address", one.To.String(), "dst-port", fmt.Sprint(one.ToPort)})...),
		w.rule("established/back-"+one.Name, "established traffic", slices.Concat(accept, []string{"src-address", one.To.String(), "src-port", fmt.Sprint(one.ToPort)})...),
	}
}

// forwardChain names the chain that accepts a door's trusted sources for a forward, if there are
// bogons.
func forwardChain(door, forward string) string { return door + "." + forward + behind }

// behind ends the names of chains that only forward leads to. No name of a door holds a dot.
const behind = ".forward"

// IsBehind reports whether a chain of a plan is one of those that only forward leads to.
func IsBehind(plan, chain string) bool {
	names := ForwardChainNames(plan)
	return slices.Contains(names[:], chain) || strings.HasPrefix(chain, "rosknock-"+plan+"-") && strings.HasSuffix(chain, behind)
}

// forwardPlaces finds where the rules belong in dstnat and in forward. In dstnat they go before the
// first rule that decides about a packet to a forwarded port; in forward before the first that
// decides about a forwarded packet, as if everybody's were forwarded, except rules that let the
// allowed interfaces in. Running connections don't matter here: the drop matches only new ones.
func (p *placing) forwardPlaces(t *Table) error {
	bare := without(without(p.router, t.Menu, p.plan.Name), p.family.NAT(), p.plan.Name)
	open := p.forEverybody(bare, t.Forwarding.Forwards)
	cuts := space.Cuts{Ports: ports(t.Forwarding.Outer), Asked: p.plan.Allow.AddressLists, Sources: p.allowed(), Open: true}
	for _, d := range t.Doors { // foreign rules may match a list that only the plan will fill
		cuts.Lists = append(cuts.Lists, d.LetIn()...)
	}
	classes := space.New(t.Family, cuts, bare, open)
	var asked space.Set
	nat := p.family.NAT()
	for i := range t.Forwarding.Forwards {
		asked = classes.Or(asked, classes.And(classes.Asks(open, nat, &open.Rules[nat][i]), classes.States(firewall.New)))
	}
	taken := classes.Walk(bare, asked)
	at, err := firstOf(bare.Rules[nat], "dstnat", func(i int) bool { return !taken.Ends(nat, i).Empty() })
	if err != nil {
		return err
	}
	t.Forwarding.NATPlace = placeBefore(bare.Rules[nat], at)
	sent, allowed := classes.Walk(open, asked), p.allowedSet(classes, bare)
	at, err = firstOf(bare.Rules[t.Menu], "forward", func(i int) bool {
		return !classes.Minus(sent.Ends(t.Menu, i), classes.And(sent.Accepts(t.Menu, i), allowed)).Empty()
	})
	if err != nil {
		return err
	}
	t.Forwarding.FilterPlace = placeBefore(bare.Rules[t.Menu], at)
	t.Forwarding.FilterPlace.NeedsEstablished = !p.keepsForwarded(bare, t.Forwarding.Forwards)
	return nil
}

// forEverybody is the router with its forwards open to all.
func (p *placing) forEverybody(bare routeros.Snapshot, forwards []Forward) routeros.Snapshot {
	var rows []routeros.Rule
	for i, f := range forwards {
		r := routeros.NewRule("chain", "dstnat", "action", "dst-nat", "protocol", f.Protocol, "dst-port", fmt.Sprint(f.Port), "dst-address-type", "local",
			"to-addresses", f.To.String(), "to-ports", fmt.Sprint(f.ToPort))
		r.ID = fmt.Sprintf("open-%d", i)
		rows = append(rows, r)
	}
	return withRules(bare, p.family.NAT(), append(rows, bare.Rules[p.family.NAT()]...))
}

// firstOf returns the position of the first rule of a chain for which something holds, or the
// length of the table.
func firstOf(rows []routeros.Rule, chain string, holds func(i int) bool) (int, error) {
	for i := range rows {
		if rows[i].Chain() != chain || rows[i].Disabled() || !holds(i) {
			continue
		}
		if rows[i].Dynamic {
			return 0, aboveDynamic(rows[i])
		}
		return i, nil
	}
	return len(rows), nil
}

func placeBefore(rows []routeros.Rule, at int) Place {
	if at == len(rows) {
		return Place{}
	}
	return Place{Anchor: rows[at].ID, AnchorText: rows[at].Describe()}
}

// keepsForwarded reports whether the router lets the packets of forwarded connections through by
// itself, in both directions.
func (p *placing) keepsForwarded(bare routeros.Snapshot, forwards []Forward) bool {
	table := newTable(bare, p.family)
	for _, in := range table.probes.Interfaces {
		for _, f := range forwards {
			for _, fate := range table.probes.Running(table.world, in, f.Protocol, netip.AddrPortFrom(f.To, f.ToPort), table.lists) {
				if fate.Verdict != firewall.Accept || stopsMaybe(fate) {
					return false
				}
			}
		}
	}
	return true
}

// stopsMaybe reports whether a rule may stop a packet depending on more than the packet.
func stopsMaybe(f firewall.Disposition) bool {
	return slices.ContainsFunc(f.Undecided, func(l firewall.TraceStep) bool {
		return !slices.Contains([]string{"accept", "log", "passthrough", "fasttrack-connection"}, l.Rule.Action())
	})
}
