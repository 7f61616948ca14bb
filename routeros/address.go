package routeros

import (
	"net/netip"
	"strings"
)

// AddressRange is an inclusive range of addresses of one family, the meaning of an address, a
// prefix or a range in a rule or a list. The zero value is no range.
type AddressRange struct{ First, Last netip.Addr }

// ParseAddressRange reads an address, a prefix, or a range a-b. Host bits of a prefix are
// dropped, as the router drops them (routeros-facts § 3). A zone is refused.
func ParseAddressRange(s string) (AddressRange, error) {
	if low, high, isRange := strings.Cut(s, "-"); isRange {
		first, err1 := netip.ParseAddr(low)
		last, err2 := netip.ParseAddr(high)
		switch {
		case err1 != nil || err2 != nil || first.Zone() != "" || last.Zone() != "":
			return AddressRange{}, badValue("address range", s, "two addresses with a dash between them are expected")
		case first.BitLen() != last.BitLen():
			return AddressRange{}, badValue("address range", s, "the two ends are of different families")
		case last.Less(first):
			return AddressRange{}, badValue("address range", s, "runs backwards")
		}
		return AddressRange{first, last}, nil
	}
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.Zone() != "" {
			return AddressRange{}, badValue("address", s, "an address, a prefix or a range is expected")
		}
		return AddressRange{addr, addr}, nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return AddressRange{}, badValue("address", s, "an address, a prefix or a range is expected")
	}
	return PrefixRange(prefix), nil
}

// PrefixRange returns the addresses of a prefix.
func PrefixRange(p netip.Prefix) AddressRange {
	first := p.Masked().Addr()
	bytes := first.AsSlice()
	for i := p.Bits(); i < first.BitLen(); i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return AddressRange{first, last}
}

// Contains reports whether the address lies in the range. Families never mix.
func (r AddressRange) Contains(a netip.Addr) bool {
	return r.First.BitLen() == a.BitLen() && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

// Overlaps reports whether the ranges share an address.
func (r AddressRange) Overlaps(o AddressRange) bool {
	return r.First.BitLen() == o.First.BitLen() && r.First.Compare(o.Last) <= 0 && o.First.Compare(r.Last) <= 0
}

// Family returns the family of the range.
func (r AddressRange) Family() Family {
	if r.First.Is6() {
		return IPv6
	}
	return IPv4
}

// Prefix returns the prefix that covers exactly the range, if there is one.
func (r AddressRange) Prefix() (netip.Prefix, bool) {
	for bits := range r.First.BitLen() + 1 {
		p := netip.PrefixFrom(r.First, bits)
		if p.Masked().Addr() == r.First && PrefixRange(p).Last == r.Last {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// String prints the range as the router reads it back: one address bare, except that an IPv6 host
// in a list is printed with /128 by the router (Canonical drops that), an exact prefix as a prefix,
// everything else as a-b (routeros-facts § 2.3, § 3).
func (r AddressRange) String() string {
	switch {
	case !r.First.IsValid():
		return ""
	case r.First == r.Last:
		return r.First.String()
	}
	if p, ok := r.Prefix(); ok {
		return p.String()
	}
	return r.First.String() + "-" + r.Last.String()
}
