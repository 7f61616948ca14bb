package firewall

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// Test is what one matcher asks of a packet, without its negation: one of the types below. The
// evaluator decides it for a packet; package space cuts the sets of packets by it.
type Test interface {
	on(*walk) answer
}

// Numbers asks whether a field has one of some values.
type Numbers struct {
	Field  Field
	Values Spans
}

// EitherPort asks whether the source or the destination port is one of some.
type EitherPort struct{ Values Spans }

// End is the source or the destination of a packet.
type End uint8

// The ends.
const (
	Source End = iota
	Destination
)

// Addresses asks whether an address lies in a range.
type Addresses struct {
	Of    End
	Range routeros.AddressRange
}

// AddressTypes asks whether an address is of one of some types.
type AddressTypes struct {
	Of    End
	Types []string
}

// Listed asks whether an address is in an address list.
type Listed struct {
	Of   End
	List string
}

// Way is how a packet comes in or leaves.
type Way uint8

// The ways.
const (
	In Way = iota
	Out
)

// OnInterface asks for an interface by name, or by one of the router's words for a kind.
type OnInterface struct {
	Way  Way
	Name string
	kind func(kind string) bool // of a word
}

// OnInterfaceList asks whether an interface is in an interface list.
type OnInterfaceList struct {
	Way  Way
	List string
}

// NATStates asks for a connection that is translated in one of some ways.
type NATStates struct{ Src, Dst, IndependentSrc, IndependentDst bool }

// Transferred asks how many bytes the connection has carried.
type Transferred struct {
	From, To uint64 // a To of 0 has no end
}

// During asks for a time of the router's own day.
type During routeros.Hours

// TCPFlags asks for TCP flags that are set, and for others that are not.
type TCPFlags struct{ Set, Unset Flags }

// Fact is something that a packet is or is not.
type Fact uint8

// The facts.
const (
	IsFragment   Fact = iota // a second or later fragment
	IsFromTunnel             // it came out of an IPsec tunnel
)

// Is asks whether a fact holds, or does not.
type Is struct {
	Fact Fact
	Want bool
}

// Carries asks for a text in the payload.
type Carries struct{ Text string }

// SentBy asks for the source's hardware address, in upper case.
type SentBy struct{ MAC string }

// HasOption asks for a packet with one of some IPv4 options, or without all of them.
type HasOption struct {
	Of   Options
	Want bool
}

// Count is what a matcher counts over the packets of its rule, or of all rules.
type Count uint8

// The counts.
const (
	CountPorts       Count = iota // psd: ports to which a source has not sent before
	CountConnections              // connection-limit: connections of one network of sources
)

// Counted is a question that earlier packets settle. Some packets are not counted at all and never
// match, with a ! neither: see [Counted.Counts].
type Counted struct{ Of Count }

// Counts reports whether a packet is counted (routeros-facts § 15.1). psd counts TCP and UDP, but
// no later fragment and no TCP with ACK or RST; connection-limit counts what belongs to a
// connection.
func (t Counted) Counts(p *Packet) bool {
	if t.Of == CountConnections {
		return p.State != Invalid && p.State != Untracked
	}
	return !p.Fragment && (p.Protocol == 17 || p.Protocol == 6 && p.TCPFlags&(ACK|RST) == 0)
}

// answer is what a condition says of a packet.
type answer uint8

const (
	no answer = iota
	yes
	unknown // the packet alone does not tell
	absent  // the packet has nothing to match on, such as ports: no, and no with a ! too
)

// on answers for a packet. A condition that can't be decided is unknown either way round.
func (c *check) on(k *walk) answer {
	if c.test == nil {
		return unknown
	}
	a := c.test.on(k)
	if c.negated {
		switch a {
		case no:
			return yes
		case yes:
			return no
		}
	}
	return a
}

// on leaves open the port of a packet that went to one of several ports, and the time to live of
// one that was sent on: it is one less by then, or it was answered that none is left.
func (t Numbers) on(k *walk) answer {
	n := t.Field.Of(&k.packet)
	switch t.Field {
	case FieldProtocol, FieldState, FieldSize, FieldDSCP:
		return is(t.Values.Contain(n))
	}
	switch {
	case !t.Field.Needs().met(k):
		return absent
	case t.Field == FieldDstPort && k.anyPort, t.Field == FieldTTL && k.sent, t.Field == FieldMSS && n == 0:
		return unknown
	}
	return is(t.Values.Contain(n))
}

func is(b bool) answer {
	if b {
		return yes
	}
	return no
}

func (t EitherPort) on(k *walk) answer {
	switch {
	case !k.packet.hasPorts():
		return absent
	case k.anyPort:
		return unknown
	}
	return is(t.Values.Contain(int(k.packet.SrcPort)) || t.Values.Contain(int(k.packet.DstPort)))
}

// on of a packet that went to one of several hosts is decided where all of them match, or none.
func (t Addresses) on(k *walk) answer {
	switch {
	case t.Of == Source:
		return is(t.Range.Contains(k.packet.Src))
	case !k.vague:
		return is(t.Range.Contains(k.packet.Dst))
	}
	if all, known := t.OfHosts(k.hosts); known {
		return is(all)
	}
	return unknown
}

// OfHosts answers for all of some hosts at once; it is known where they agree. Hosts that are not
// known have no valid First.
func (t Addresses) OfHosts(hosts routeros.AddressRange) (all, known bool) {
	switch {
	case !hosts.First.IsValid():
		return false, false
	case !t.Range.Overlaps(hosts):
		return false, true
	}
	all = t.Range.Contains(hosts.First) && t.Range.Contains(hosts.Last)
	return all, all
}

// on takes a packet on its way into input for local unless it is a broadcast or multicast. Of the
// other addresses only the routing table knows whether they are unicast or, say, blackhole: a rule
// that names such a type is undecided for them.
func (t AddressTypes) on(k *walk) answer {
	var kind string
	switch {
	case t.Of == Source:
		kind = k.world.addressType(k.packet.Src, false)
	case k.vague:
		return unknown
	default:
		kind = k.world.addressType(k.packet.Dst, k.toRouter)
	}
	if kind == "" || kind == "unicast" && !slices.Contains(t.Types, kind) && t.routed() {
		return unknown
	}
	return is(slices.Contains(t.Types, kind))
}

// routed reports whether one of the types is known to the routing table alone.
func (t AddressTypes) routed() bool {
	return slices.ContainsFunc(t.Types, func(kind string) bool { return slices.Contains(routedTypes(), kind) })
}

// addressType is empty for the unspecified address, which systems without an address send from.
func (w *Firewall) addressType(a netip.Addr, arrived bool) string {
	switch {
	case a.IsMulticast():
		return "multicast"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}), w.bcast[a]:
		return "broadcast"
	case arrived, w.local[a], a.IsLoopback():
		return "local"
	case a.IsUnspecified():
		return ""
	}
	return "unicast"
}

// on is undecided for lists that were not read: anybody may be in them.
func (t Listed) on(k *walk) answer {
	address := k.packet.Src
	switch {
	case t.Of == Source:
	case k.vague:
		return unknown
	default:
		address = k.packet.Dst
	}
	if k.listed(t.List, address) {
		return is(true)
	}
	if read := (routeros.Snapshot{PartlyRead: k.world.partly}).ReadsList(k.family, t.List); !read {
		return unknown
	}
	return is(false)
}

// face is the interface of a packet. One for the router itself leaves by none, and one that the
// router made came in by none: that is not one of all either, and only a ! matches it
// (routeros-facts § 15.1).
func (k *walk) face(w Way) (name string, a answer) {
	switch {
	case w == In && k.made:
		return "", no
	case w == In:
		return k.packet.InInterface, yes
	case k.sent && !k.leaves:
		return "", unknown
	case k.packet.OutInterface == "":
		return "", no
	}
	return k.packet.OutInterface, yes
}

// on passes over a rule that names an interface by which no packet comes, with a ! too.
func (t OnInterface) on(k *walk) answer {
	name, a := k.face(t.Way)
	switch {
	case k.world.void(t):
		return absent
	case a != yes:
		return a
	case t.kind == nil:
		return is(name == t.Name)
	}
	kind := k.world.ifaces[name].Type
	if kind == "" {
		return unknown
	}
	return is(t.kind(kind))
}

// void reports whether an interface is gone, or a port of a bridge or a bond: the router then passes
// over the rule that names it (routeros-facts § 15).
func (w *Firewall) void(t OnInterface) bool { return IsGone(t.Name) || w.ifaces[t.Name].Slave }

// Void returns the condition for which the router passes over a rule, whatever the packet.
func (w *Firewall) Void(r *Rule) (c Condition, void bool) {
	for i := range r.Conditions {
		if t, ok := r.Conditions[i].Test.(OnInterface); ok && w.void(t) {
			return r.Conditions[i], true
		}
	}
	return Condition{}, false
}

// IsInterfaceKind reports whether a word stands for a kind of interfaces where an interface is
// asked for.
func IsInterfaceKind(word string) bool { return kindTest(word) != nil }

// kindTest returns what belongs to one of the words for a kind of interfaces, or nil for a name.
func kindTest(word string) func(kind string) bool {
	switch word {
	case "all-ethernet":
		return func(kind string) bool { return kind == "ether" }
	case "all-vlan":
		return func(kind string) bool { return kind == "vlan" }
	case "all-ppp":
		return func(kind string) bool {
			return slices.ContainsFunc([]string{"ppp", "pptp", "l2tp", "sstp", "ovpn"}, func(s string) bool { return strings.HasPrefix(kind, s) })
		}
	case "all-wireless":
		return func(kind string) bool { return kind == "wlan" || kind == "wifi" || kind == "cap" }
	}
	return nil
}

// on is undecided for a list that the snapshot lacks: on the router it must be there, so what was
// read is only a part.
func (t OnInterfaceList) on(k *walk) answer {
	if _, ok := k.world.members[t.List]; !ok && !IsGone(t.List) {
		return unknown
	}
	name, a := k.face(t.Way)
	switch {
	case a != yes:
		return a
	case IsGone(t.List):
		return no // it is gone, and counts as empty (routeros-facts § 15)
	}
	return is(k.world.InInterfaceList(name, t.List))
}

// on takes any of the states. A translated connection does not show whether it is one of
// endpoint-independent NAT; an untranslated one surely is not.
func (t NATStates) on(k *walk) answer {
	switch p := &k.packet; {
	case p.SrcNAT && t.Src || p.DstNAT && t.Dst:
		return yes
	case p.SrcNAT && t.IndependentSrc || p.DstNAT && t.IndependentDst:
		return unknown
	}
	return no
}

// on is decided for the first packet of a connection, when it makes no difference whether that
// packet is counted already.
func (t Transferred) on(k *walk) answer {
	size := uint64(max(k.packet.Size, 0))
	if k.packet.State != New || t.Contains(0) != t.Contains(size) {
		return unknown
	}
	return is(t.Contains(size))
}

// Contains reports whether a number of bytes is what the condition asks for.
func (t Transferred) Contains(n uint64) bool { return t.From <= n && (t.To == 0 || n <= t.To) }

// on leaves open what is not known: whether the second in which the time ends belongs to it, and
// whether the hours behind midnight of a time such as 22h-4h belong to the day before.
func (t During) on(k *walk) answer {
	if k.at.IsZero() {
		return unknown
	}
	clock := time.Duration(k.at.Hour())*time.Hour + time.Duration(k.at.Minute())*time.Minute + time.Duration(k.at.Second())*time.Second
	day := k.at.Weekday()
	today, yesterday := routeros.Hours(t).On(day), routeros.Hours(t).On((day+6)%7)
	overnight := t.Until < t.From
	switch {
	case overnight && clock >= t.From:
		return is(today)
	case clock > t.Until || !overnight && clock < t.From:
		return no
	case overnight && today != yesterday:
		return unknown
	case clock == t.Until && today:
		return unknown
	}
	return is(today)
}

// isTCP reports whether the packet has a TCP header; of fragments only the first has one.
func (p *Packet) isTCP() bool { return p.Protocol == 6 && !p.Fragment }

func (t TCPFlags) on(k *walk) answer {
	return is(k.packet.isTCP() && k.packet.TCPFlags&t.Set == t.Set && k.packet.TCPFlags&t.Unset == 0)
}

func (t Is) on(k *walk) answer {
	held := k.packet.Fragment
	if t.Fact == IsFromTunnel {
		held = k.packet.IPsec
	}
	return is(held == t.Want)
}

func (t Carries) on(k *walk) answer { return is(bytes.Contains(k.packet.Payload, []byte(t.Text))) }

func (t SentBy) on(k *walk) answer {
	if k.packet.SrcMAC == "" {
		return unknown
	}
	return is(strings.EqualFold(k.packet.SrcMAC, t.MAC))
}

func (t HasOption) on(k *walk) answer { return is((k.packet.Options&t.Of != 0) == t.Want) }

func (t Counted) on(k *walk) answer {
	if !t.Counts(&k.packet) {
		return absent
	}
	return unknown
}
