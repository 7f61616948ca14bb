//go:build linux

package lab_test

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// table6 is a table of IPv4 in the words of IPv6.
func table6(text string) string {
	text = strings.ReplaceAll(text, "/ip firewall", "/ipv6 firewall")
	text = regexp.MustCompile(`(\d+\.\d+\.\d+\.\d+)(/\d+)?`).ReplaceAllStringFunc(text, func(word string) string {
		address, bits, prefix := strings.Cut(word, "/")
		a := over6(addr(address))
		n, err := strconv.Atoi(bits)
		switch {
		case !prefix || err != nil:
			return a.String()
		case a.IsMulticast():
			return "ff00::/8"
		case n == 0:
			return "::/0"
		}
		return netip.PrefixFrom(a, 96+n).String()
	})
	for _, p := range [][2]string{
		{`protocol=(!?)icmp\b`, "protocol=${1}icmpv6"},
		{`\bttl=`, "hop-limit="},
		{`icmp-options=(!?)8\b`, "icmp-options=${1}128"},
		{`icmp-options=(!?)0\b`, "icmp-options=${1}129"},
		{`icmp-options=(!?)3\b`, "icmp-options=${1}1"},
		{`icmp-options=(!?)13\b`, "icmp-options=${1}139"},
		{`dst-address-type=(!?)(broadcast,multicast|broadcast)`, "dst-address-type=${1}multicast"},
	} {
		text = regexp.MustCompile(p[0]).ReplaceAllString(text, p[1])
	}
	return text
}

// name6 is what a matcher or an action is called over IPv6, nothing for those that are not played
// there.
func name6(name string) string {
	switch name {
	case "ttl":
		return "hop-limit"
	case "redirect", "dst-nat":
		return ""
	}
	return name
}
