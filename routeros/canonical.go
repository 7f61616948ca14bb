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
	case "src-address", "dst-address", "to-addresses":
		return canonicalAddress(value)
	case "address", "available-from": // of a list entry one, of a service several
		switch {
		case !strings.Contains(value, ","):
			return canonicalAddress(value)
		case strings.Contains(value, "!"): // the router takes none
			return value
		}
		return JoinPrefixes(canonicalPrefixes(SplitPrefixes(value)))
	case "src-port", "dst-port", "port", "to-ports":
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
	case "connection-type", "src-address-type", "dst-address-type":
		if !strings.Contains(value, "!") { // as a whole only
			return sortedList(value)
		}
	case "packet-size", "tcp-mss":
		if low, high, ok := strings.Cut(value, "-"); ok && low == high {
			return low
		}
	case "icmp-options":
		return canonicalICMP(value)
	case "limit":
		return canonicalLimit(value)
	case "dst-limit":
		return canonicalDestinationLimit(value)
	case "psd":
		return canonicalScan(value)
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

// canonicalAddress writes an address, a prefix or a range as the router keeps it in a rule.
func canonicalAddress(value string) string {
	if r, err := ParseAddressRange(value); err == nil {
		return r.String()
	}
	return value
}

// canonicalDestinationLimit writes rate/time,burst,by/expiry.
func canonicalDestinationLimit(value string) string {
	at := strings.LastIndex(value, "/")
	if at < strings.Index(value, ",") {
		return canonicalLimit(value) // it names no expiry
	}
	d, err := ParseDuration(value[at+1:])
	if err != nil {
		return value
	}
	return canonicalLimit(value[:at]) + "/" + FormatDuration(d)
}

// canonicalScan writes threshold,delay,weight of low ports,weight of high ones.
func canonicalScan(value string) string {
	words := strings.Split(value, ",")
	if len(words) == 4 {
		if d, err := ParseDuration(words[1]); err == nil {
			words[1] = FormatDuration(d)
		}
	}
	return strings.Join(words, ",")
}

// canonicalLimit writes rate/time,burst:mode with the router's defaults: one second, packet.
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
