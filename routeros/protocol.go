package routeros

import "strconv"

// protocolNames is the router's own list of names (routeros-facts § 2.1) with the numbers that
// IANA gives them. The names are RouterOS's: ipsec-esp, not esp.
func protocolNames() []struct {
	name   string
	number uint8
} {
	return []struct {
		name   string
		number uint8
	}{
		{"icmp", 1}, {"igmp", 2}, {"ggp", 3}, {"ipencap", 4}, {"st", 5}, {"tcp", 6}, {"egp", 8}, {"pup", 12}, {"udp", 17},
		{"hmp", 20}, {"xns-idp", 22}, {"rdp", 27}, {"iso-tp4", 29}, {"dccp", 33}, {"xtp", 36}, {"ddp", 37}, {"idpr-cmtp", 38},
		{"ipv6-encap", 41}, {"ipv6-route", 43}, {"ipv6-frag", 44}, {"rsvp", 46}, {"gre", 47}, {"ipsec-esp", 50},
		{"ipsec-ah", 51}, {"icmpv6", 58}, {"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"rspf", 73}, {"vmtp", 81}, {"ospf", 89},
		{"ipip", 94}, {"etherip", 97}, {"encap", 98}, {"pim", 103}, {"vrrp", 112}, {"l2tp", 115}, {"sctp", 132}, {"udp-lite", 136},
	}
}

// ParseProtocol reads a protocol name of the router or a number from 0 to 255. It also takes the
// spelling ipv6-icmp, which older versions print for icmpv6.
func ParseProtocol(s string) (uint8, error) {
	if s == "ipv6-icmp" {
		s = "icmpv6"
	}
	for _, p := range protocolNames() {
		if p.name == s {
			return p.number, nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, badValue("protocol", s, "a protocol name or a number from 0 to 255 is expected")
	}
	return uint8(n), nil
}

// ProtocolName returns the router's name for a protocol number, or the number where it has none.
func ProtocolName(number uint8) string {
	for _, p := range protocolNames() {
		if p.number == number {
			return p.name
		}
	}
	return strconv.Itoa(int(number))
}
