package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// blacklisted: another rule blacklists sources that touch a stage.
func (f *finder) blacklisted(d plans.Door, s routeros.Snapshot, family routeros.Family) {
	dropped := map[string]bool{}
	f.foreign("", s, family, func(_ *routeros.Rule, c *firewall.Rule) {
		if list, negated, asks := c.List(firewall.Source); asks && !negated && c.Action.Stops() {
			dropped[list] = true
		}
	})
	f.foreign("", s, family, func(_ *routeros.Rule, c *firewall.Rule) {
		list := c.Fill.List
		if c.Action.Effect != firewall.Fills || c.Fill.Of != firewall.Source || !dropped[list] || c.Has("psd") {
			return
		}
		for i, stage := range d.Knock {
			if touches(c, stage) {
				f.add("L08", "doors."+d.Name+".knock", fmt.Sprintf("stage %d is touched by a rule that fills the list %s, whose members are dropped", i+1, list),
					"clients ban themselves with the first knock", "choose another port, or take it out of that rule")
			}
		}
	})
}

// foreign calls do for each enabled rule of the family that is not the plan's and may meet a packet
// to the router.
func (f *finder) foreign(plan string, s routeros.Snapshot, family routeros.Family, do func(r *routeros.Rule, c *firewall.Rule)) {
	for _, menu := range []routeros.Menu{family.Raw(), family.Filter()} {
		rows := s.Rules[menu]
		for i := range rows {
			mark, ours := rows[i].Mark()
			if ours && mark.Plan == plan || rows[i].Disabled() || slices.Contains([]string{"forward", "output"}, rows[i].Chain()) {
				continue
			}
			do(&rows[i], f.rules.Of(&rows[i]))
		}
	}
}

// touches reports whether a rule's own matchers match a stage; a rule without ports or sizes does
// not count.
func touches(c *firewall.Rule, stage plans.Stage) bool {
	protocol, asks := c.Protocol()
	if stage.Protocol == "icmp" {
		return asks && slices.Contains([]uint8{1, 58}, protocol) && c.Takes(firewall.FieldSize, int(stage.Size))
	}
	_, _, limited := c.Addresses(firewall.Source)
	_, negated, listed := c.List(firewall.Source)
	if !asks || routeros.ProtocolName(protocol) != stage.Protocol || limited || listed && !negated {
		return false
	}
	_, asks = c.Values(firewall.FieldDstPort)
	return asks && c.Takes(firewall.FieldDstPort, int(stage.Port))
}

// detected: the port scan detector takes the knock for a scan. A client may send each knock twice
// (routeros-facts § 2.2: psd is weight, delay, low port weight, high port weight; low ports are
// those up to 1024).
func (f *finder) detected(d plans.Door, s routeros.Snapshot, family routeros.Family) {
	f.foreign("", s, family, func(r *routeros.Rule, c *firewall.Rule) {
		words := strings.Split(r.Attrs.Get("psd"), ",")
		if len(words) != 4 {
			return
		}
		threshold, _ := strconv.Atoi(words[0])
		low, _ := strconv.Atoi(words[2])
		high, _ := strconv.Atoi(words[3])
		weight := 0
		for _, stage := range d.Knock {
			switch {
			case stage.Protocol == "icmp", !meets(c, stage):
			case stage.Port <= 1024:
				weight += 2 * low
			default:
				weight += 2 * high
			}
		}
		if threshold > 0 && weight >= threshold {
			f.add("L09", "doors."+d.Name+".knock", fmt.Sprintf("with every packet sent twice the knock weighs %d, and the rule %s takes %d for a port scan", weight, r.Describe(), threshold),
				"a client on a bad line is taken for a scanner", "use fewer stages or ports above 1024, or raise the detector's threshold")
		}
	})
}

// meets reports whether packets of a stage's protocol may match a rule.
func meets(c *firewall.Rule, stage plans.Stage) bool {
	number, err := routeros.ParseProtocol(stage.Protocol)
	return err == nil && c.Takes(firewall.FieldProtocol, int(number))
}

// shared: others use the lists of a door.
func (f *finder) shared(d plans.Door, p plans.Plan, s routeros.Snapshot, family routeros.Family) {
	lists := d.Trusted.Lists()
	for n := range len(d.Knock) - 1 {
		lists = append(lists, d.StageListOf(n+1))
	}
	if d.Quarantines() {
		lists = append(lists, d.QuarantineList())
	}
	for _, list := range lists {
		f.foreign(p.Name, s, family, func(r *routeros.Rule, c *firewall.Rule) {
			if slices.Contains(c.Lists(), list) {
				f.add("L27", "list "+list, "the rule "+place(family, r)+" uses a list of door "+d.Name, "its effect on the members of the list is not in the plan", "give the door a list of its own")
			}
		})
		for _, e := range s.Entries[family.AddressList()] {
			r, ok := e.Range()
			switch {
			case e.List != list || list == d.Trusted.Networks || e.Disabled || !ok || r.First == r.Last:
			case !e.Dynamic:
				f.add("L27", "list "+list, "it holds "+e.Address+" permanently", "a whole network is trusted without a knock", "remove the entry, or put it under allow.addresses")
			default:
				f.add("L27", "list "+list, "it holds "+e.Address+" for a time", "a knock from inside extends the whole network, not the one address: all of it stays trusted", "remove the entry, and add the network with rosknock trusted add, to the list of networks of the door (trusted.networks), or put it under allow.addresses")
			}
		}
	}
}

// clock: rotation needs a router with the right time. If the state was not read, there is no
// finding.
func (f *finder) clock(p plans.Plan, s routeros.Snapshot) {
	if _, rotates := sequence.Overlap(p); !rotates || !s.NTP.Known || s.NTP.Synchronized {
		return
	}
	f.add("L35", "/system/ntp/client", "the plan rotates, and nothing sets the router's clock: its NTP client is "+s.NTP.State,
		"with a wrong clock rotations are refused, and knocks that are installed in advance count at other hours", "/system ntp client set enabled=yes, with a server that the router reaches")
}

// families: a router with an IPv6 address needs the plan there too.
func (f *finder) families(p plans.Plan, s routeros.Snapshot) {
	has6 := global6(s)
	both := slices.Contains(p.Firewall.Families, routeros.IPv4) && slices.Contains(p.Firewall.Families, routeros.IPv6)
	switch {
	case has6 && !slices.Contains(p.Firewall.Families, routeros.IPv6):
		f.add("L24", "firewall.families", "the router has an IPv6 address, and the plan does not cover IPv6", "services that are gated over IPv4 stay open over IPv6; the default firewall there accepts IKE, ESP and AH from anywhere", "name ipv6 under firewall.families")
	case has6 && both:
		f.add("L12", "firewall.families", "a client with both address families may knock over one and connect over the other", "the door is then open for an address that the client does not use", "tell clients to use one family, as with ssh -4")
	}
}

// global6 reports whether the router has an IPv6 address that others can reach.
func global6(s routeros.Snapshot) bool {
	return !s.IPv6Off && slices.ContainsFunc(s.Addresses, func(a routeros.InterfaceAddress) bool {
		return a.Prefix.Addr().Is6() && !a.Prefix.Addr().IsLinkLocalUnicast() && !a.Disabled
	})
}

// forwarded: packets to a gated service are forwarded to another host before they reach the gate.
func (f *finder) forwarded(p plans.Plan, s routeros.Snapshot) {
	for _, name := range p.Gate.Services {
		service, ok := s.Service(name)
		for i := range s.Rules[routeros.NAT] {
			r := &s.Rules[routeros.NAT][i]
			c := f.rules.Of(r)
			protocol, _ := c.Protocol()
			_, asks := c.Values(firewall.FieldDstPort)
			if !ok || r.Disabled() || r.Action() != "dst-nat" || protocol != 6 || !asks || !c.Takes(firewall.FieldDstPort, int(service.Port)) {
				continue
			}
			f.add("L25", "gate.services", "the port of "+name+" is forwarded by /ip/firewall/nat "+r.ID, "the gate stands in input, and forwarded packets never come there", "gate the forwarded service in the forward chain, or forward another port")
		}
	}
}

// comments: a comment on the router reveals the knock.
func (f *finder) comments(p plans.Plan, s routeros.Snapshot) {
	for _, family := range routeros.Families() {
		for _, r := range s.Rules[family.Filter()] {
			for _, d := range p.Doors {
				if tells(r.Comment(), d) {
					f.add("L33", string(family.Filter())+" "+r.ID, "its comment reveals a part of the knock of door "+d.Name, "every read-only user can see it, and every export has it", "take the number out of the comment")
				}
			}
		}
	}
}
