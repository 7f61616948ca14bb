package traffic

import (
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Probes makes the packets that test a rule set on a router: those of a stranger, who is in no
// list, arriving on any interface.
type Probes struct {
	Family routeros.Family
	Source netip.Addr
	// Interfaces stands for all interfaces of the router: one of each group that the firewall can't
	// tell apart.
	Interfaces []string
	router     routeros.Snapshot
}

// NewProbes prepares the packets of one family for a router.
func NewProbes(s routeros.Snapshot, f routeros.Family) Probes {
	return Probes{Family: f, Source: stranger(s, f), Interfaces: interfaces(s, f), router: s}
}

// New returns a stranger's first packet to a port of the router.
func (p Probes) New(in, protocol string, port uint16) firewall.Packet {
	number, _ := routeros.ParseProtocol(protocol)
	probe := firewall.Packet{
		Protocol: number, Src: p.Source, Dst: p.destination(in), InInterface: in,
		Size: 60, TTL: 64, State: firewall.New,
	}
	switch protocol {
	case "tcp":
		probe.TCPFlags, probe.SrcPort, probe.DstPort = firewall.SYN, 51077, port
	case "udp":
		probe.SrcPort, probe.DstPort = 51077, port
	}
	return probe
}

// Stage returns the packet that plays one stage of a knock.
func (p Probes) Stage(in string, s plans.Stage) firewall.Packet {
	if s.Protocol != "icmp" {
		probe := p.New(in, s.Protocol, s.Port)
		probe.Payload = []byte(s.Payload)
		return probe
	}
	probe := p.New(in, p.Family.ICMP(), 0)
	probe.Payload = []byte(s.Payload)
	probe.Size, probe.ICMPType = int(s.Size), 8
	if p.Family == routeros.IPv6 {
		probe.ICMPType = 128
	}
	return probe
}

// To returns a stranger's first packets to the ports of a match: one to each end of each port
// range.
func (p Probes) To(in string, m Match) []firewall.Packet {
	if m.Protocol == "" {
		return p.everything(in)
	}
	if m.Ports == nil {
		return []firewall.Packet{p.tunnelled(p.New(in, m.Protocol, 0), m)}
	}
	var out []firewall.Packet
	for _, r := range m.Ports {
		out = append(out, p.tunnelled(p.New(in, m.Protocol, r.First), m))
		if r.Last != r.First {
			out = append(out, p.tunnelled(p.New(in, m.Protocol, r.Last), m))
		}
	}
	return out
}

func (p Probes) tunnelled(probe firewall.Packet, m Match) firewall.Packet {
	probe.IPsec = m.IPsecPolicy == "in,ipsec"
	return probe
}

// everything stands for "every port of the router" by its enabled services.
func (p Probes) everything(in string) []firewall.Packet {
	var out []firewall.Packet
	for _, s := range p.router.Services {
		if !s.Dynamic && !s.Connection && !s.Disabled {
			out = append(out, p.New(in, "tcp", s.Port))
		}
	}
	return out
}

// Established returns packets of running connections.
func (p Probes) Established(in string) []firewall.Packet {
	tcp, udp := p.New(in, "tcp", 8729), p.New(in, "udp", 4500)
	tcp.TCPFlags = firewall.ACK
	tcp.State, udp.State = firewall.Established, firewall.Established
	return []firewall.Packet{tcp, udp}
}

// Running plays the packets of a forwarded connection that a stranger has open, in both directions,
// at the chain forward, where they have been translated already.
func (p Probes) Running(w *firewall.Firewall, in, protocol string, to netip.AddrPort, lists firewall.Lists) []firewall.Disposition {
	there := p.New(in, protocol, to.Port())
	there.Dst, there.State, there.DstNAT, there.TCPFlags = to.Addr(), firewall.Established, true, 0
	if there.Protocol == 6 {
		there.TCPFlags = firewall.ACK
	}
	there.OutInterface, _ = w.Leaves(to.Addr())
	back := there
	back.Src, back.Dst, back.SrcPort, back.DstPort = there.Dst, there.Src, there.DstPort, there.SrcPort
	back.InInterface, back.OutInterface = there.OutInterface, in
	walk := func(q firewall.Packet) firewall.Disposition {
		return w.Walk(p.Family.Filter(), "forward", q, lists, p.router.Clock)
	}
	return []firewall.Disposition{walk(there), walk(back)}
}

// destination is an address of the router, on that interface if it has one there.
func (p Probes) destination(in string) netip.Addr {
	var fallback netip.Addr
	for _, a := range p.router.Addresses {
		if a.Disabled || a.Prefix.Addr().Is4() != (p.Family == routeros.IPv4) {
			continue
		}
		if a.Interface == in {
			return a.Prefix.Addr()
		}
		if !fallback.IsValid() {
			fallback = a.Prefix.Addr()
		}
	}
	switch {
	case fallback.IsValid():
		return fallback
	case p.Family == routeros.IPv6:
		return netip.MustParseAddr("2001:db8::1")
	default:
		return netip.MustParseAddr("192.0.2.1")
	}
}

// stranger picks a public address that no list and no rule of the router names and that is on none
// of its networks.
func stranger(s routeros.Snapshot, f routeros.Family) netip.Addr {
	candidates := []string{"93.77.77.77", "5.77.77.77", "77.77.77.77", "121.77.77.77", "185.77.77.77", "203.77.77.77"}
	if f == routeros.IPv6 {
		candidates = []string{"2a01:77::77", "2600:77::77", "2400:77::77", "2804:77::77"}
	}
	for _, text := range candidates {
		addr := netip.MustParseAddr(text)
		if !known(s, f, addr) {
			return addr
		}
	}
	return netip.MustParseAddr(candidates[0])
}

func known(s routeros.Snapshot, f routeros.Family, addr netip.Addr) bool {
	listed := slices.ContainsFunc(s.Entries[f.AddressList()], func(e routeros.ListEntry) bool {
		r, ok := e.Range()
		return ok && r.Contains(addr) && r != everywhere(f)
	})
	return listed || slices.ContainsFunc(s.Rules[f.Filter()], func(r routeros.Rule) bool {
		c, _ := firewall.ConditionOf(&r, "src-address")
		from, asks := c.Test.(firewall.Addresses)
		return asks && from.Range.Contains(addr) && from.Range != everywhere(f)
	})
}

func everywhere(f routeros.Family) routeros.AddressRange {
	if f == routeros.IPv6 {
		return routeros.PrefixRange(netip.MustParsePrefix("::/0"))
	}
	return routeros.PrefixRange(netip.MustParsePrefix("0.0.0.0/0"))
}

// interfaces returns one interface of each group that the family's tables can't tell apart. A router
// that shows no interface at all gets a made-up one.
func interfaces(s routeros.Snapshot, f routeros.Family) []string {
	looks, seen := firewall.NewFirewall(s).Looks(s, f), map[string]bool{}
	var out []string
	for _, i := range s.Interfaces {
		if look, receives := looks[i.Name]; receives && !Unseen(i.Name) && !seen[look] {
			seen[look] = true
			out = append(out, i.Name)
		}
	}
	if len(out) == 0 {
		return []string{"ether1"}
	}
	return out
}
