package routeros

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PortRange is an inclusive range of TCP or UDP ports; First equals Last for one port.
type PortRange struct{ First, Last uint16 }

// Ports is a port list as dst-port has it: sorted, overlaps merged, never negated.
type Ports []PortRange

// ParsePorts reads a port list such as 22,80,8000-8100. Ports are 0 to 65535, written
// without leading zeros: other programs read 010 as 8, so it is ambiguous.
func ParsePorts(s string) (Ports, error) {
	var ports Ports
	for item := range strings.SplitSeq(s, ",") {
		low, high, isRange := strings.Cut(item, "-")
		first, err := ParsePort(low)
		if err != nil {
			return nil, err
		}
		last := first
		if isRange {
			if last, err = ParsePort(high); err != nil {
				return nil, err
			}
		}
		if last < first {
			return nil, badValue("port list", s, fmt.Sprintf("the range %s runs backwards", item))
		}
		ports = append(ports, PortRange{first, last})
	}
	return ports.normal(), nil
}

// ParsePort reads one port, 0 to 65535, without sign or leading zeros.
func ParsePort(s string) (uint16, error) {
	if s == "" || leadingDigits(s) != s {
		return 0, badValue("port", s, "a number from 0 to 65535 is expected")
	}
	if len(s) > 1 && s[0] == '0' {
		return 0, badValue("port", s, "leading zeros are ambiguous; write "+strings.TrimLeft(s[:len(s)-1], "0")+s[len(s)-1:])
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, badValue("port", s, "out of range, 0 to 65535")
	}
	return uint16(n), nil
}

func (p Ports) normal() Ports {
	slices.SortFunc(p, func(a, b PortRange) int { return int(a.First) - int(b.First) })
	merged := p[:0]
	for _, r := range p {
		if n := len(merged); n > 0 && int(r.First) <= int(merged[n-1].Last)+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// Contains reports whether the port is in the list.
func (p Ports) Contains(port uint16) bool {
	return slices.ContainsFunc(p, func(r PortRange) bool { return r.First <= port && port <= r.Last })
}

// Overlaps reports whether the lists share a port.
func (p Ports) Overlaps(q Ports) bool {
	for _, a := range p {
		for _, b := range q {
			if a.First <= b.Last && b.First <= a.Last {
				return true
			}
		}
	}
	return false
}

// String prints the list as the router takes it: 22,80,8000-8100.
func (p Ports) String() string {
	items := make([]string, len(p))
	for i, r := range p {
		items[i] = strconv.Itoa(int(r.First))
		if r.Last != r.First {
			items[i] += "-" + strconv.Itoa(int(r.Last))
		}
	}
	return strings.Join(items, ",")
}
