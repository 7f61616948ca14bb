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

	"github.com/rosknock/rosknock/routeros"
)

// addresses are the router's own, as in fixtures/routers/defconf.rsc.
func addresses() map[string]string {
	return map[string]string{outside: "192.0.2.1/24", inside: "192.168.88.1/24"}
}

// over6 is the address over IPv6 that stands for one over IPv4: the last byte, in a network for
// each of the first three.
func over6(a netip.Addr) netip.Addr {
	b := a.As4()
	switch {
	case a.IsMulticast():
		return netip.MustParseAddr("ff02::1")
	case a.IsUnspecified():
		return netip.IPv6Unspecified()
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 12: b[0], b[1], b[2], b[3]})
}

// plug connects client and router, gives the router its addresses, and sends all its answers out of
// one interface, without asking who is there: nobody is. The client has no address, so that its
// kernel answers nothing.
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
		check(t, "router address", l.router.AddrAdd(far, &netlink.Addr{Flags: unix.IFA_F_NODAD, IPNet: &net.IPNet{IP: over6(addr(own.IP.String())).AsSlice(), Mask: net.CIDRMask(120, 128)}}))
		l.cables[name] = cable{near.Attrs().Index, far.Attrs().HardwareAddr}
	}
	far := link(t, l.router, outside)
	check(t, "router default route", l.router.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}}))
	check(t, "router default route", l.router.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}}))
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

// silence keeps the client's kernel from speaking IPv6 of its own accord. It runs in the client's
// namespace, before there are cables.
func silence() error {
	for _, name := range []string{"all", "default"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0); err != nil {
			return fmt.Errorf("the client's own IPv6: %w", err)
		}
	}
	return nil
}

// openAnswers opens the sockets through which the router speaks. It runs in the router's namespace.
func (l *lab) openAnswers() error {
	for f, domain := range map[routeros.Family]int{routeros.IPv4: unix.AF_INET, routeros.IPv6: unix.AF_INET6} {
		socket, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		l.answers[f] = socket
		if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_MARK, mark); err != nil {
			return err
		}
	}
	return nil
}

// answer sends a whole IP packet from the router into the world.
func (l *lab) answer(ip []byte) error {
	if ip[0]>>4 == 6 {
		return unix.Sendto(l.answers[routeros.IPv6], ip, 0, &unix.SockaddrInet6{Addr: [16]byte(ip[24:40])})
	}
	return unix.Sendto(l.answers[routeros.IPv4], ip, 0, &unix.SockaddrInet4{Addr: [4]byte(ip[16:20])})
}

// knock sends an IP packet from the client to an interface of the router.
func (l *lab) knock(in string, source net.HardwareAddr, ip []byte) error {
	c, ok := l.cables[in]
	if !ok {
		return fmt.Errorf("the router of the lab has no interface %q", in)
	}
	frame := append(append(append([]byte{}, destination(c.mac, ip)...), source...), 0x08, 0x00)
	if ip[0]>>4 == 6 {
		frame[12], frame[13] = 0x86, 0xdd
	}
	return unix.Sendto(l.client, append(frame, ip...), 0, &unix.SockaddrLinklayer{Ifindex: c.index})
}

// destination is the hardware address for an IP packet: the router refuses multicast that was sent
// to it alone.
func destination(router net.HardwareAddr, ip []byte) net.HardwareAddr {
	if ip[0]>>4 == 6 {
		if ip[24] == 0xff {
			return append(net.HardwareAddr{0x33, 0x33}, ip[36:40]...)
		}
		return router
	}
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
