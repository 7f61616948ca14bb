//go:build linux

package lab_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// addresses are the router's own, as in fixtures/routers/defconf.rsc.
func addresses() map[string]string {
	return map[string]string{outside: "192.0.2.1/24", inside: "192.168.88.1/24"}
}

// plug connects client and router, gives the router its addresses, and sends all its answers out of one
// interface, without asking who is there: nobody is. The client has no address, so that its kernel
// answers nothing.
func (l *lab) plug(t *testing.T, client *netlink.Handle, router netns.NsHandle) {
	t.Helper()
	for name, address := range addresses() {
		veth := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "to-" + name}, PeerName: name, PeerNamespace: netlink.NsFd(router),
		}
		if err := client.LinkAdd(veth); err != nil {
			t.Skipf("no veth interfaces here: %v", err)
		}
		near := link(t, client, veth.Name)
		far := link(t, l.router, name)
		check(t, "client link up", client.LinkSetUp(near))
		check(t, "router link without ARP", l.router.LinkSetARPOff(far))
		check(t, "router link up", l.router.LinkSetUp(far))
		own, err := netlink.ParseAddr(address)
		check(t, "router address", errors.Join(err, l.router.AddrAdd(far, own)))
		l.cables[name] = cable{near.Attrs().Index, far.Attrs().HardwareAddr}
	}
	far := link(t, l.router, outside)
	check(t, "router default route", l.router.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}}))
}

// configure lets the router take packets from any source on any interface, as RouterOS does without
// rp-filter. It runs in the router's namespace.
func configure() error {
	for _, name := range []string{"all", outside, inside} {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/rp_filter", []byte("0"), 0); err != nil {
			return fmt.Errorf("rp_filter of %s: %w", name, err)
		}
	}
	return nil
}

// openAnswers opens the socket through which the router speaks. It runs in the router's namespace.
func (l *lab) openAnswers() (err error) {
	if l.answers, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return err
	}
	return unix.SetsockoptInt(l.answers, unix.SOL_SOCKET, unix.SO_MARK, mark)
}

// answer sends a whole IP packet from the router into the world.
func (l *lab) answer(ip []byte) error {
	return unix.Sendto(l.answers, ip, 0, &unix.SockaddrInet4{Addr: [4]byte(ip[16:20])})
}

// knock sends an IP packet from the client to an interface of the router.
func (l *lab) knock(in string, source net.HardwareAddr, ip []byte) error {
	c, ok := l.cables[in]
	if !ok {
		return fmt.Errorf("the router of the lab has no interface %q", in)
	}
	frame := append(append(append([]byte{}, destination(c.mac, ip)...), source...), 0x08, 0x00)
	return unix.Sendto(l.client, append(frame, ip...), 0, &unix.SockaddrLinklayer{Ifindex: c.index})
}

// destination is the hardware address for an IP packet: the router refuses multicast that was sent to it alone.
func destination(router net.HardwareAddr, ip []byte) net.HardwareAddr {
	to := netip.AddrFrom4([4]byte(ip[16:20]))
	switch {
	case to.IsMulticast():
		return net.HardwareAddr{0x01, 0x00, 0x5e, ip[17] & 0x7f, ip[18], ip[19]}
	case ip[19] == 255:
		return net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return router
}

func check(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func link(t *testing.T, h *netlink.Handle, name string) netlink.Link {
	t.Helper()
	found, err := h.LinkByName(name)
	check(t, "link "+name, err)
	return found
}
