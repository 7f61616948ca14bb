package routeros

import (
	"slices"
	"strings"
)

// Canonical returns the one form of a value that all its spellings share, for an attribute of a
// firewall rule. A value that can't be read stays as it is, so that nothing unknown ever
// compares equal to something else. A leading ! is kept.
//
// The router itself stores most values in this form (routeros-facts § 2.2, § 2.3); port lists are
// the exception: it keeps their written order, which has no meaning.
func Canonical(name, value string) string {
	if bare, negated := strings.CutPrefix(value, "!"); negated && name != "tcp-flags" { // there each flag has its own
		return "!" + canonicalValue(name, bare)
	}
	return canonicalValue(name, value)
}

func canonicalValue(name, value string) string {
	switch name {
	case "disabled", "log", "fragment", "dynamic", "invalid", "hw-offload", "passthrough", "same-not-by-dst", "randomise-ports":
		if b, ok := ParseBool(value); ok {
			return FormatBool(b)
		}
	case "protocol":
		if n, err := ParseProtocol(value); err == nil {
			return ProtocolName(n)
		}
	case "src-address", "dst-address", "address", "to-addresses":
		if r, err := ParseAddressRange(value); err == nil {
			return r.String()
		}
	case "src-port", "dst-port", "port":
		if p, err := ParsePorts(value); err == nil {
			return p.String()
		}
	case "address-list-timeout":
		if t, err := ParseListTimeout(value); err == nil {
			return t.String()
		}
	case "timeout", "interval":
		if d, err := ParseDuration(value); err == nil {
			return FormatDuration(d)
		}
	case "connection-state":
		return orderedSet(value, "invalid", "established", "related", "new", "untracked")
	case "connection-nat-state":
		return orderedSet(value, "srcnat", "dstnat", "ein-snat", "ein-dnat")
	case "tcp-flags":
		return sortedList(value)
	case "icmp-options":
		return canonicalICMP(value)
	case "limit", "dst-limit":
		return canonicalLimit(value)
	case "time":
		if h, err := ParseHours(value); err == nil {
			return h.String()
		}
	case "src-mac-address":
		return strings.ToUpper(value)
	}
	return value
}

// FormatBool prints a boolean as the router reads it back.
func FormatBool(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// orderedSet brings a comma list into the router's bit order (routeros-facts § 2.2: new,established
// reads back as established,new). A list with a word outside the order stays as it is.
func orderedSet(value string, order ...string) string {
	words := strings.Split(value, ",")
	for _, w := range words {
		if !slices.Contains(order, w) {
			return value
		}
	}
	kept := slices.DeleteFunc(order, func(w string) bool { return !slices.Contains(words, w) })
	return strings.Join(kept, ",")
}

func sortedList(value string) string {
	words := strings.Split(value, ",")
	slices.Sort(words)
	return strings.Join(slices.Compact(words), ",")
}

// canonicalICMP writes type:code-code in full: 8 and 8:0-255 are the same, 8:0 is 8:0-0.
func canonicalICMP(value string) string {
	kind, codes, hasCodes := strings.Cut(value, ":")
	if !hasCodes {
		return kind + ":0-255"
	}
	if !strings.Contains(codes, "-") {
		return kind + ":" + codes + "-" + codes
	}
	return value
}

// canonicalLimit writes rate/time,burst:mode with what the router fills in: one second, packet.
func canonicalLimit(value string) string {
	rate, rest, hasRest := strings.Cut(value, ",")
	count, per, hasPer := strings.Cut(rate, "/")
	if hasPer {
		d, err := ParseDuration(per)
		if err != nil {
			return value
		}
		if per = FormatDuration(d); per != "1s" {
			count += "/" + per
		}
	}
	if !hasRest {
		return count
	}
	return count + "," + strings.TrimSuffix(rest, ":packet")
}
