package proof

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Peers are connected peers of a VPN who would have to knock before their tunnel comes up again.
type Peers struct {
	VPN    string // as a plan names it
	Family routeros.Family
	Count  int
	More   bool // there may be more: not all were looked at
}

// String says how many.
func (p Peers) String() string {
	count, who := fmt.Sprint(p.Count), "peers"
	if p.More {
		count = "at least " + count
	} else if p.Count == 1 {
		who = "peer"
	}
	return fmt.Sprintf("over %s %s connected %s of %s would have to knock before the next connection: allow.addresses with their addresses lets them in", p.Family, count, who, p.VPN)
}

// mostPeers is how many peers of a kind of VPN are looked at.
const mostPeers = 1000

// outerMatches are the packets in which a tunnel of a peer arrives.
func (p *prover) outerMatches(peer routeros.Peer) []traffic.Match {
	var out []traffic.Match
	for _, v := range p.before.Servers(peer.Kind) {
		if v.Port != 0 && (peer.Interface == "" || peer.Interface == v.Name) {
			out = append(out, traffic.Match{Protocol: v.Protocol, Ports: routeros.Ports{{First: v.Port, Last: v.Port}}})
		}
	}
	name := vpnName(peer.Kind)
	if peer.Kind == "l2tp" && !p.encrypted(peer) {
		return []traffic.Match{{Protocol: "udp", Ports: traffic.Ports("1701")}}
	}
	if out == nil {
		for _, m := range plans.VPNMatches(name, 0) {
			out = append(out, traffic.Match{Protocol: m.Protocol, Ports: traffic.Ports(m.Ports), IPsecPolicy: m.IPsecPolicy})
		}
	}
	return out
}

// encrypted reports whether the L2TP of a peer comes in IPsec, as far as the router tells.
func (p *prover) encrypted(peer routeros.Peer) bool {
	return !p.before.Tells(routeros.IPsecActive) || slices.ContainsFunc(p.before.Peers, func(o routeros.Peer) bool { return o.Kind == "ipsec" && o.Endpoint == peer.Endpoint })
}

// vpnName is the name that a plan has for a kind of VPN.
func vpnName(kind string) string {
	switch kind {
	case "l2tp":
		return "l2tp-ipsec"
	case "ipsec":
		return "ikev2"
	}
	return kind
}

// carried are the tunnels that carry the operators' sessions, as far as their ends are known.
func (p *prover) carried() []routeros.Peer {
	var out []routeros.Peer
	for _, operator := range p.session.Operators {
		found, _ := carriers(p.before, operator)
		for _, peer := range found {
			same := func(o routeros.Peer) bool {
				return o.Kind == peer.Kind && o.Interface == peer.Interface && o.Endpoint == peer.Endpoint
			}
			if peer.Endpoint.IsValid() && !slices.ContainsFunc(out, same) && len(out) < mostCarriers {
				out = append(out, peer)
			}
		}
	}
	return out
}

// carriers returns the tunnels through which a source sends: those of the peer with the smallest
// network that holds it, unless a smaller network is connected. If the source is private and on no
// network that is known, every tunnel that does not tell its networks may carry it. Then doubtful
// is true.
func carriers(s routeros.Snapshot, source netip.Addr) (found []routeros.Peer, doubtful bool) {
	bits, face := connected(s, source)
	best := max(bits, 0)
	for _, p := range s.Peers {
		longest := -1
		for _, inner := range p.Inner {
			if inner.Contains(source) && (inner.Bits() > 0 || bits < 0 && defaultVia(s, p.Interface)) {
				longest = max(longest, inner.Bits())
			}
		}
		switch {
		case longest < best || longest == bits && p.Interface != face:
		case longest > best:
			found, best = []routeros.Peer{p}, longest
		default:
			found = append(found, p)
		}
	}
	if found != nil {
		return found, false
	}
	for _, p := range s.Peers {
		if p.Interface != "" && p.Interface == face || bits < 0 && source.IsPrivate() && p.Interface == "" {
			found = append(found, p)
		}
	}
	return found, true
}

// connected returns the length of the smallest connected network that holds an address, and its
// interface; -1 if there is none.
func connected(s routeros.Snapshot, address netip.Addr) (bits int, face string) {
	bits = -1
	for _, a := range s.Addresses {
		if !a.Disabled && a.Prefix.Contains(address) && a.Prefix.Bits() > bits {
			bits, face = a.Prefix.Bits(), a.Interface
		}
	}
	return bits, face
}

func defaultVia(s routeros.Snapshot, face string) bool {
	return face != "" && slices.ContainsFunc(s.Uplinks, func(u routeros.Uplink) bool { return u.Interface == face })
}

// mostCarriers bounds the tunnels of which one may carry the session and that are followed.
const mostCarriers = 32

// tunnels are the tunnels that end on the router: of their far ends one may carry the session.
type tunnels struct{ operators }

// check: if the operator's session comes in through a tunnel, its outer packets, of the running
// tunnel and of the next handshake, stay accepted wherever they are accepted before. A door that
// opens the VPN is a way in again for the next handshake.
func (tu tunnels) check() {
	for _, peer := range tu.carried() {
		if peer.Endpoint.Is4() != (tu.Family == routeros.IPv4) {
			continue
		}
		known, owed := tu.space.And(tu.packetsOf(peer), tu.packetsOfMember(peer.Endpoint)), tu.packetsOwed()
		forgiven := tu.space.And(tu.packetsOpenable(), tu.space.States(firewall.New))
		for n := 1; n < len(tu.states); n++ {
			lost := tu.space.And(known, tu.space.Minus(owed, tu.results[n].Accepted))
			tu.checkEmpty(Failure{
				Promise: KeepOperator, Risk: LoseSession, After: n,
				What:   fmt.Sprintf("%s the %s tunnel that %s from %s would be cut", tu.state(n), peer.Kind, tu.carries(peer), peer.Endpoint),
				Remedy: tu.remedy(peer),
			}, "is stopped by", tu.space.Minus(lost, forgiven))
			if n == len(tu.states)-1 && !lost.Empty() && tu.space.Minus(lost, forgiven).Empty() {
				tu.note(fmt.Sprintf("this session comes through a %s tunnel from %s: a tunnel that pauses has to knock from there before it comes up again, unless allow.addresses has %s", peer.Kind, peer.Endpoint, peer.Endpoint))
			}
		}
	}
	tu.noteUnseen()
}

// carries says how sure it is that a tunnel carries the session.
func (tu tunnels) carries(peer routeros.Peer) string {
	for _, operator := range tu.session.Operators {
		if found, doubtful := carriers(tu.before, operator); !doubtful && slices.ContainsFunc(found, func(o routeros.Peer) bool { return o.Endpoint == peer.Endpoint }) {
			return fmt.Sprintf("carries this session (%s)", operator)
		}
	}
	return "may carry this session"
}

func (tu tunnels) remedy(peer routeros.Peer) string {
	if tu.want.Removes {
		return tu.operators.remedy()
	}
	return fmt.Sprintf("write allow.addresses: [%s], or let a door open the VPN with opens: [%s]", peer.Endpoint, vpnName(peer.Kind))
}

// packetsOpenable are the packets that doors open, from any source.
func (tu tunnels) packetsOpenable() space.Set {
	var out space.Set
	for _, opened := range tu.doors {
		out = tu.space.Or(out, opened)
	}
	return out
}

// packetsOf are the outer packets of a peer's tunnel: of the running one, and of a new one. The
// source port is left open: behind NAT it changes with each tunnel.
func (tu tunnels) packetsOf(peer routeros.Peer) space.Set {
	s := tu.space
	flow := s.And(s.Sources(routeros.AddressRange{First: peer.Endpoint, Last: peer.Endpoint}), s.States(firewall.New, firewall.Established))
	flow = s.And(flow, traffic.Packets(s, tu.nat, tu.outerMatches(peer)))
	if len(s.Interfaces()) > 1 {
		flow = s.Minus(flow, s.Unseen())
	}
	if _, face := connected(tu.before, peer.Endpoint); face != "" {
		return s.And(flow, s.In(face))
	}
	if peer.Interface != "" {
		flow = s.Minus(flow, s.In(peer.Interface))
	}
	return flow
}

// noteUnseen says where it can't be known which outer packets carry the session.
func (tu tunnels) noteUnseen() {
	if len(tu.states) == 1 {
		return
	}
	for _, operator := range tu.session.Operators {
		found, _ := carriers(tu.before, operator)
		if slices.ContainsFunc(found, func(p routeros.Peer) bool { return !p.Endpoint.IsValid() }) {
			tu.note(fmt.Sprintf("%s comes in through a %s tunnel, and nothing tells from which address its outer packets come: whether they stay accepted is unknown", operator, found[0].Kind))
		}
	}
	for _, kind := range []string{"wireguard", "l2tp", "ipsec"} {
		if menu := routeros.PeerMenu(kind); slices.Contains(tu.before.Untold, menu) && tu.gates(tu.outerMatches(routeros.Peer{Kind: kind})) {
			tu.note(fmt.Sprintf("the router does not show %s: which peers of VPNs are connected, and whether one carries this session, is unknown", menu))
		}
	}
}

// gates reports whether the gate shuts some of these packets.
func (tu tunnels) gates(matches []traffic.Match) bool {
	return slices.ContainsFunc(traffic.Shut(tu.Gate), func(g traffic.Match) bool {
		return slices.ContainsFunc(matches, func(m traffic.Match) bool {
			return g.Protocol == "" || g.Protocol == m.Protocol && (g.Ports == nil || m.Ports == nil || g.Ports.Overlaps(m.Ports))
		})
	})
}

// count counts the connected peers whose next connection the gate would stop.
func (tu tunnels) count() {
	if len(tu.states) == 1 || len(tu.before.Peers) == 0 {
		return
	}
	var before, after trial
	var was, is firewall.Lists
	looked, counts, more := map[string]int{}, map[string]int{}, map[string]bool{}
	var kinds []string
	for _, peer := range tu.before.Peers {
		if !peer.Endpoint.IsValid() || peer.Endpoint.Is4() != (tu.Family == routeros.IPv4) {
			continue
		}
		matches := slices.DeleteFunc(tu.outerMatches(peer), func(m traffic.Match) bool { return !tu.gates([]traffic.Match{m}) })
		if len(matches) == 0 {
			continue
		}
		if looked[peer.Kind]++; looked[peer.Kind] > mostPeers {
			more[peer.Kind] = true
			continue
		}
		if before.world == nil {
			before, after = tu.trialOn(tu.before), tu.trialOn(tu.after)
			was, is = firewall.NewAddressLists(tu.before, tu.before.Clock), firewall.NewAddressLists(tu.after, tu.before.Clock)
		}
		if before.lets(peer, matches[0], was) && !after.lets(peer, matches[0], is) {
			if counts[peer.Kind]++; counts[peer.Kind] == 1 {
				kinds = append(kinds, peer.Kind)
			}
		}
	}
	for _, kind := range kinds {
		p := Peers{VPN: vpnName(kind), Family: tu.Family, Count: counts[kind], More: more[kind]}
		tu.proof.Peers = append(tu.proof.Peers, p)
		tu.note(p.String())
	}
}

// trialOn is another state of the router, for packets to be played on.
func (tu tunnels) trialOn(s routeros.Snapshot) trial {
	return trial{family: tu.family, snapshot: s, world: firewall.NewFirewall(s), probes: traffic.NewProbes(s, tu.Family), at: s.Clock}
}

// lets reports whether a peer's first packet is accepted, on any interface by which it may come.
func (t trial) lets(peer routeros.Peer, m traffic.Match, lists firewall.Lists) bool {
	faces := t.probes.Interfaces
	if _, face := connected(t.snapshot, peer.Endpoint); face != "" {
		faces = []string{face}
	} else if up := t.uplinks(); up != nil {
		faces = up
	}
	return slices.ContainsFunc(faces, func(in string) bool {
		packet := t.probes.To(in, m)[0]
		packet.Src = peer.Endpoint
		if peer.Port != 0 {
			packet.SrcPort = peer.Port
		}
		return t.decide(packet, lists).Verdict == firewall.Accept
	})
}

func (t trial) uplinks() []string {
	var out []string
	for _, u := range t.snapshot.Uplinks {
		if u.Family == t.Family && u.Interface != "" && !strings.HasPrefix(u.Interface, "*") {
			out = append(out, u.Interface)
		}
	}
	return out
}
