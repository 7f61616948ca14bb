package packet

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// contentTest compiles a matcher on the packet's own bytes.
func contentTest(name, value string) test {
	switch name {
	case "tcp-flags":
		return flagsTest(value)
	case "tcp-mss":
		return mssTest(value)
	case "icmp-options":
		return icmpTest(value)
	case "packet-size":
		return rangeTest(value, func(k *walk) int { return k.packet.Size })
	case "dscp":
		return rangeTest(value, func(k *walk) int { return int(k.packet.DSCP) })
	case "ttl", "hop-limit":
		return ttlTest(value)
	case "fragment":
		return fragmentTest(value)
	case "content":
		return func(k *walk) answer { return is(bytes.Contains(k.packet.Payload, []byte(value))) }
	case "src-mac-address":
		return macTest(value)
	case "ipsec-policy":
		return ipsecTest(value)
	case "ipv4-options":
		return optionsTest(value)
	}
	return nil
}

func fragmentTest(value string) test {
	want, ok := routeros.ParseBool(value)
	if !ok {
		return nil
	}
	return func(k *walk) answer { return is(k.packet.Fragment == want) }
}

// optionsTest: a [Packet] has no IP options. The kinds of options stay undecided, for a packet that does have
// some would be taken for one without.
func optionsTest(value string) test {
	switch value {
	case "none":
		return func(*walk) answer { return yes }
	case "any":
		return func(*walk) answer { return no }
	}
	return nil
}

// isTCP reports whether the packet has a TCP header; of fragments only the first has one.
func (p *Packet) isTCP() bool { return p.Protocol == 6 && !p.Fragment }

func flagsTest(value string) test {
	var set, unset Flags
	for word := range strings.SplitSeq(value, ",") {
		name, negated := strings.CutPrefix(word, "!")
		flag, ok := parseFlag(name)
		switch {
		case !ok:
			return nil
		case negated:
			unset |= flag
		default:
			set |= flag
		}
	}
	return func(k *walk) answer {
		return is(k.packet.isTCP() && k.packet.TCPFlags&set == set && k.packet.TCPFlags&unset == 0)
	}
}

func mssTest(value string) test {
	first, last, ok := numbers(value)
	if !ok {
		return nil
	}
	return func(k *walk) answer {
		switch mss := int(k.packet.MSS); {
		case !k.packet.isTCP():
			return absent
		case mss == 0:
			return unknown
		default:
			return is(first <= mss && mss <= last)
		}
	}
}

// icmpTest matches neither way round what is no ICMP of the packet's family, or a later fragment of it.
func icmpTest(value string) test {
	kind, codes, _ := strings.Cut(routeros.Canonical("icmp-options", value), ":")
	first, last, ok := numbers(codes)
	want, err := strconv.ParseUint(kind, 10, 8)
	if !ok || err != nil {
		return nil
	}
	return func(k *walk) answer {
		p := &k.packet
		if p.Fragment || routeros.ProtocolName(p.Protocol) != k.family.ICMP() {
			return absent
		}
		return is(uint64(p.ICMPType) == want && first <= int(p.ICMPCode) && int(p.ICMPCode) <= last)
	}
}

func rangeTest(value string, of func(*walk) int) test {
	first, last, ok := numbers(value)
	if !ok {
		return nil
	}
	return func(k *walk) answer { return is(first <= of(k) && of(k) <= last) }
}

// numbers reads 5 or 5-9.
func numbers(s string) (first, last int, ok bool) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	from, err1 := strconv.ParseUint(low, 10, 31)
	to, err2 := strconv.ParseUint(high, 10, 31)
	return int(from), int(to), err1 == nil && err2 == nil && from <= to
}

func ttlTest(value string) test {
	how, number, found := strings.Cut(value, ":")
	if !found {
		how, number = "equal", value
	}
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil {
		return nil
	}
	limit := uint8(n)
	switch how {
	case "equal":
		return func(k *walk) answer { return is(k.packet.TTL == limit) }
	case "not-equal":
		return func(k *walk) answer { return is(k.packet.TTL != limit) }
	case "less-than":
		return func(k *walk) answer { return is(k.packet.TTL < limit) }
	case "greater-than":
		return func(k *walk) answer { return is(k.packet.TTL > limit) }
	}
	return nil
}

func macTest(value string) test {
	if !isMAC(value) {
		return nil
	}
	return func(k *walk) answer {
		if k.packet.SrcMAC == "" {
			return unknown
		}
		return is(strings.EqualFold(k.packet.SrcMAC, value))
	}
}

func isMAC(s string) bool {
	parts := strings.Split(s, ":")
	return len(parts) == 6 && !slices.ContainsFunc(parts, func(part string) bool {
		_, err := strconv.ParseUint(part, 16, 8)
		return err != nil || len(part) != 2
	})
}

// ipsecTest decides in,ipsec and in,none; the outgoing direction is not part of a packet that arrives.
func ipsecTest(value string) test {
	switch value {
	case "in,ipsec":
		return func(k *walk) answer { return is(k.packet.IPsec) }
	case "in,none":
		return func(k *walk) answer { return is(!k.packet.IPsec) }
	}
	return nil
}

// timeTest reads 8h-18h,mon,tue,wed: the router's own time of day on these days.
func timeTest(value string) test {
	h, err := routeros.ParseHours(value)
	if err != nil {
		return nil
	}
	return func(k *walk) answer {
		if k.at.IsZero() {
			return unknown
		}
		return hours(h).contain(k.at)
	}
}

// hours are a time of day on some days.
type hours routeros.Hours

// contain leaves open what is not known: whether the second in which the time ends belongs to it, and whether
// the hours behind midnight of a time such as 22h-4h belong to the day before.
func (h hours) contain(at time.Time) answer {
	clock := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second
	on := routeros.Hours(h).On
	today, yesterday := on(at.Weekday()), on((at.Weekday()+6)%7)
	overnight := h.Until < h.From
	switch {
	case overnight && clock >= h.From:
		return is(today)
	case clock > h.Until || !overnight && clock < h.From:
		return no
	case overnight && today != yesterday:
		return unknown
	case clock == h.Until && today:
		return unknown
	}
	return is(today)
}
