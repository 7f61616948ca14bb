package knock_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/knock"
)

// The protocols as RouterOS and the kernel count them.
const (
	viaTCP = 6
	viaUDP = 17
)

// island is a network namespace with nothing but a loopback, and everything that comes in on it.
type island struct {
	capture int
	nft     *nftables.Conn
	table   *nftables.Table
	chains  map[nftables.ChainHook]*nftables.Chain
}

// onIsland runs the rest of a test in a namespace of its own, or skips it. The namespace has no
// name, and is gone with its last socket.
func onIsland(t *testing.T, test func(i *island)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Skip("no network namespaces here: ", err)
	}
	defer home.Close()
	ns, err := netns.New()
	if err != nil {
		t.Skip("no network namespace can be made here: ", err)
	}
	defer func() {
		ns.Close()
		if err := netns.Set(home); err != nil {
			panic(err) // the thread must not do anything else
		}
	}()
	test(settle(t))
}

// alone runs the rest of a test where no packets of others come.
func alone(t *testing.T, test func()) {
	t.Helper()
	onIsland(t, func(*island) { test() })
}

// settle brings the loopback up, opens the capture, and makes a table for rules.
func settle(t *testing.T) *island {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	// AF_PACKET sees what arrives before any firewall does.
	capture, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(htons(unix.ETH_P_ALL)))
	must(t, err)
	t.Cleanup(func() { unix.Close(capture) })
	i := &island{capture: capture, chains: map[nftables.ChainHook]*nftables.Chain{}}
	if i.nft, err = nftables.New(); err != nil {
		t.Skip("no nftables here: ", err)
	}
	i.table = i.nft.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "knock"})
	for name, hook := range map[string]*nftables.ChainHook{"in": nftables.ChainHookInput, "out": nftables.ChainHookOutput} {
		i.chains[*hook] = i.nft.AddChain(&nftables.Chain{Name: name, Table: i.table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter})
	}
	if err := i.nft.Flush(); err != nil {
		t.Skip("no nftables here: ", err)
	}
	return i
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// rule does something with the packets of a protocol to a port.
func (i *island) rule(t *testing.T, hook *nftables.ChainHook, protocol byte, port uint16, do expr.Any) {
	t.Helper()
	i.nft.AddRule(&nftables.Rule{Table: i.table, Chain: i.chains[*hook], Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
		do,
	}})
	must(t, i.nft.Flush())
}

// packets returns what came in so far: TCP with its flags, echo requests with their size.
func (i *island) packets() []string {
	var out []string
	buffer := make([]byte, 1<<17)
	for {
		n, from, err := unix.Recvfrom(i.capture, buffer, 0)
		if err != nil {
			return out
		}
		if l, ok := from.(*unix.SockaddrLinklayer); !ok || l.Pkttype != unix.PACKET_HOST {
			continue
		}
		if text := describe(buffer[:n]); text != "" {
			out = append(out, text)
		}
	}
}

func describe(ip []byte) string {
	protocol, body := ip[9], ip[20:]
	if ip[0]>>4 == 6 {
		protocol, body = ip[6], ip[40:]
	}
	port := func() uint16 { return uint16(body[2])<<8 | uint16(body[3]) }
	switch {
	case protocol == viaTCP && body[13]&0x12 == 0x02:
		return fmt.Sprintf("syn %d", port())
	case protocol == viaUDP:
		return fmt.Sprintf("udp %d with %d bytes", port(), len(body)-8)
	case protocol == 1 && body[0] == 8, protocol == 58 && body[0] == 128:
		return fmt.Sprintf("echo %d", len(ip))
	default:
		return ""
	}
}

// The answers that a port can give through the firewall.
var (
	drop        = &expr.Verdict{Kind: expr.VerdictDrop}
	reset       = &expr.Reject{Type: unix.NFT_REJECT_TCP_RST}
	portGone    = &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}
	netGone     = &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_NO_ROUTE}
	hostGone    = &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_HOST_UNREACH}
	adminForbid = &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}
)

// patience is a wait for an answer that ends well before the kernel repeats a SYN, after a second.
const patience = 600 * time.Millisecond

// TestEveryAnswer: whatever a firewall on the way does with a stage, exactly one packet was sent,
// and it is no error. The wait of the silent port is over before the kernel would send a second
// SYN, and leaves no socket that could send one.
func TestEveryAnswer(t *testing.T) {
	for _, host := range loopbacks() {
		t.Run(host.String(), func(t *testing.T) {
			onIsland(t, func(i *island) {
				answers := []expr.Any{drop, reset, portGone, netGone, hostGone, adminForbid}
				var stages []plans.Stage
				var want []string
				for n, answer := range answers {
					port := 30000 + n
					stages, want = append(stages, tcp(port)), append(want, fmt.Sprintf("syn %d", port))
					i.rule(t, nftables.ChainHookInput, viaTCP, uint16(port), answer)
					if answer != reset {
						stages, want = append(stages, udp(port)), append(want, fmt.Sprintf("udp %d with 0 bytes", port))
						i.rule(t, nftables.ChainHookInput, viaUDP, uint16(port), answer)
					}
				}
				stages, want = append(stages, ping(300), ping(300)), append(want, "echo 300", "echo 300")
				// A machine that stands still for the rest of a second lets the kernel repeat a
				// SYN: that try does not count.
				for stalled := true; stalled; {
					stalled = false
					began := time.Now()
					o := knock.Options{Delay: time.Millisecond, Timeout: 100 * time.Millisecond, Observe: func(int) {
						stalled = stalled || time.Since(began) > time.Second/2
						began = time.Now()
					}}
					must(t, knock.Play(t.Context(), host, stages, o))
					if left := connecting(t); len(left) > 0 {
						t.Errorf("sockets that may send another SYN: %q", left)
					}
					if got := i.packets(); !stalled && !slices.Equal(got, want) {
						t.Errorf("arrived: %q, want %q", got, want)
					}
				}
			})
		})
	}
}

// connecting lists the sockets of this thread's namespace whose SYN is out and not answered.
func connecting(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + table)
		must(t, err)
		for line := range strings.SplitSeq(string(text), "\n") {
			if fields := strings.Fields(line); len(fields) > 3 && fields[3] == "02" { // TCP_SYN_SENT
				out = append(out, line)
			}
		}
	}
	return out
}

// TestCancelWait: the end of the context ends the wait for an answer before the time-out. A machine
// that has much to do may need some tries to show it.
func TestCancelWait(t *testing.T) {
	onIsland(t, func(i *island) {
		i.rule(t, nftables.ChainHookInput, viaTCP, 30000, drop)
		early := false
		for try := 0; try < 5 && !early; try++ {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			start := time.Now()
			err := knock.Play(ctx, loopbacks()[0], []plans.Stage{tcp(30000), tcp(30001)}, knock.Options{Timeout: patience})
			early = time.Since(start) < patience
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if got := i.packets(); early && !slices.Equal(got, []string{"syn 30000"}) {
				t.Errorf("arrived: %q", got)
			}
		}
		if !early {
			t.Error("the time-out is waited for")
		}
	})
}

// TestNoPatience: the packet is sent even when the time for its answer is over before the socket is
// open.
func TestNoPatience(t *testing.T) {
	onIsland(t, func(i *island) {
		must(t, knock.Play(t.Context(), loopbacks()[0], []plans.Stage{tcp(30000), tcp(30001)}, knock.Options{Timeout: 1, Delay: 1}))
		if got := i.packets(); !slices.Equal(got, []string{"syn 30000", "syn 30001"}) {
			t.Errorf("arrived: %q", got)
		}
	})
}

// TestNotSent: what keeps a packet on this computer is an error that says what to do, for each
// protocol.
func TestNotSent(t *testing.T) {
	away := netip.MustParseAddr("198.51.100.1")
	for _, c := range []struct {
		name    string
		host    netip.Addr
		prepare func(t *testing.T, i *island)
		errno   syscall.Errno
		want    string
	}{
		{"no route", away, nil, syscall.ENETUNREACH, "no route to the router"},
		{"no route over IPv6", netip.MustParseAddr("2001:db8::1"), nil, syscall.ENETUNREACH, "no route to the router"},
		{"unreachable", away, routeOf(unix.RTN_UNREACHABLE), syscall.EHOSTUNREACH, "no route to the router"},
		{"prohibited", away, routeOf(unix.RTN_PROHIBIT), syscall.EACCES, "forbids it"},
		{"into the void", away, routeOf(unix.RTN_BLACKHOLE), syscall.EINVAL, "check the routes"},
	} {
		for _, stage := range []plans.Stage{tcp(34567), udp(34567), ping(34567)} {
			t.Run(c.name+" "+stage.Protocol, func(t *testing.T) {
				onIsland(t, func(i *island) {
					if c.prepare != nil {
						c.prepare(t, i)
					}
					refusal(t, knock.Play(t.Context(), c.host, []plans.Stage{stage}, quick), stage, c.errno, c.want)
				})
			})
		}
	}
}

func refusal(t *testing.T, err error, stage plans.Stage, errno syscall.Errno, want string) {
	t.Helper()
	if !errors.Is(err, errno) || !strings.HasPrefix(err.Error(), "stage 1 of 1, "+stage.Protocol+", was not sent: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	discreet(t, err, []plans.Stage{stage})
}

func routeOf(kind int) func(t *testing.T, i *island) {
	return func(t *testing.T, _ *island) {
		_, all, _ := net.ParseCIDR("198.51.100.0/24")
		must(t, netlink.RouteAdd(&netlink.Route{Dst: all, Type: kind}))
	}
}

// TestFirewallHere: a firewall of this computer that drops a datagram is told; a dropped SYN can't
// be seen.
func TestFirewallHere(t *testing.T) {
	onIsland(t, func(i *island) {
		i.rule(t, nftables.ChainHookOutput, viaUDP, 34567, drop)
		stage := udp(34567)
		refusal(t, knock.Play(t.Context(), loopbacks()[0], []plans.Stage{stage}, quick), stage, syscall.EPERM, "forbids it")
	})
}

// TestPlainEcho: where the system lets this group send echo requests, no raw socket is needed.
func TestPlainEcho(t *testing.T) {
	for _, host := range loopbacks() {
		t.Run(host.String(), func(t *testing.T) {
			onIsland(t, func(i *island) {
				if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0o644); err != nil { // of this namespace
					t.Skip("the groups can't be set here: ", err)
				}
				withoutRights(t, func() {
					must(t, knock.Play(t.Context(), host, []plans.Stage{ping(245), ping(48), ping(60000)}, quick))
					foreign := map[bool]string{true: "192.0.2.77", false: "2001:db8::77"}[host.Is4()]
					err := knock.Play(t.Context(), host, []plans.Stage{ping(34567)}, knock.Options{Source: netip.MustParseAddr(foreign)})
					refusal(t, err, ping(34567), syscall.EADDRNOTAVAIL, "the source address is not one of this computer")
				})
				if got := i.packets(); !slices.Equal(got, []string{"echo 245", "echo 48", "echo 60000"}) {
					t.Errorf("arrived: %q", got)
				}
			})
		})
	}
}

// TestNoEcho: without any right the knock does not begin, and the error says how to get one.
func TestNoEcho(t *testing.T) {
	for _, host := range loopbacks() {
		t.Run(host.String(), func(t *testing.T) {
			onIsland(t, func(i *island) {
				stages := []plans.Stage{udp(34567), ping(23456)}
				withoutRights(t, func() {
					err := knock.Play(t.Context(), host, stages, quick)
					if !errors.Is(err, os.ErrPermission) || !strings.HasPrefix(err.Error(), "stage 2 of 2, icmp, was not sent: ") || !strings.Contains(err.Error(), "setcap") {
						t.Errorf("got %v", err)
					}
					discreet(t, err, stages)
				})
				if got := i.packets(); len(got) != 0 {
					t.Errorf("arrived: %q", got)
				}
			})
		})
	}
}

// withoutRights takes the right to open raw sockets from this thread for a while.
func withoutRights(t *testing.T, f func()) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before, less [2]unix.CapUserData
	must(t, unix.Capget(&header, &before[0]))
	less = before
	less[0].Effective &^= 1 << unix.CAP_NET_RAW
	must(t, unix.Capset(&header, &less[0]))
	defer func() { must(t, unix.Capset(&header, &before[0])) }()
	f()
}

// TestTooManyFiles: no packet without a socket.
func TestTooManyFiles(t *testing.T) {
	for _, stage := range []plans.Stage{tcp(34567), udp(34567), ping(34567)} {
		t.Run(stage.Protocol, func(t *testing.T) {
			if stage.Protocol == "icmp" && os.Geteuid() != 0 {
				t.Skip("the kernel asks for the right first, and that needs root")
			}
			var limit syscall.Rlimit
			must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
			none := limit
			none.Cur = 0
			must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
			err := knock.Play(t.Context(), loopbacks()[0], []plans.Stage{stage}, quick)
			must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
			refusal(t, err, stage, syscall.EMFILE, "ulimit -n")
		})
	}
}
