// Package firewall is the RouterOS firewall as a function: the rules of one router, a packet, the
// address lists and a time go in, and what becomes of the packet comes out, with the rules that
// decided.
//
// Each row is compiled once, see [Compile]: into typed conditions, an action, what it fills and
// where it translates to. One table says how the values of each matcher are read; this package
// decides the conditions for one packet, package space cuts sets of packets by the same ones, and
// the checks and the simulated router ask them, too. It never guesses: a matcher that a packet
// alone can't settle, such as limit or layer7-protocol, is undecided, and [Firewall.Dispositions]
// follows both answers.
//
//	f := firewall.NewFirewall(snapshot)
//	lists := firewall.NewAddressLists(snapshot, at)
//	d := f.Input(p, lists, at)
//	fmt.Println(d.Verdict, d.Rule)
//
// The package is pure: no clock, no socket, no file.
package firewall

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Packet is one packet as the firewall sees it.
type Packet struct {
	Protocol         uint8
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // of tcp, udp, sctp, dccp and udp-lite
	// InInterface is where it came in; for a bridged port that is the bridge. Empty is an interface
	// that no rule and no list names.
	InInterface, OutInterface string
	SrcMAC                    string // upper case, with colons; empty when unknown
	// Size is the whole IP packet, header included, as packet-size counts it.
	Size               int
	TTL                uint8 // or the hop limit of IPv6
	DSCP               uint8
	Options            Options // of the IPv4 header
	Fragment           bool    // a second or later fragment: it has neither ports nor an ICMP type nor TCP flags
	ICMPType, ICMPCode uint8
	TCPFlags           Flags
	MSS                uint16 // the maximum segment size that a SYN offers; 0 when unknown
	State              State
	SrcNAT, DstNAT     bool // the connection's addresses are translated
	// To is where destination NAT sends the packets of this connection, which has been translated by
	// its first one; the zero value where it was not.
	To netip.AddrPort
	// IPsec says that the packet came out of an IPsec tunnel.
	IPsec   bool
	Payload []byte
}

// Family returns the packet's address family.
func (p Packet) Family() routeros.Family { return familyOf(p.Src) }

func familyOf(a netip.Addr) routeros.Family {
	if a.Unmap().Is6() {
		return routeros.IPv6
	}
	return routeros.IPv4
}

// State is the connection state that the router's connection tracking gives a packet.
type State uint8

// The connection states.
const (
	New State = iota
	Established
	Related
	Invalid
	Untracked
)

// String returns RouterOS's word for the state.
func (s State) String() string { return word(uint8(s), stateNames()...) }

func stateNames() []string { return []string{"new", "established", "related", "invalid", "untracked"} }

func parseState(name string) (State, bool) {
	i := slices.Index(stateNames(), name)
	return State(max(i, 0)), i >= 0
}

// word names a small number; one without a name is printed as it is.
func word(n uint8, names ...string) string {
	if int(n) < len(names) {
		return names[n]
	}
	return strconv.Itoa(int(n))
}

// Flags are TCP flags.
type Flags uint8

// The TCP flags.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// ParseFlag reads the router's word for one flag.
func ParseFlag(name string) (f Flags, ok bool) {
	i := slices.Index(flagNames(), name)
	return 1 << max(i, 0), i >= 0
}

func flagNames() []string { return []string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"} }

// Each returns the flags one by one.
func (f Flags) Each() []Flags {
	var out []Flags
	for i := range flagNames() {
		if one := Flags(1) << i; f&one != 0 {
			out = append(out, one)
		}
	}
	return out
}

// String returns the router's words for the flags.
func (f Flags) String() string {
	var out []string
	for i, name := range flagNames() {
		if f&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

// Options are options of the IPv4 header.
type Options uint8

// The IPv4 options that a rule can ask for, and one that stands for all others.
const (
	LooseSource Options = 1 << iota
	StrictSource
	RecordRoute
	RouterAlert
	Timestamp
	OtherOption
)

// AnyOption are all options.
const AnyOption = LooseSource | StrictSource | RecordRoute | RouterAlert | Timestamp | OtherOption

// ParseOption reads the router's word for one option; for those that it has no word for there is
// "another".
func ParseOption(name string) (o Options, ok bool) {
	i := slices.Index(optionNames(), name)
	return 1 << max(i, 0), i >= 0
}

func optionNames() []string {
	return []string{"loose-source-routing", "strict-source-routing", "record-route", "router-alert", "timestamp", "another"}
}

// Each returns the options one by one.
func (o Options) Each() []Options {
	var out []Options
	for i := range optionNames() {
		if one := Options(1) << i; o&one != 0 {
			out = append(out, one)
		}
	}
	return out
}

// String returns the router's words for the options.
func (o Options) String() string {
	var out []string
	for i, name := range optionNames() {
		if o&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

// Verdict is what becomes of a packet.
type Verdict uint8

// The verdicts. Forwarded means that a dst-nat rule sent the packet elsewhere and the filter's
// forward chain let it go there, so that it never reached the router's own services.
const (
	Accept Verdict = iota
	Drop
	Reject
	Tarpit
	Forwarded
)

// String returns the verdict as a word.
func (v Verdict) String() string {
	return word(uint8(v), "accept", "drop", "reject", "tarpit", "forwarded")
}

// Disposition is what becomes of a packet, and why.
type Disposition struct {
	Verdict Verdict
	// Rule decided; nil at the end of a built-in chain, which accepts. Table is where it stands. Of
	// what was forwarded it is the rule that sent it there.
	Rule  *routeros.Rule
	Table routeros.Menu
	// To is where a packet was sent, whether forward let it go there or not; the zero value where
	// nothing was, or where is not known.
	To netip.AddrPort
	// At is the address and port of the router itself that a packet was translated to, by redirect or
	// otherwise; the zero value where none was.
	At netip.AddrPort
	// Trail holds the rules that were looked at, in order: those that matched, and from
	// [Firewall.Trace] the others too.
	Trail []TraceStep
	// Additions are the list entries that the packet made, in order.
	Additions []Addition
	// Logged are the rules that logged the packet.
	Logged []*routeros.Rule
	// Undecided are the rules that hung on a matcher, or on an action, that the packet alone can't
	// settle.
	Undecided []TraceStep
	// Incomplete says that there may be other dispositions than those given: a walk was cut short
	// because chains jump in circles, or [Firewall.Dispositions] met more open questions than it
	// follows. A caller that has to be sure refuses such an answer.
	Incomplete bool
}

// TraceStep is one rule that a packet was held against.
type TraceStep struct {
	Table   routeros.Menu
	Index   int // position in the snapshot's table
	Rule    *routeros.Rule
	Matched bool
	// Failed is the matcher that did not match.
	Failed string
	// Undecided are the matchers that could not be settled.
	Undecided []string
}

// Addition is a list entry that a rule made.
type Addition struct {
	Family  routeros.Family
	List    string
	Address netip.Addr
	Timeout routeros.ListTimeout
	Rule    *routeros.Rule
}

// String describes a packet for people: tcp 203.0.113.9:51077 → 192.0.2.1:22 on ether1.
func (p Packet) String() string {
	var b strings.Builder
	b.WriteString(routeros.ProtocolName(p.Protocol))
	b.WriteByte(' ')
	if p.hasPorts() {
		b.WriteString(netip.AddrPortFrom(p.Src, p.SrcPort).String() + " → ")
	} else {
		b.WriteString(p.Src.String() + " → ")
	}
	switch {
	case p.Dst.IsValid() && p.hasPorts():
		b.WriteString(netip.AddrPortFrom(p.Dst, p.DstPort).String())
	case p.hasPorts():
		b.WriteString("router:" + strconv.Itoa(int(p.DstPort)))
	case p.Dst.IsValid():
		b.WriteString(p.Dst.String())
	default:
		b.WriteString("router")
	}
	if p.InInterface != "" {
		b.WriteString(" on " + p.InInterface)
	}
	if p.Options != 0 {
		b.WriteString(" with the IPv4 option " + p.Options.String())
	}
	return b.String()
}

// hasPorts reports whether the packet carries ports: a later fragment does not, whatever its
// protocol.
func (p *Packet) hasPorts() bool { return !p.Fragment && portProtocol(p.Protocol) }

// portProtocol reports whether a protocol has ports: tcp, udp, dccp, sctp and udp-lite.
func portProtocol(protocol uint8) bool {
	switch protocol {
	case 6, 17, 33, 132, 136:
		return true
	}
	return false
}
