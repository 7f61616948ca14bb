package expect

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// document is what messages call a tests file.
func document() form.Document {
	return form.Document{What: "a tests file", Plural: "tests files", MaxBytes: 1 << 20,
		TooLarge: "the file is larger than 1 MiB", Empty: "the smallest tests file has a version and one test; rosknock init writes one"}
}

// Schema returns the JSON Schema of a tests file, made from the same description as the reader.
func Schema() []byte { return fileForm().Schema("rosknock tests") }

// fileForm describes a tests file. The reader, its "did you mean", the JSON Schema and the
// reference all come from it.
func fileForm() form.Form {
	return form.Mapping(
		form.Field{Name: "version", Required: true, About: "The version of the format.", Value: form.Number("the version of the format", 1, 1)},
		form.Field{Name: "plan", Fallback: "the router's plans in the inventory",
			About: "The plan file whose doors and allow-list the tests name, relative to this file.", Value: form.Of(form.TextScalar("a plan file"))},
		form.Field{Name: "tests", Required: true, About: "What has to become of which packets.", Value: form.List(testForm()).AtLeast(1)},
	)
}

func testForm() form.Form {
	return form.Mapping(
		form.Field{Name: "name", Required: true, About: "What the test is called in results. Each name comes once.", Value: form.Of(form.TextScalar("a name"))},
		form.Field{Name: "packet", About: "A packet as `trace` takes it: `tcp 203.0.113.9 :22 in WAN`. In place of the source also `any`, `stranger` or a prefix; " +
			"in place of the port a range, `:1-1023`. Behind them `in NAME`, an interface or an interface list, and `state NAME`. " +
			"A source port, an interface or a size that is not named may be any. A test has either this or reaches.",
			Value: form.Of(packetScalar())},
		form.Field{Name: "from", Fallback: "anyone", About: "Of a test with reaches: who sends. `stranger` is a source outside that no rule and no address list names. " +
			"`anyone` has any address that a host can have, on any interface. `allowed` is the allow-list of the plan. " +
			"Or an address, a prefix, a range; or an interface or an interface list, such as LAN.",
			Value: form.Of(sourceScalar())},
		form.Field{Name: "reaches", About: "Services, VPNs by the port on which their clients begin, and ports, as `tcp/8443`, `udp/5000-5010` or `icmp`.",
			Value: form.List(form.Of(targetScalar())).AtLeast(1)},
		form.Field{Name: "in", About: "The interface or interface list by which the packets come in. By default the one of from; else of strangers those outside, of others all. " +
			"Of a list, an interface that joins it later counts too.",
			Value: form.Of(form.TextScalar("an interface or interface list"))},
		form.Field{Name: "after", About: "What the source does first. It has to be one source, an address or stranger.",
			Value: form.Mapping(form.Field{Name: "knock", Required: true, About: "The door of the plan whose whole knock it plays.", Value: form.Of(doorScalar())})},
		form.Field{Name: "family", Fallback: "both, where the router has both", About: "The address family.", Value: form.Of(form.Scalar{What: "a family", Enum: []string{"ipv4", "ipv6"}})},
		form.Field{Name: "size", Fallback: "any", About: "The size of the whole packet in bytes, IP header included.", Value: form.Number("a size", 20, 65535)},
		form.Field{Name: "expect", Required: true, About: "What has to become of every packet of the class. " +
			"`accept`: the router lets it in; with reaches, the service is also on and answers the source. " +
			"`drop`: it is dropped without an answer; with reaches, it does not get in, however it is stopped. " +
			"`reject`: it is rejected. `forward`: destination NAT sends it on, and the forward chain lets it go.",
			Value: form.Of(form.Scalar{What: "a verdict", Enum: Verdicts()})},
	).ExactlyOne("packet", "reaches")
}

// Reference returns the keys of a tests file as a Markdown document.
func Reference() []byte {
	return fileForm().Reference(`# The tests file

Generated from the description that reads it. A tests file is YAML, read as strictly as a plan. ` + "`rosknock test`" + ` checks it on routers and
exports. Each test is about all packets of a class: what it leaves open may be anything. Packets are whole first packets: of TCP a SYN, of ICMP an
echo request, not out of an IPsec tunnel, and to an address of the router; with another state, TCP packets have the flag ACK alone.

An address is in those lists in which it is when the test runs, like a packet of ` + "`rosknock trace`" + `. All other sources are in no list by
a rule's doing.

A stranger comes in by an interface outside, from an address that no enabled rule, no address list and no service names; a prefix wider than
/8 (IPv6: /7) names nobody. Outside is also an interface that the router does not show, or that comes later: one in no interface list, and one
in each list that strangers come in by, such as WAN. Packets with a forged address that a rule does name are not a stranger's: a test
with ` + "`from: anyone`" + ` is about these too.

A knock is played by one source. A test with ` + "`after`" + ` of a stranger plays it from one such address, on each interface
outside. Rules treat all strangers alike, but for rules with a prefix wider than /8 (IPv6: /7): for such a rule, name an address on
either side of it in two tests.

What can't be decided from a packet, such as limit, a layer-7 pattern or a packet mark, is followed both ways. A test that hangs on it does
not hold, and its outcome is unknown. So is one about something that an export does not show.
`)
}

func packetScalar() form.Scalar {
	return form.Scalar{What: "a packet", Pattern: `^[a-z0-9-]+ [^ ]+`, Check: func(text string) (string, string) {
		if _, err := parsePacket(text); err != nil {
			return err.Error(), ""
		}
		return "", ""
	}}
}

func sourceScalar() form.Scalar {
	s := form.TextScalar("a source")
	named := s.Check
	s.Check = func(text string) (string, string) {
		if _, err := routeros.ParseAddressRange(text); err != nil && looksLikeAddress(text) {
			return "it is neither an address nor a prefix nor a range", "write 198.51.100.7 or 2001:db8:77::/48"
		}
		for _, word := range sourceWords() {
			if strings.EqualFold(text, word) && text != word {
				return "the word is written small", form.DidYouMean(word)
			}
		}
		return named(text)
	}
	return s
}

// sourceWords are the words for sources that are no names of the router.
func sourceWords() []string { return []string{"stranger", "anyone", "allowed"} }

// looksLikeAddress reports whether a text can only be meant for an address: no interface is called
// 10.1.2.
func looksLikeAddress(text string) bool {
	return strings.Trim(text, "0123456789./-") == "" || strings.Count(text, ":") > 1
}

func doorScalar() form.Scalar {
	return form.Scalar{What: "a door", Pattern: `^[a-z0-9-]{1,24}$`, Check: func(text string) (string, string) { return plans.CheckName(text), "" }}
}

func targetScalar() form.Scalar {
	var words []string
	for _, s := range routeros.Services() {
		words = append(words, s.Name)
	}
	words = append(append(words, plans.VPNs()...), "icmp")
	return form.Scalar{What: "a target", Hints: words,
		Pattern: `^(` + strings.Join(words, "|") + `|(tcp|udp)/[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?)$`,
		Check: func(text string) (string, string) {
			if _, ok := parseTarget(text); !ok {
				return "it is not a service, a VPN or a protocol with a port", "write ssh, tcp/8443, udp/5000-5010 or icmp"
			}
			return "", ""
		}}
}

// parseTarget reads an item of reaches.
func parseTarget(text string) (Target, bool) {
	switch _, known := routeros.KnownService(text); {
	case known:
		return Target{Kind: ToService, Name: text, Protocol: 6}, true
	case plans.VPNMatches(text, routeros.IPv4) != nil:
		return Target{Kind: ToVPN, Name: text}, true
	case text == "icmp":
		return Target{Name: text, Protocol: 1}, true
	}
	protocol, ports, _ := strings.Cut(text, "/")
	number := map[string]uint8{"tcp": 6, "udp": 17}[protocol]
	r, ok := portRange(ports)
	return Target{Name: text, Protocol: number, Ports: r}, ok && number != 0
}

// portRange reads 22 or 5000-5010.
func portRange(text string) (routeros.PortRange, bool) {
	low, high, is := strings.Cut(text, "-")
	if !is {
		high = low
	}
	first, err := routeros.ParsePort(low)
	last, err2 := routeros.ParsePort(high)
	return routeros.PortRange{First: first, Last: last}, err == nil && err2 == nil && 0 < first && first <= last
}

// parseSource reads the source of a test with reaches.
func parseSource(text string) Source {
	switch text {
	case "stranger":
		return Source{Kind: Stranger}
	case "", "anyone":
		return Source{Kind: Anyone}
	case "allowed":
		return Source{Kind: Allowed}
	}
	if r, err := routeros.ParseAddressRange(text); err == nil {
		return Source{Kind: Addresses, Range: r}
	}
	return Source{Kind: Behind, Name: text}
}

// pattern is a packet as a test writes it.
type pattern struct {
	source Source
	target Target
	family routeros.Family
	in     string
	state  firewall.State
}

// parsePacket reads the words of trace, with sides that may be open.
func parsePacket(text string) (pattern, error) {
	var p pattern
	words, err := p.tail(strings.Fields(text))
	if err != nil {
		return p, err
	}
	return p, p.parse(words)
}

// tail reads what stands behind the packet: in NAME, state NAME.
func (p *pattern) tail(words []string) ([]string, error) {
	for len(words) >= 4 {
		at := len(words) - 2
		switch name := words[at+1]; words[at] {
		case "in":
			p.in = name
		case "state":
			state, ok := parseState(name)
			if !ok {
				return nil, fmt.Errorf("state %q: choose new, established, related, invalid or untracked", name)
			}
			p.state = state
		default:
			return words, nil
		}
		words = words[:at]
	}
	return words, nil
}

func parseState(name string) (firewall.State, bool) {
	for s := firewall.New; s <= firewall.Untracked; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return firewall.New, false
}

// parse reads protocol, source and destination. The reader of trace checks them, with an address
// in place of a source that is open.
func (p *pattern) parse(words []string) error {
	plain, wide := append([]string{}, words...), false
	if len(words) > 1 {
		wide = p.wideSource(words[1])
	}
	if wide {
		plain[1] = p.sample(words)
	}
	var last string
	if len(words) == 3 {
		host, port, ok := cutLast(words[2], ":")
		low, high, ranged := strings.Cut(port, "-")
		if ok && ranged {
			plain[2], last = host+":"+low, high
		}
	}
	packet, err := firewall.Parse(plain)
	if err != nil {
		return err
	}
	p.target = Target{Name: strings.Join(words, " "), Protocol: packet.Protocol, Ports: routeros.PortRange{First: packet.DstPort, Last: packet.DstPort}, To: packet.Dst}
	if last != "" {
		r, ok := portRange(words[2][strings.LastIndex(words[2], ":")+1:])
		if !ok {
			return fmt.Errorf("%q: a range of ports is written as :1-1023", words[2])
		}
		p.target.Ports = r
	}
	p.places(words[1], packet, wide)
	return nil
}

// places fills in source and family of a packet that was read.
func (p *pattern) places(source string, packet firewall.Packet, wide bool) {
	if !wide {
		p.source = Source{Kind: Addresses, Range: routeros.AddressRange{First: packet.Src, Last: packet.Src}}
		if _, err := netip.ParseAddr(source); err != nil { // it has a port
			p.source.Port = packet.SrcPort
		}
	}
	if p.source.Kind == Addresses || packet.Dst.IsValid() {
		p.family = packet.Family()
	}
}

// wideSource reads a source that is no address with or without a port.
func (p *pattern) wideSource(text string) bool {
	switch text {
	case "any":
		p.source = Source{Kind: Anyone}
	case "stranger":
		p.source = Source{Kind: Stranger}
	default:
		if _, err := netip.ParseAddr(text); err == nil || !strings.ContainsAny(text, "/-") {
			return false
		}
		r, err := routeros.ParseAddressRange(text)
		p.source = Source{Kind: Addresses, Range: r}
		return err == nil
	}
	return true
}

// sample is an address in place of an open source.
func (p *pattern) sample(words []string) string {
	switch {
	case p.source.Kind == Addresses:
		return p.source.Range.First.String()
	case len(words) == 3 && strings.Count(words[2], ":") > 1, words[0] == "icmpv6":
		return "2001:db8::9"
	}
	return "203.0.113.9"
}

func cutLast(text, sep string) (before, after string, found bool) {
	at := strings.LastIndex(text, sep)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(sep):], true
}
