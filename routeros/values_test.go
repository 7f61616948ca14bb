package routeros_test

import (
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

func TestParsePorts(t *testing.T) {
	tests := []struct{ text, want string }{
		{"22", "22"},
		{"0", "0"},
		{"65535", "65535"},
		{"80,22,22", "22,80"},
		{"8000-8100,22", "22,8000-8100"},
		{"10-20,15-30,31", "10-31"},
		{"0-65535,22", "0-65535"},
		{"5-5", "5"},
	}
	for _, test := range tests {
		got, err := routeros.ParsePorts(test.text)
		if err != nil || got.String() != test.want {
			t.Errorf("%q is %s (%v), want %s", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{"", ",", "22,", "010", "00", "65536", "-1", "22-", "30-20", "a", "+5", " 22", "22;23", "1-2-3", "99999999999999999999"} {
		if got, err := routeros.ParsePorts(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

// TestPortsAgainstASet: a port list is a set of ports, however it is written.
func TestPortsAgainstASet(t *testing.T) {
	list := rapid.Custom(func(t *rapid.T) []routeros.PortRange {
		var out []routeros.PortRange
		for range rapid.IntRange(1, 6).Draw(t, "items") {
			first := rapid.Uint16Range(0, 40).Draw(t, "first")
			out = append(out, routeros.PortRange{First: first, Last: first + rapid.Uint16Range(0, 9).Draw(t, "more")})
		}
		return out
	})
	read := func(t *rapid.T, ranges []routeros.PortRange) (routeros.Ports, map[uint16]bool) {
		set := map[uint16]bool{}
		var items []string
		for _, r := range ranges {
			for p := r.First; p <= r.Last; p++ {
				set[p] = true
			}
			items = append(items, strconv.Itoa(int(r.First))+"-"+strconv.Itoa(int(r.Last)))
		}
		ports, err := routeros.ParsePorts(strings.Join(items, ","))
		if err != nil {
			t.Fatal(err)
		}
		return ports, set
	}
	rapid.Check(t, func(t *rapid.T) {
		a, inA := read(t, list.Draw(t, "a"))
		b, inB := read(t, list.Draw(t, "b"))
		shared := false
		for p := range uint16(60) {
			shared = shared || inA[p] && inB[p]
			if a.Contains(p) != inA[p] {
				t.Fatalf("%s contains %d: %t", a, p, a.Contains(p))
			}
		}
		if a.Overlaps(b) != shared || b.Overlaps(a) != shared {
			t.Fatalf("%s and %s overlap: %t, want %t", a, b, a.Overlaps(b), shared)
		}
		if again, err := routeros.ParsePorts(a.String()); err != nil || again.String() != a.String() {
			t.Fatalf("%s reads back as %s (%v)", a, again, err)
		}
	})
}

func TestParseAddressRange(t *testing.T) {
	tests := []struct{ text, want string }{
		{"192.0.2.7", "192.0.2.7"},
		{"192.0.2.7/32", "192.0.2.7"},
		{"192.0.2.77/24", "192.0.2.0/24"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"192.0.2.0-192.0.2.255", "192.0.2.0/24"},
		{"192.0.2.1-192.0.2.1", "192.0.2.1"},
		{"192.0.2.1-192.0.2.6", "192.0.2.1-192.0.2.6"},
		{"0.0.0.0-255.255.255.255", "0.0.0.0/0"},
		{"2001:DB8::1/128", "2001:db8::1"},
		{"2001:db8::5/32", "2001:db8::/32"},
		{"2001:db8::-2001:db8::ffff", "2001:db8::/112"},
		{"::/0", "::/0"},
	}
	for _, test := range tests {
		got, err := routeros.ParseAddressRange(test.text)
		if err != nil || got.String() != test.want {
			t.Errorf("%q is %s (%v), want %s", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{"", "-", "/", "192.0.2.1/33", "192.0.2.256", "192.0.2.1-", "192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1", "fe80::1%ether1", "fe80::1%a-fe80::2", "router.example.net", "192.0.2.1/24-192.0.2.9", "203.0.113.1-254", "1.2.3"} {
		if got, err := routeros.ParseAddressRange(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
	if (routeros.AddressRange{}).String() != "" || (routeros.AddressRange{}).Contains(netip.MustParseAddr("192.0.2.1")) {
		t.Error("no range prints as something or contains an address")
	}
}

func number(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// TestPrefixesAreRanges: prefix → range → prefix gives the prefix without its host bits, the range
// has as many addresses as the prefix length says, and both ends lie in it.
func TestPrefixesAreRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{4, 16}).Draw(t, "size")
		addr, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "address"))
		p := netip.PrefixFrom(addr, rapid.IntRange(0, size*8).Draw(t, "bits"))
		r := routeros.PrefixRange(p)
		count := new(big.Int).Sub(number(r.Last), number(r.First))
		want := new(big.Int).Lsh(big.NewInt(1), uint(size*8-p.Bits()))
		if count.Add(count, big.NewInt(1)).Cmp(want) != 0 {
			t.Fatalf("%s has %s addresses, want %s", p, count, want)
		}
		if back, ok := r.Prefix(); !ok || back != p.Masked() {
			t.Fatalf("%s comes back as %s", p, back)
		}
		if !r.Contains(addr) || !p.Contains(r.First) || !p.Contains(r.Last) {
			t.Fatalf("%s: %s", p, r)
		}
		read, err := routeros.ParseAddressRange(r.First.String() + "-" + r.Last.String())
		if err != nil || read != r {
			t.Fatalf("%s as a range is %v (%v)", p, read, err)
		}
	})
}

// TestRangesOverlapWhereTheyShare an address: the larger of the firsts lies in both, or none does.
func TestRangesOverlapWhereTheyShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) routeros.AddressRange {
			a, b := rapid.Byte().Draw(t, name), rapid.Byte().Draw(t, name)
			return routeros.AddressRange{First: netip.AddrFrom4([4]byte{192, 0, 2, min(a, b)}), Last: netip.AddrFrom4([4]byte{192, 0, 2, max(a, b)})}
		}
		a, b := draw("a"), draw("b")
		shared := false
		for i := range 256 {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			shared = shared || a.Contains(addr) && b.Contains(addr)
		}
		if a.Overlaps(b) != shared || b.Overlaps(a) != shared {
			t.Fatalf("%s and %s overlap: %t, want %t", a, b, a.Overlaps(b), shared)
		}
	})
}

func TestProtocols(t *testing.T) {
	for n := range 256 {
		got, err := routeros.ParseProtocol(routeros.ProtocolName(uint8(n)))
		if err != nil || int(got) != n {
			t.Errorf("%d is %s, which is %d (%v)", n, routeros.ProtocolName(uint8(n)), got, err)
		}
		if got, err := routeros.ParseProtocol(strconv.Itoa(n)); err != nil || int(got) != n {
			t.Errorf("%d as a number is %d (%v)", n, got, err)
		}
	}
	for text, want := range map[string]uint8{"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "ipv6-icmp": 58, "ipsec-esp": 50, "ipsec-ah": 51, "gre": 47} {
		if got, err := routeros.ParseProtocol(text); err != nil || got != want {
			t.Errorf("%s is %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "TCP", "esp", "256", "-1", "06", "+6", "tcp,udp", "6 "} {
		if got, err := routeros.ParseProtocol(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestVersions(t *testing.T) {
	ordered := []string{"6.40.4", "6.45beta62", "6.45.1", "6.49", "6.49.13", "7.1alpha1", "7.1beta6", "7.1rc4", "7.1rc6", "7.1", "7.1.1", "7.9.2", "7.10", "7.17_ab9", "7.17_ab13", "7.17_ab271", "7.17beta2_ab3", "7.17beta2", "7.17rc3", "7.17", "7.17.1_ab2", "7.17.1", "7.20.1", "7.24"}
	for i, a := range ordered {
		va, err := routeros.ParseVersion(a)
		if err != nil || va.String() != a {
			t.Errorf("%s is %s (%v)", a, va, err)
		}
		for j, b := range ordered {
			vb, _ := routeros.ParseVersion(b)
			if got := va.Compare(vb); got != min(1, max(-1, i-j)) {
				t.Errorf("%s against %s is %d", a, b, got)
			}
		}
	}
	stable, err := routeros.ParseVersion("7.20.1 (stable)")
	if err != nil || stable.String() != "7.20.1" {
		t.Errorf("with its channel: %s (%v)", stable, err)
	}
	if build, err := routeros.ParseVersion("7.17_ab13 (development)"); err != nil || build.String() != "7.17_ab13" || !build.AtLeast(7, 17) || build.AtLeast(7, 18) {
		t.Errorf("a build of the development channel: %s (%v)", build, err)
	}
	for _, text := range []string{"7.17_", "7.17_13", "7.17_AB13", "7.17_ab", "7.17_ab13_ab14", "7_ab13", "", "7", "7.", "7.1.", "7.1x", "v7.1", "7.1.2.3", "7.1rc", "7.20 stable", "99999.1", "7.1\n"} {
		if got, err := routeros.ParseVersion(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
	for text, want := range map[string]bool{"7.17.9": false, "7.18beta2": true, "7.18": true, "8.0": true, "6.49.13": false} {
		v, _ := routeros.ParseVersion(text)
		if v.AtLeast(7, 18) != want {
			t.Errorf("%s is at least 7.18: %t", text, !want)
		}
	}
}

func TestQuote(t *testing.T) {
	tests := []struct{ value, want string }{
		{"", `""`},
		{"input", "input"},
		{"!192.0.2.0/24", "!192.0.2.0/24"},
		{"a b", `"a b"`},
		{`say "x" \ $y ?`, `"say \"x\" \\ \$y \?"`},
		{"a\r\n\tb", `"a\r\n\tb"`},
		{"\x00\x7f\xe9é", `"\00\7F\E9\C3\A9"`},
		{"a=b;c#d", `"a=b;c#d"`},
	}
	for _, test := range tests {
		if got := routeros.Quote(test.value); got != test.want {
			t.Errorf("%q is %s, want %s", test.value, got, test.want)
		}
	}
}

func FuzzValues(f *testing.F) {
	for _, seed := range []string{"22,80-90", "192.0.2.0/24", "2001:db8::1-2001:db8::5", "7.1rc6", "icmpv6", "a\xff\"\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := routeros.ParsePorts(text); err == nil {
			if again, err := routeros.ParsePorts(p.String()); err != nil || again.String() != p.String() {
				t.Errorf("ports %q: %s, %s (%v)", text, p, again, err)
			}
		}
		if r, err := routeros.ParseAddressRange(text); err == nil {
			if again, err := routeros.ParseAddressRange(r.String()); err != nil || again != r {
				t.Errorf("addresses %q: %s, %s (%v)", text, r, again, err)
			}
		}
		if v, err := routeros.ParseVersion(text); err == nil {
			if again, err := routeros.ParseVersion(v.String()); err != nil || again.Compare(v) != 0 {
				t.Errorf("version %q: %s, %s (%v)", text, v, again, err)
			}
		}
		for i := range len(routeros.Quote(text)) {
			if c := routeros.Quote(text)[i]; c < 0x20 || c > 0x7e {
				t.Fatalf("%q is quoted with byte %#x in it", text, c)
			}
		}
	})
}
