package knock_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/knock"
)

// TestInterface: packets leave by the interface that was asked for, where no route leads; without
// it they have no way. Connections that are tried do the same.
func TestInterface(t *testing.T) {
	for _, host := range []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:77::1")} {
		t.Run(host.String(), func(t *testing.T) {
			onIsland(t, func(*island) {
				wire := tunnel(t)
				if host.Is6() { // which wants a route in any case: one that others lead away from
					elsewhere(t, host)
				}
				stages := []plans.Stage{tcp(30000), udp(30001), ping(300)}
				if err := knock.Play(t.Context(), host, stages, quick); host.Is4() && !knock.Unreachable(err) {
					t.Errorf("there is a way without an interface: %v", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
				defer cancel()
				if _, err := knock.Enter(ctx, netip.AddrPortFrom(host, 30002), quick); host.Is4() && !knock.Unreachable(err) {
					t.Errorf("a connection has a way without an interface: %v", err)
				}
				if got := sent(wire); len(got) > 0 {
					t.Errorf("left by the interface unasked: %q", got)
				}
				o := quick
				o.Interface = "knock0"
				v := knock.Visit{Host: host, Stages: stages, Options: o, Try: netip.AddrPortFrom(host, 30002), Wait: 250 * time.Millisecond}
				_, err := v.Make(t.Context())
				isShut(t, err, v.Try, "nothing answers")
				if got, want := sent(wire), []string{"syn 30000", "udp 30001 with 0 bytes", "echo 300", "syn 30002"}; !slices.Equal(got, want) {
					t.Errorf("left by the interface: %q, want %q", got, want)
				}
			})
		})
	}
}

// elsewhere leads to a host by an interface that nobody reads, and by the tunnel only where that is
// asked for.
func elsewhere(t *testing.T, host netip.Addr) {
	t.Helper()
	tunnelAs(t, "aside0", "2001:db8:99::1/64")
	aside, err := netlink.LinkByName("aside0")
	must(t, err)
	wire, err := netlink.LinkByName("knock0")
	must(t, err)
	to := &net.IPNet{IP: host.AsSlice(), Mask: net.CIDRMask(128, 128)}
	must(t, netlink.RouteAdd(&netlink.Route{Dst: to, LinkIndex: aside.Attrs().Index, Priority: 10}))
	must(t, netlink.RouteAdd(&netlink.Route{Dst: to, LinkIndex: wire.Attrs().Index, Priority: 20}))
}

// sent is what went into the tunnel so far.
func sent(wire *os.File) []string {
	_ = wire.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	var out []string
	buffer := make([]byte, 1<<16)
	for {
		n, err := wire.Read(buffer)
		if err != nil {
			return out
		}
		if text := describe(buffer[:n]); text != "" {
			out = append(out, text)
		}
	}
}

// TestEnterLong: a port that refuses for long is tried now and then, and not all the time.
func TestEnterLong(t *testing.T) {
	onIsland(t, func(i *island) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		to := netip.AddrPortFrom(loopbacks()[0], 30000)
		_, err := knock.Enter(ctx, to, knock.Options{})
		isShut(t, err, to, "the connection is refused")
		if got := len(i.packets()); got < 2 || got > 12 {
			t.Errorf("tried %d times in 1s", got)
		}
	})
}
