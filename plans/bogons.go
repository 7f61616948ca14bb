package plans

import (
	"fmt"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/routeros"
)

// Bogons are source addresses that can't arrive on an interface towards the internet, since no host
// there has them. A packet with such a source is forged.
type Bogons struct {
	// InterfaceLists say on which interfaces; at least one.
	InterfaceLists []string
	// Except are exceptions from the reserved addresses, Also are further addresses.
	Except, Also []routeros.AddressRange
}

// Ranges returns the sources of a family that count as forged, as sorted prefixes, none inside of
// another. A nil Bogons has none.
func (b *Bogons) Ranges(f routeros.Family) []routeros.AddressRange {
	if b == nil {
		return nil
	}
	var all []netip.Prefix
	for _, text := range reserved(f) {
		all = append(all, netip.MustParsePrefix(text))
	}
	for _, except := range b.Except {
		if out, ok := except.Prefix(); ok {
			all = outside(all, out)
		}
	}
	for _, also := range b.Also {
		if in, ok := also.Prefix(); ok && also.Family() == f {
			all = append(outside(all, in), in)
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	out := make([]routeros.AddressRange, len(all))
	for i, p := range all {
		out[i] = routeros.PrefixRange(p)
	}
	return out
}

// reserved are the addresses that nobody has on the internet, by the registries of IANA (RFC 6890,
// RFC 8190) and the documents to which they refer. Left out, since neighbours on the provider's
// side of a WAN do have them: 100.64.0.0/10, from which a provider translates (RFC 6598), and
// 64:ff9b:1::/48, to which it translates (RFC 8215). Also left out are 2002::/16 and 2001::/32,
// behind which there may still be hosts.
func reserved(f routeros.Family) []string {
	if f == routeros.IPv6 {
		return []string{
			"::/96",          // unspecified, loopback, and IPv4 inside IPv6 as it was once meant (RFC 4291 § 2.5)
			"::ffff:0:0/96",  // IPv4-mapped: never on a wire (RFC 4291 § 2.5.5.2)
			"100::/64",       // for discarding (RFC 6666)
			"100:0:0:1::/64", // for measurements (RFC 9780)
			"2001:2::/48",    // benchmarks (RFC 5180)
			"2001:10::/28",   // ORCHID, returned (RFC 4843)
			"2001:db8::/32",  // documentation (RFC 3849)
			"3fff::/20",      // documentation (RFC 9637)
			"5f00::/16",      // segment identifiers (RFC 9602)
			"fc00::/7",       // unique local (RFC 4193)
			"fe80::/10",      // link-local (RFC 4291 § 2.5.6): anybody on the link
			"fec0::/10",      // site-local, deprecated (RFC 3879)
			"ff00::/8",       // multicast is never a source (RFC 4291 § 2.7)
		}
	}
	return []string{
		"0.0.0.0/8",       // this network (RFC 1122 § 3.2.1.3)
		"10.0.0.0/8",      // private (RFC 1918)
		"127.0.0.0/8",     // loopback (RFC 1122 § 3.2.1.3)
		"169.254.0.0/16",  // link-local (RFC 3927)
		"172.16.0.0/12",   // private (RFC 1918)
		"192.0.0.0/24",    // protocol assignments (RFC 6890 § 2.1): the two anycast addresses in it start no connections
		"192.0.2.0/24",    // documentation (RFC 5737)
		"192.168.0.0/16",  // private (RFC 1918)
		"198.18.0.0/15",   // benchmarks (RFC 2544)
		"198.51.100.0/24", // documentation (RFC 5737)
		"203.0.113.0/24",  // documentation (RFC 5737)
		"224.0.0.0/4",     // multicast is never a source (RFC 1122 § 3.2.1.3)
		"240.0.0.0/4",     // reserved, with the broadcast address (RFC 1112 § 4, RFC 8190)
	}
}

// Forged reports whether a source counts as forged when it arrives on one of the interfaces.
func (b *Bogons) Forged(a netip.Addr) bool {
	family := routeros.AddressRange{First: a, Last: a}.Family()
	return slices.ContainsFunc(b.Ranges(family), func(r routeros.AddressRange) bool { return r.Contains(a) })
}

// outside returns what prefixes cover without one of them, as the fewest prefixes.
func outside(all []netip.Prefix, out netip.Prefix) []netip.Prefix {
	var rest []netip.Prefix
	for _, p := range all {
		switch {
		case !p.Overlaps(out):
			rest = append(rest, p)
		case p.Bits() < out.Bits():
			low, high := halves(p)
			rest = append(rest, outside([]netip.Prefix{low, high}, out)...)
		}
	}
	return rest
}

// halves cuts a prefix that is no single address in two.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	low = netip.PrefixFrom(p.Addr(), p.Bits()+1)
	return low, netip.PrefixFrom(routeros.PrefixRange(low).Last.Next(), p.Bits()+1)
}

// bogons reads firewall.bogons.
func (rd *reader) bogons(root *yaml.Node, families []routeros.Family) *Bogons {
	n := rd.Child(root, "firewall", "bogons")
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	return &Bogons{
		InterfaceLists: rd.Texts(n, "interface-lists"),
		Except:         rd.ranges(families, n, "except"), Also: rd.ranges(families, n, "also"),
	}
}

// compareBogons finds entries of firewall.bogons that have no effect, or contradict each other or
// the allow-list.
func (rd *reader) compareBogons(root *yaml.Node, p Plan) {
	if p.Firewall.Bogons == nil {
		return
	}
	n := rd.Child(root, "firewall", "bogons")
	for _, item := range rd.Items(n, "interface-lists") {
		if slices.Contains(p.Allow.InterfaceLists, item.Value) {
			rd.Reject(item, fmt.Sprintf("the interface list %q is allowed without a knock, whatever the source", item.Value), "remove it from allow.interface-lists, or from here")
		}
	}
	var plain Bogons
	rd.eachRange(n, "except", func(item *yaml.Node, r routeros.AddressRange) {
		if !slices.ContainsFunc(plain.Ranges(r.Family()), r.Overlaps) {
			rd.Reject(item, fmt.Sprintf("%q is not reserved: its packets don't count as forged anyway", item.Value), "leave it out")
		}
	})
	rd.eachRange(n, "also", func(item *yaml.Node, r routeros.AddressRange) {
		covers := func(o routeros.AddressRange) bool { return o.Contains(r.First) && o.Contains(r.Last) }
		prefix, _ := r.Prefix()
		switch {
		case prefix.Bits() < shortestAlso(r.Family()):
			rd.Reject(item, fmt.Sprintf("%q is too large a part of the internet to be reserved", item.Value), fmt.Sprintf("write prefixes of at least /%d", shortestAlso(r.Family())))
		case slices.ContainsFunc(p.Firewall.Bogons.Except, r.Overlaps):
			rd.Reject(item, fmt.Sprintf("%q is excepted, too", item.Value), "remove it from one of them")
		case slices.ContainsFunc(plain.Ranges(r.Family()), covers):
			rd.Reject(item, fmt.Sprintf("%q is reserved already", item.Value), "leave it out")
		}
	})
}

// shortestAlso prevents a typing mistake from shutting out a large part of the internet.
func shortestAlso(f routeros.Family) int {
	if f == routeros.IPv6 {
		return 16
	}
	return 8
}

// eachRange visits the usable addresses and prefixes of a list.
func (rd *reader) eachRange(n *yaml.Node, name string, visit func(*yaml.Node, routeros.AddressRange)) {
	for _, item := range rd.Items(n, name) {
		if r, err := routeros.ParseAddressRange(item.Value); err == nil {
			visit(item, r)
		}
	}
}
