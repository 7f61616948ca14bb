package routeros

import "strconv"

// ParseProtocol reads a protocol name of the router or a number from 0 to 255. It also takes the
// spelling ipv6-icmp, which older versions print for icmpv6.
func ParseProtocol(s string) (uint8, error) {
	if n, ok := protocolNumber(s); ok {
		return n, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, badValue("protocol", s, "a protocol name or a number from 0 to 255 is expected")
	}
	return uint8(n), nil
}

// protocolNumber is the router's own list of names (routeros-facts § 2.1) with the numbers that
// IANA gives them. The names are RouterOS's: ipsec-esp, not esp.
func protocolNumber(name string) (uint8, bool) {
	switch name {
	case "ipv6-icmp":
		return 58, true
	case "icmp":
		return 1, true
	case "igmp":
		return 2, true
	case "ggp":
		return 3, true
	case "ipencap":
		return 4, true
	case "st":
		return 5, true
	case "tcp":
		return 6, true
	case "egp":
		return 8, true
	case "pup":
		return 12, true
	case "udp":
		return 17, true
	case "hmp":
		return 20, true
	case "xns-idp":
		return 22, true
	case "rdp":
		return 27, true
	case "iso-tp4":
		return 29, true
	case "dccp":
		return 33, true
	case "xtp":
		return 36, true
	case "ddp":
		return 37, true
	case "idpr-cmtp":
		return 38, true
	case "ipv6-encap":
		return 41, true
	case "ipv6-route":
		return 43, true
	case "ipv6-frag":
		return 44, true
	case "rsvp":
		return 46, true
	case "gre":
		return 47, true
	case "ipsec-esp":
		return 50, true
	case "ipsec-ah":
		return 51, true
	case "icmpv6":
		return 58, true
	case "ipv6-nonxt":
		return 59, true
	case "ipv6-opts":
		return 60, true
	case "rspf":
		return 73, true
	case "vmtp":
		return 81, true
	case "ospf":
		return 89, true
	case "ipip":
		return 94, true
	case "etherip":
		return 97, true
	case "encap":
		return 98, true
	case "pim":
		return 103, true
	case "vrrp":
		return 112, true
	case "l2tp":
		return 115, true
	case "sctp":
		return 132, true
	case "udp-lite":
		return 136, true
	}
	return 0, false
}

// ProtocolName returns the router's name for a protocol number, or the number where it has none.
func ProtocolName(number uint8) string {
	switch number {
	case 1:
		return "icmp"
	case 2:
		return "igmp"
	case 3:
		return "ggp"
	case 4:
		return "ipencap"
	case 5:
		return "st"
	case 6:
		return "tcp"
	case 8:
		return "egp"
	case 12:
		return "pup"
	case 17:
		return "udp"
	case 20:
		return "hmp"
	case 22:
		return "xns-idp"
	case 27:
		return "rdp"
	case 29:
		return "iso-tp4"
	case 33:
		return "dccp"
	case 36:
		return "xtp"
	case 37:
		return "ddp"
	case 38:
		return "idpr-cmtp"
	case 41:
		return "ipv6-encap"
	case 43:
		return "ipv6-route"
	case 44:
		return "ipv6-frag"
	case 46:
		return "rsvp"
	case 47:
		return "gre"
	case 50:
		return "ipsec-esp"
	case 51:
		return "ipsec-ah"
	case 58:
		return "icmpv6"
	case 59:
		return "ipv6-nonxt"
	case 60:
		return "ipv6-opts"
	case 73:
		return "rspf"
	case 81:
		return "vmtp"
	case 89:
		return "ospf"
	case 94:
		return "ipip"
	case 97:
		return "etherip"
	case 98:
		return "encap"
	case 103:
		return "pim"
	case 112:
		return "vrrp"
	case 115:
		return "l2tp"
	case 132:
		return "sctp"
	case 136:
		return "udp-lite"
	}
	return strconv.Itoa(int(number))
}
