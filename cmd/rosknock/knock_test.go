package main

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/knock"
	"github.com/rosknock/rosknock/routeros"
)

// TestParseTarget: what --then takes.
func TestParseTarget(t *testing.T) {
	p := plans.Plan{Services: plans.Services{Ports: []plans.ServicePort{{Name: "ssh", Port: 2222}}}}
	for text, want := range map[string]endpoint{
		"tcp/22":           {port: 22},
		"ssh":              {port: 2222},
		"winbox":           {port: 8291},
		"192.0.2.1:22":     {"192.0.2.1", 22},
		"r1.example.net:1": {"r1.example.net", 1},
		"[2001:db8::1]:22": {"2001:db8::1", 22},
		"2001:db8::1:22":   {"2001:db8::1", 22},
		"fe80::1%eth0:22":  {"fe80::1%eth0", 22},
	} {
		if got, err := parseTarget(text, p); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "tcp/", "tcp/0", "tcp/65536", "tcp/022", "udp/53", "icmp/100", "nothing", ":22", "host:", "host:0", "a:b:22", "a b:22", "u@h:22", "[::1:22", "[x]:22", "::1"} {
		if got, err := parseTarget(text, p); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

// TestEndpoints: every host and port comes back as it went in, with brackets and, as ssh writes it,
// without.
func TestEndpoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		port := rapid.Uint16Range(1, 65535).Draw(t, "port")
		var raw [16]byte
		copy(raw[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"))
		host := netip.AddrFrom16(raw).String()
		if rapid.Bool().Draw(t, "four") {
			host = netip.AddrFrom4([4]byte(raw[:4])).String()
		}
		for _, text := range []string{net.JoinHostPort(host, fmt.Sprint(port)), fmt.Sprintf("%s:%d", host, port)} {
			if got, err := parseEndpoint(text); err != nil || got != (endpoint{host, port}) {
				t.Errorf("%s: %v, %v", text, got, err)
			}
		}
	})
}

// TestChooseAddresses: at most one address of each family is left, in the order of the system, and
// only of a family that is asked for, that the source has, and that the plan has; and one is left
// whenever there is one.
func TestChooseAddresses(t *testing.T) {
	pool := []netip.Addr{
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"),
	}
	family := func(a netip.Addr) routeros.Family {
		if a.Is4() {
			return routeros.IPv4
		}
		return routeros.IPv6
	}
	rapid.Check(t, func(t *rapid.T) {
		found := rapid.SliceOfN(rapid.SampledFrom(pool), 0, 5).Draw(t, "found")
		o := knockOptions{source: rapid.SampledFrom([]string{"", "198.51.100.1", "2001:db8:9::1", "eth0"}).Draw(t, "source")}
		switch rapid.IntRange(0, 2).Draw(t, "flag") {
		case 1:
			o.four = true
		case 2:
			o.six = true
		}
		families := rapid.SampledFrom([][]routeros.Family{{routeros.IPv4}, {routeros.IPv6}, routeros.Families()}).Draw(t, "families")
		var want []netip.Addr
		for _, a := range found {
			source, err := netip.ParseAddr(o.source)
			if slices.Contains(families, family(a)) && !(o.four && a.Is6()) && !(o.six && a.Is4()) && (err != nil || source.Is4() == a.Is4()) &&
				!slices.ContainsFunc(want, func(b netip.Addr) bool { return family(a) == family(b) }) {
				want = append(want, a)
			}
		}
		got, err := chooseAddresses("host", found, o, families)
		if !slices.Equal(got, want) || (err == nil) != (len(want) > 0) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	})
}

// TestChooseDoor: by its name, by its plan and name, or the only one.
func TestChooseDoor(t *testing.T) {
	one := plans.Plan{Name: "one", Doors: []plans.Door{{Name: "a"}}}
	two := plans.Plan{Name: "two", Doors: []plans.Door{{Name: "a"}, {Name: "b"}}}
	for _, test := range []struct {
		plans []plans.Plan
		name  string
		want  string // plan/door, or a part of the error
	}{
		{[]plans.Plan{one}, "", "one/a"},
		{[]plans.Plan{one}, "a", "one/a"},
		{[]plans.Plan{two}, "b", "two/b"},
		{[]plans.Plan{one, two}, "b", "two/b"},
		{[]plans.Plan{one, two}, "two/a", "two/a"},
		{[]plans.Plan{two}, "", "which door: a, b?"},
		{[]plans.Plan{one, two}, "a", "which door: one/a, two/a?"},
		{[]plans.Plan{two}, "c", "there is no such door; the plan has a, b"},
		{[]plans.Plan{{}}, "", "has no door"},
	} {
		p, d, err := chooseDoor(test.plans, test.name)
		if got := p.Name + "/" + d.Name; err == nil && got != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("--door %q: %s, %v, want %s", test.name, got, err, test.want)
		}
	}
}

// TestOverFamilies: the other family is tried when there is no way over the first one, and only
// then.
func TestOverFamilies(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its errors have other numbers")
	}
	six, four := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")
	noRoute := fmt.Errorf("stage 1 of 3 was not sent: %w", syscall.ENETUNREACH)
	for name, test := range map[string]struct {
		result knock.Result // of the first
		err    error
		want   netip.Addr
	}{
		"reached":         {knock.Result{Sent: 3}, nil, six},
		"no route":        {knock.Result{}, noRoute, four},
		"no family":       {knock.Result{}, syscall.EAFNOSUPPORT, four},
		"lost on the way": {knock.Result{Sent: 1}, noRoute, six},
		"forbidden":       {knock.Result{}, syscall.EPERM, six},
		"shut":            {knock.Result{Sent: 3}, &knock.ShutError{}, six},
	} {
		got, _, err := overFamilies([]netip.Addr{six, four}, func(a netip.Addr) (knock.Result, error) {
			if a == six {
				return test.result, test.err
			}
			return knock.Result{Sent: 3}, nil
		})
		if got != test.want || (err == nil) != (test.err == nil || got == four) {
			t.Errorf("%s: %s, %v, want %s", name, got, err, test.want)
		}
	}
}
