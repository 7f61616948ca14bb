//go:build linux

package lab_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/routeros/packet"
)

// The two ends of the lab's only cable. The client sends from any address of the network.
const (
	network    = "10.77.0.0/16"
	routerAddr = "10.77.255.1"
	clientEnd  = "client0"
	routerEnd  = "ether1"
)

// kernel is a network namespace with nftables in it, and a cable into another one.
type kernel struct {
	client, router netns.NsHandle
	nft            *nftables.Conn
	socket         int // a packet socket at the client's end
	to             unix.SockaddrLinklayer
	clientMAC, mac net.HardwareAddr
	id             uint16 // of the last packet
}

// newKernel makes two namespaces and a cable between them, or skips where that can't be done. The namespaces have no
// name and go with the test's thread.
func newKernel(t *testing.T) *kernel {
	t.Helper()
	if os.Getenv("ROSKNOCK_LAB") == "" {
		t.Skip("the lab is not asked for: make lab")
	}
	if os.Getuid() != 0 {
		t.Skip("the lab needs root: namespaces and nftables are the kernel's")
	}
	runtime.LockOSThread() // never unlocked: a thread that has been in a namespace is not given back
	home, err := netns.Get()
	if err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	k := &kernel{}
	if k.router, err = netns.New(); err != nil {
		t.Skipf("no network namespace can be made here: %v", err)
	}
	k.quiet(t)
	if k.client, err = netns.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = netns.Set(home)
		k.client.Close()
		k.router.Close()
		home.Close()
	})
	k.cable(t)
	k.open(t)
	k.nft, err = nftables.New(nftables.WithNetNSFd(int(k.router)))
	if err != nil {
		t.Skipf("no nftables here: %v", err)
	}
	if _, err := k.nft.ListTables(); err != nil {
		t.Skipf("no nftables here: %v", err)
	}
	return k
}

// quiet keeps the router's own opinion out: no reverse path filter.
func (k *kernel) quiet(t *testing.T) {
	t.Helper()
	for _, name := range []string{"all", "default"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/rp_filter", []byte("0"), 0o600); err != nil {
			t.Logf("reverse path filter: %v", err)
		}
	}
}

// cable joins the namespaces. The thread stays in the client's.
func (k *kernel) cable(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: clientEnd}, PeerName: routerEnd, PeerNamespace: netlink.NsFd(k.router)}
	must(netlink.LinkAdd(pair))
	here, err := netlink.LinkByName(clientEnd)
	must(err)
	must(netlink.LinkSetUp(here))
	at, err := netlink.NewHandleAt(k.router)
	must(err)
	defer at.Close()
	there, err := at.LinkByName(routerEnd)
	must(err)
	addr, err := netlink.ParseAddr(routerAddr + "/16")
	must(err)
	must(at.AddrAdd(there, addr))
	must(at.LinkSetUp(there))
	k.clientMAC, k.mac = here.Attrs().HardwareAddr, there.Attrs().HardwareAddr
	k.to = unix.SockaddrLinklayer{Ifindex: here.Attrs().Index, Protocol: swap(unix.ETH_P_IP), Halen: 6}
	copy(k.to.Addr[:], k.mac)
}

func swap(n uint16) uint16 { return n<<8 | n>>8 }

func (k *kernel) open(t *testing.T) {
	t.Helper()
	var err error
	if k.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(swap(unix.ETH_P_IP))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(k.socket) })
}

// send puts a packet on the cable and returns the number by which it can be recognised, which is its IP id.
func (k *kernel) send(t *testing.T, p packet.Packet) uint16 {
	t.Helper()
	k.id++
	frame := append(append(append([]byte{}, k.mac...), k.clientMAC...), 0x08, 0x00)
	if err := unix.Sendto(k.socket, append(frame, datagram(p, k.id)...), 0, &k.to); err != nil {
		t.Fatal(err)
	}
	return k.id
}

// datagram writes an IPv4 packet with the right checksums: connection tracking calls those with wrong ones invalid.
func datagram(p packet.Packet, id uint16) []byte {
	b := make([]byte, max(p.Size, 28))
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], id)
	b[8], b[9] = p.TTL, p.Protocol
	src, dst := p.Src.As4(), p.Dst.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[10:], checksum(b[:20], 0))
	body := b[20:]
	switch p.Protocol {
	case unix.IPPROTO_TCP:
		binary.BigEndian.PutUint16(body, p.SrcPort)
		binary.BigEndian.PutUint16(body[2:], p.DstPort)
		body[12], body[13] = 5<<4, byte(p.TCPFlags)
		binary.BigEndian.PutUint16(body[16:], checksum(body, pseudo(p, len(body))))
	case unix.IPPROTO_UDP:
		binary.BigEndian.PutUint16(body, p.SrcPort)
		binary.BigEndian.PutUint16(body[2:], p.DstPort)
		binary.BigEndian.PutUint16(body[4:], uint16(len(body)))
		binary.BigEndian.PutUint16(body[6:], checksum(body, pseudo(p, len(body))))
	case unix.IPPROTO_ICMP:
		body[0], body[1] = p.ICMPType, p.ICMPCode
		binary.BigEndian.PutUint16(body[4:], id)
		binary.BigEndian.PutUint16(body[2:], checksum(body, 0))
	}
	return b
}

func pseudo(p packet.Packet, length int) uint32 {
	src, dst := p.Src.As4(), p.Dst.As4()
	sum := uint32(p.Protocol) + uint32(length)
	for i := 0; i < 4; i += 2 {
		sum += uint32(src[i])<<8 | uint32(src[i+1])
		sum += uint32(dst[i])<<8 | uint32(dst[i+1])
	}
	return sum
}

func checksum(b []byte, sum uint32) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// wait lets the kernel work until it has seen the last packet.
func (k *kernel) wait(t *testing.T, arrived *nftables.Set) {
	t.Helper()
	for range 400 {
		seen := k.numbers(t, arrived)
		if seen[k.id] {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("packet %d never arrived", k.id)
}

// numbers reads a set of packet numbers.
func (k *kernel) numbers(t *testing.T, set *nftables.Set) map[uint16]bool {
	t.Helper()
	elements, err := k.nft.GetSetElements(set)
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint16]bool{}
	for _, e := range elements {
		out[binary.BigEndian.Uint16(e.Key)] = true
	}
	return out
}

// members reads an address list with the time that each entry has left; zero is for ever.
func (k *kernel) members(t *testing.T, set *nftables.Set) map[netip.Addr]time.Duration {
	t.Helper()
	elements, err := k.nft.GetSetElements(set)
	if err != nil {
		t.Fatal(err)
	}
	out := map[netip.Addr]time.Duration{}
	for _, e := range elements {
		addr, _ := netip.AddrFromSlice(e.Key)
		out[addr] = e.Expires
	}
	return out
}

// answer opens a flow from the router to a client, so that what the client sends back is established.
func (k *kernel) answer(t *testing.T, p packet.Packet) {
	t.Helper()
	if err := netns.Set(k.router); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(k.client); err != nil {
			t.Fatal(err)
		}
	}()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	if err := unix.Sendto(socket, datagram(p, 1), 0, &unix.SockaddrInet4{Addr: p.Dst.As4()}); err != nil {
		t.Fatal(fmt.Errorf("answering: %w", err))
	}
}
