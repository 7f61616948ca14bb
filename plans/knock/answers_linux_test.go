package knock_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/knock"
)

// complaint is an ICMP error in answer to a SYN.
type complaint struct {
	kind icmp.Type
	code int
}

// complaints are all that a family knows.
func complaints(host netip.Addr) []complaint {
	unreachable, codes, others := icmp.Type(ipv4.ICMPTypeDestinationUnreachable), 16, []icmp.Type{ipv4.ICMPTypeTimeExceeded, ipv4.ICMPTypeParameterProblem}
	if host.Is6() {
		unreachable, codes, others = ipv6.ICMPTypeDestinationUnreachable, 9, []icmp.Type{ipv6.ICMPTypeTimeExceeded, ipv6.ICMPTypeParameterProblem}
	}
	var out []complaint
	for code := range codes {
		out = append(out, complaint{unreachable, code})
	}
	for _, kind := range others {
		out = append(out, complaint{kind, 0})
	}
	return out
}

// answer builds the packet with which the host answers a SYN.
func (c complaint) answer(syn []byte) ([]byte, error) {
	message := icmp.Message{Type: c.kind, Code: c.code, Body: &icmp.RawBody{Data: slices.Concat(make([]byte, 4), syn)}}
	if syn[0]>>4 == 6 {
		body, err := message.Marshal(icmp.IPv6PseudoHeader(syn[24:40], syn[8:24]))
		length := []byte{byte(len(body) >> 8), byte(len(body))}
		return slices.Concat([]byte{6 << 4, 0, 0, 0}, length, []byte{58, 64}, syn[24:40], syn[8:24], body), err
	}
	body, err := message.Marshal(nil)
	if err != nil {
		return nil, err
	}
	header := ipv4.Header{Version: 4, Len: 20, TotalLen: 20 + len(body), TTL: 64, Protocol: 1, Src: net.IP(syn[16:20]), Dst: net.IP(syn[12:16])}
	head, err := header.Marshal()
	if err != nil {
		return nil, err
	}
	sum := checksum(head)
	head[10], head[11] = byte(sum>>8), byte(sum)
	return slices.Concat(head, body), nil
}

func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(header[i])<<8 | uint32(header[i+1])
	}
	return ^uint16(sum + sum>>16)
}

// tunnel makes an interface whose other end is this test: what is sent to the networks behind it
// can be read.
func tunnel(t *testing.T) *os.File {
	t.Helper()
	return tunnelAs(t, "knock0", "192.0.2.1/24", "2001:db8::1/64")
}

// tunnelAs makes a tunnel with a name and addresses.
func tunnelAs(t *testing.T, name string, addresses ...string) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("no tunnel can be made here: ", err)
	}
	request, err := unix.NewIfreq(name)
	must(t, err)
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		t.Skip("no tunnel can be made here: ", err)
	}
	file := os.NewFile(uintptr(fd), "tunnel")
	t.Cleanup(func() { file.Close() })
	link, err := netlink.LinkByName(name)
	must(t, err)
	for _, address := range addresses {
		a, err := netlink.ParseAddr(address)
		must(t, err)
		a.Flags = unix.IFA_F_NODAD
		must(t, netlink.AddrAdd(link, a))
	}
	must(t, netlink.LinkSetUp(link))
	return file
}

// TestComplaints: no ICMP error that comes back a moment later, from the router or on the way to
// it, is taken for a trouble of this computer. All end the wait but one, which is about the size of
// packets.
func TestComplaints(t *testing.T) {
	for _, host := range []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")} {
		t.Run(host.String(), func(t *testing.T) {
			onIsland(t, func(*island) {
				all, wire := complaints(host), tunnel(t)
				syns := make(chan int, 100)
				go complain(wire, all, syns)
				for n, c := range all {
					waits := c == complaint{ipv4.ICMPTypeDestinationUnreachable, 4}
					early := false
					for try := 0; try == 0 || !waits && !early && try < 5; try++ { // the kernel puts off what comes while it is still busy with the socket
						start := time.Now()
						if err := knock.Play(t.Context(), host, []plans.Stage{tcp(30000 + n)}, knock.Options{Timeout: patience}); err != nil {
							t.Errorf("%v, code %d: %v", c.kind, c.code, err)
						}
						early = time.Since(start) < patience
						if got := <-syns; got != n {
							t.Errorf("%v, code %d: a SYN for %d instead of %d", c.kind, c.code, got, n)
						}
					}
					if early == waits {
						t.Errorf("%v, code %d: before the time-out: %v", c.kind, c.code, early)
					}
				}
				if len(syns) != 0 {
					t.Errorf("%d SYNs too many", len(syns))
				}
			})
		})
	}
}

// complain answers each SYN to port 30000 + n with complaint n, once the socket waits for it, until
// the tunnel is closed. A complaint that fails shows as a wait up to the time-out.
func complain(wire *os.File, all []complaint, syns chan<- int) {
	var ports []string
	for n := range all {
		ports = append(ports, fmt.Sprintf("syn %d", 30000+n))
	}
	buffer := make([]byte, 1<<16)
	for {
		n, err := wire.Read(buffer)
		if err != nil {
			return
		}
		which := slices.Index(ports, describe(buffer[:n]))
		if which < 0 {
			continue
		}
		syns <- which
		time.Sleep(10 * time.Millisecond)
		if packet, err := all[which].answer(buffer[:n]); err == nil {
			_, _ = wire.Write(packet)
		}
	}
}
