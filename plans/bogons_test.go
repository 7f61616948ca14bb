package plans_test

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

func prefix(text string) routeros.AddressRange {
	return routeros.PrefixRange(netip.MustParsePrefix(text))
}

// TestForged: addresses that everybody knows, on either side.
func TestForged(t *testing.T) {
	b := &plans.Bogons{InterfaceLists: []string{"WAN"}, Except: []routeros.AddressRange{prefix("192.168.1.0/24"), prefix("fd00:1::/32")}, Also: []routeros.AddressRange{prefix("100.64.0.0/10")}}
	for text, want := range map[string]bool{
		"0.0.0.0": true, "10.1.2.3": true, "127.0.0.1": true, "169.254.3.4": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.2.1": true, "192.168.0.255": true,
		"192.0.2.1": true, "198.19.255.255": true, "203.0.113.9": true, "239.1.1.1": true, "255.255.255.255": true, "100.64.0.1": true, "100.127.255.255": true,
		"192.168.1.0": false, "192.168.1.255": false, "1.1.1.1": false, "9.255.255.255": false, "11.0.0.0": false, "172.15.255.255": false, "172.32.0.0": false, "192.0.1.1": false, "198.20.0.0": false, "100.63.255.255": false,
		"::": true, "::1": true, "::a00:1": true, "fd00:2::1": true, "fe80::1": true, "fec0::1": true, "ff02::1": true, "2001:db8::1": true, "100::1": true, "100:0:0:1::1": true, "100:0:0:2::1": false, "3fff::1": true,
		"fd00:1::1": false, "2a01::1": false, "2606:4700::1": false, "2001:470::1": false, "2002:c000:204::1": false, "64:ff9b::a00:1": false,
	} {
		if got := b.Forged(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if none := (*plans.Bogons)(nil); none.Ranges(routeros.IPv4) != nil {
		t.Error("a plan without bogons has some")
	}
	if (&plans.Bogons{}).Forged(netip.MustParseAddr("100.64.0.1")) {
		t.Error("the shared addresses are taken for forged though nobody says so")
	}
}

// TestRanges: whatever is excepted and added, an address is in the ranges when it is added, or
// reserved and not excepted; and they are prefixes in their order that share no address.
func TestRanges(t *testing.T) {
	prefixes := func(t *rapid.T, label string) []routeros.AddressRange {
		var out []routeros.AddressRange
		for range rapid.IntRange(0, 3).Draw(t, label) {
			base := netip.MustParseAddr(rapid.SampledFrom([]string{"10.1.2.3", "192.168.7.9", "198.51.100.200", "93.77.1.1", "172.20.1.1", "240.0.0.1"}).Draw(t, "base"))
			out = append(out, routeros.PrefixRange(netip.PrefixFrom(base, rapid.IntRange(8, 32).Draw(t, "bits")).Masked()))
		}
		return out
	}
	within := func(all []routeros.AddressRange, a netip.Addr) bool {
		return slices.ContainsFunc(all, func(r routeros.AddressRange) bool { return r.Contains(a) })
	}
	rapid.Check(t, func(t *rapid.T) {
		b := &plans.Bogons{Except: prefixes(t, "except"), Also: prefixes(t, "also")}
		ranges := b.Ranges(routeros.IPv4)
		for i, r := range ranges {
			if _, ok := r.Prefix(); !ok || i > 0 && ranges[i-1].Last.Compare(r.First) >= 0 {
				t.Fatalf("%v", ranges)
			}
		}
		edges := slices.Concat(ranges, b.Except, b.Also)
		for _, r := range edges {
			for _, a := range []netip.Addr{r.First, r.Last, r.First.Prev(), r.Last.Next()} {
				if !a.IsValid() {
					continue
				}
				want := within(b.Also, a) || within((&plans.Bogons{}).Ranges(routeros.IPv4), a) && !within(b.Except, a)
				if within(ranges, a) != want {
					t.Fatalf("%s: %v, of %v without %v and with %v", a, !want, ranges, b.Except, b.Also)
				}
			}
		}
	})
}

// TestReservedAgainstPython: what is reserved here, Python's table of the same registries says is
// not global, or multicast.
func TestReservedAgainstPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	var firsts []string
	for _, f := range routeros.Families() {
		for _, r := range (&plans.Bogons{}).Ranges(f) {
			if known, ok := r.Prefix(); ok && slices.Contains([]string{"3fff::/20", "5f00::/16", "100:0:0:1::/64", "::/96", "fec0::/10"}, known.String()) {
				continue // in the registry since 2024; given up before there was one
			}
			firsts = append(firsts, r.First.String())
		}
	}
	script := "import ipaddress,sys\nfor a in sys.argv[1:]:\n i=ipaddress.ip_address(a)\n print(a, i.is_global and not i.is_multicast)"
	out, err := exec.Command(python, append([]string{"-c", script}, firsts...)...).Output() // #nosec G204 -- addresses of our own
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(out), " False") != len(firsts) {
		t.Errorf("%s", out)
	}
}
