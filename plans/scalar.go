package plans

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

const (
	namePattern    = `^[a-z0-9-]{1,24}$`
	defaultLogRate = "10/1m"
)

var nameText = regexp.MustCompile(namePattern)

func nameScalar() form.Scalar {
	return form.Scalar{What: "a name", Pattern: namePattern, Check: func(text string) (string, string) { return CheckName(text), "" }}
}

// CheckName says what is wrong with the name of a plan or a door; empty if it is valid.
func CheckName(text string) string {
	if nameText.MatchString(text) {
		return ""
	}
	return "names are made of a-z, 0-9 and -, at most 24 of them"
}

func addressScalar() form.Scalar {
	return form.Scalar{What: "an address or prefix", Pattern: `^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$`, Check: checkAddress}
}

func checkAddress(text string) (why, remedy string) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		switch {
		case err != nil:
			return "it is neither an address nor a prefix", "write 198.51.100.7 or 2001:db8:77::/48"
		case a.Zone() != "":
			return "a zone has no meaning on the router", "write " + a.WithZone("").String()
		case a.Is4In6():
			return "an IPv4 address is written inside an IPv6 one", "write " + a.Unmap().String()
		}
		return "", ""
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return "it is neither an address nor a prefix", "write 198.51.100.0/24 or 2001:db8:77::/48"
	case p.Addr().Is4In6():
		return "an IPv4 prefix is written inside an IPv6 one", "write it as IPv4"
	case p != p.Masked():
		return "the address has bits beyond the prefix's length", "write " + p.Masked().String()
	}
	return "", ""
}

func timeoutScalar() form.Scalar {
	return form.Scalar{What: "a time", Pattern: `^([0-9]+[0-9wdhms:]*|none-dynamic|none-static)$`,
		Hints: []string{"none-dynamic", "none-static"},
		Check: func(text string) (string, string) {
			if text == "none-dynamic" || text == "none-static" {
				return "", ""
			}
			return form.CheckDuration(text)
		}}
}

func limitScalar() form.Scalar {
	return form.Scalar{What: "a limit", Pattern: `^[1-9][0-9]*/[0-9]+[0-9wdhms:]*$`, Check: func(text string) (string, string) {
		count, per, ok := strings.Cut(text, "/")
		n, err := strconv.Atoi(count)
		if !ok || err != nil || !form.IsNumber(count) || n < 1 {
			return "it is not a count and a time", "write " + defaultLogRate
		}
		return form.CheckDuration(per)
	}}
}

func stageScalar() form.Scalar {
	return form.Scalar{What: "a stage", Pattern: `^(tcp|udp|icmp)/[1-9][0-9]{0,4}$`, Secret: true,
		Check: func(text string) (string, string) {
			_, why, remedy := parseStage(text)
			return why, remedy
		}}
}

// parseStage reads the short form of a stage. Its messages never repeat the port.
func parseStage(text string) (s Stage, why, remedy string) {
	protocol, value, ok := strings.Cut(text, "/")
	if !ok {
		return s, "it is not protocol/port", "write tcp/…, udp/… or icmp/… with the size"
	}
	switch protocol {
	case "tcp", "udp":
		port, why := parsePort(value)
		return Stage{Protocol: protocol, Port: port}, why, ""
	case "icmp":
		n, err := strconv.Atoi(value)
		if err != nil || !form.IsNumber(value) || n < 28 || n > 65535 {
			return s, "the size of an icmp stage is 28 to 65535 bytes, IP header included, without leading zeros", ""
		}
		return Stage{Protocol: protocol, Size: uint16(n)}, "", "" // #nosec G115 -- at most 65535
	}
	if near, ok := form.Nearest(protocol, []string{"tcp", "udp", "icmp"}); ok {
		return s, "its protocol is unknown", form.DidYouMean(near)
	}
	return s, "its protocol is unknown", "write tcp, udp or icmp"
}

func parsePort(text string) (port uint16, why string) {
	if len(text) > 1 && text[0] == '0' {
		return 0, "a port is written without leading zeros, which many programs read as octal"
	}
	port, err := routeros.ParsePort(text)
	if err != nil || port == 0 {
		return 0, "a port is a number from 1 to 65535"
	}
	return port, ""
}

func targetScalar() form.Scalar {
	words := append([]string{"everything"}, append(serviceScalar().Enum, VPNs()...)...)
	return form.Scalar{What: "something to open", Hints: words, Defined: true,
		Pattern: `^(` + strings.Join(words, "|") + `|(tcp|udp)/[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?|[a-z0-9-]{1,24})$`,
		Check: func(text string) (string, string) {
			_, why, remedy := parseTarget(text)
			return why, remedy
		}}
}

// portScalar is a protocol with a port or a range of ports.
func portScalar() form.Scalar {
	return form.Scalar{What: "a protocol with a port", Pattern: `^(tcp|udp)/[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$`,
		Check: func(text string) (string, string) {
			protocol, ports, ok := strings.Cut(text, "/")
			if !ok {
				return "it names no protocol", "write tcp/… or udp/…"
			}
			_, why, remedy := parsePortTarget(protocol, ports)
			return why, remedy
		}}
}

// parseTarget reads an item of opens.
func parseTarget(text string) (t Target, why, remedy string) {
	if protocol, ports, ok := strings.Cut(text, "/"); ok {
		return parsePortTarget(protocol, ports)
	}
	if text == "everything" {
		return Target{Kind: Everything}, "", ""
	}
	if _, ok := routeros.KnownService(text); ok {
		return Target{Kind: ServiceTarget, Name: text}, "", ""
	}
	if VPNMatches(text, routeros.IPv4) != nil {
		return Target{Kind: VPNTarget, Name: text}, "", ""
	}
	return t, "it is not a service, VPN, forward or protocol/port", ""
}

func parsePortTarget(protocol, ports string) (t Target, why, remedy string) {
	if protocol != "tcp" && protocol != "udp" {
		return t, "only tcp and udp have ports", "write tcp/… or udp/…"
	}
	low, high, isRange := strings.Cut(ports, "-")
	first, why := parsePort(low)
	if why != "" {
		return t, why, ""
	}
	last := first
	if isRange {
		if last, why = parsePort(high); why != "" {
			return t, why, ""
		}
	}
	if last < first {
		return t, "the range runs backwards", "write " + protocol + "/" + high + "-" + low
	}
	return Target{Kind: PortTarget, Protocol: protocol, Port: routeros.PortRange{First: first, Last: last}}, "", ""
}
