package main

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// gate is a router made of the Linux kernel: nftables rules written by hand for a door of three
// knocks, before a port at which somebody listens, in a namespace of its own. A client in another
// namespace has a cable to it. Neither has a name; both vanish with the process.
type gate struct {
	t            *testing.T
	client, gate netns.NsHandle
	address      netip.Addr
	nft          *nftables.Conn
	table        *nftables.Table
	chain        *nftables.Chain
}

// knocks are the ports of the door in their order, with their protocols as the kernel counts them.
func knocks() []struct {
	protocol byte
	port     uint16
} {
	return []struct {
		protocol byte
		port     uint16
	}{{unix.IPPROTO_TCP, 41873}, {unix.IPPROTO_UDP, 17259}, {unix.IPPROTO_TCP, 52614}}
}

// inside is the port behind the door.
const inside = 2222

// newGate builds one, or skips the test and says why.
func newGate(t *testing.T, address netip.Addr, client string) *gate {
	t.Helper()
	g := &gate{t: t, address: address}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	check(t, err)
	defer home.Close()
	for _, ns := range []*netns.NsHandle{&g.client, &g.gate} {
		if *ns, err = netns.New(); err != nil {
			t.Skip("no network namespace can be made here: ", err)
		}
		t.Cleanup(func() { ns.Close() })
	}
	check(t, netns.Set(home))
	g.within(g.client, func() {
		cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "door0"}, PeerName: "door1", PeerNamespace: netlink.NsFd(g.gate)}
		if err := netlink.LinkAdd(cable); err != nil {
			t.Skip("no veth interfaces here: ", err)
		}
		plug(t, "door0", client)
	})
	g.within(g.gate, func() {
		plug(t, "door1", address.String())
		g.fortify()
		l, err := net.Listen("tcp", netip.AddrPortFrom(address, inside).String())
		check(t, err)
		t.Cleanup(func() { l.Close() })
		go serve(l, func(*net.TCPConn) {})
	})
	g.within(g.client, g.connected)
	return g
}

// connected waits until the cable carries packets, which over IPv6 takes the kernel about two
// seconds: until a port at which nobody is, and that no rule knows, refuses a connection. What is
// sent before may be lost without a word, and is no matter of the knock.
func (g *gate) connected() {
	nobody := netip.AddrPortFrom(g.address, 9).String()
	var err error
	for range 50 {
		if _, err = net.DialTimeout("tcp", nobody, 200*time.Millisecond); errors.Is(err, unix.ECONNREFUSED) {
			return
		}
	}
	g.t.Fatalf("nothing gets through to %s: %v", g.address, err)
}

// plug gives an interface an address and switches it on.
func plug(t *testing.T, name, address string) {
	t.Helper()
	bits := "/24"
	if strings.Contains(address, ":") {
		bits = "/64"
	}
	link, err := netlink.LinkByName(name)
	check(t, err)
	a, err := netlink.ParseAddr(address + bits)
	check(t, err)
	if bits == "/64" {
		a.Flags = unix.IFA_F_NODAD
	}
	check(t, netlink.AddrAdd(link, a))
	check(t, netlink.LinkSetUp(link))
}

// within runs a function in a namespace, on a thread that goes nowhere else meanwhile. Sockets and
// programs stay in the namespace in which they were opened.
func (g *gate) within(ns netns.NsHandle, f func()) {
	g.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	check(g.t, err)
	defer home.Close()
	check(g.t, netns.Set(ns))
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(err) // the thread must not do anything else
		}
	}()
	f()
}

// fortify writes the rules: later stages above earlier ones, the port behind the door for who is
// trusted, and nobody else. Above all, each knock is counted.
func (g *gate) fortify() {
	var err error
	g.nft, err = nftables.New()
	check(g.t, err)
	family, kind := nftables.TableFamilyIPv4, nftables.TypeIPAddr
	if g.address.Is6() {
		family, kind = nftables.TableFamilyIPv6, nftables.TypeIP6Addr
	}
	g.table = g.nft.AddTable(&nftables.Table{Family: family, Name: "gate"})
	g.chain = g.nft.AddChain(&nftables.Chain{Name: "input", Table: g.table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter})
	var lists []*nftables.Set // stage 1, stage 2, trusted
	for _, name := range []string{"one", "two", "trusted"} {
		set := &nftables.Set{Table: g.table, Name: name, KeyType: kind, Dynamic: true, HasTimeout: true, Size: 100}
		check(g.t, g.nft.AddSet(set, nil))
		lists = append(lists, set)
	}
	for _, k := range knocks() {
		g.rule(k.protocol, k.port, &expr.Counter{})
	}
	for i, list := range slices.Backward(lists) {
		k := knocks()[i]
		do := []expr.Any{g.source()}
		if i > 0 {
			do = append(do, in(lists[i-1]))
		}
		do = append(do, &expr.Dynset{SrcRegKey: 1, SetName: list.Name, SetID: list.ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE), Timeout: 10 * time.Second})
		g.rule(k.protocol, k.port, do...)
	}
	for _, k := range knocks() {
		g.rule(k.protocol, k.port, &expr.Verdict{Kind: expr.VerdictDrop})
	}
	g.rule(unix.IPPROTO_TCP, inside, g.source(), in(lists[2]), &expr.Verdict{Kind: expr.VerdictAccept})
	g.rule(unix.IPPROTO_TCP, inside, &expr.Verdict{Kind: expr.VerdictDrop})
	if err := g.nft.Flush(); err != nil {
		g.t.Skip("no nftables here: ", err)
	}
}

// rule does something with the packets to a port that begin something: of TCP, those are the SYNs.
func (g *gate) rule(protocol byte, port uint16, do ...expr.Any) {
	match := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
	}
	if protocol == unix.IPPROTO_TCP && port != inside {
		match = append(match,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{0x12}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0x02}})
	}
	g.nft.AddRule(&nftables.Rule{Table: g.table, Chain: g.chain, Exprs: append(match, do...)})
}

// source loads the address that a packet comes from.
func (g *gate) source() expr.Any {
	if g.address.Is6() {
		return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 8, Len: 16}
	}
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
}

func in(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID}
}

// counted is how many packets came to each knock so far.
func (g *gate) counted() []uint64 {
	var out []uint64
	g.within(g.gate, func() {
		rules, err := g.nft.GetRules(g.table, g.chain)
		check(g.t, err)
		for _, r := range rules {
			for _, e := range r.Exprs {
				if c, ok := e.(*expr.Counter); ok {
					out = append(out, c.Packets)
				}
			}
		}
	})
	return out
}

// rosknock runs a command line in the client's namespace.
func (g *gate) rosknock(args ...string) (code exitCode, said string) {
	var out bytes.Buffer
	c := exec.CommandContext(g.t.Context(), "rosknock", args...)
	c.Stdout, c.Stderr = &out, &out
	g.within(g.client, func() { check(g.t, c.Start()) })
	_ = c.Wait() // the code says it
	return exitCode(c.ProcessState.ExitCode()), out.String()
}

// TestKnockLab: a door of the Linux kernel opens to its knock and not to the knock backwards, and
// each stage is one packet, silent as the ports are.
func TestKnockLab(t *testing.T) {
	if os.Getenv("ROSKNOCK_LAB") == "" {
		t.Skip("the lab runs only when asked for: make lab, or ROSKNOCK_LAB=1")
	}
	if os.Geteuid() != 0 {
		t.Skip("the lab builds network namespaces and so needs root")
	}
	for _, pair := range [][2]string{{"192.0.2.1", "192.0.2.9"}, {"2001:db8::1", "2001:db8::9"}} {
		t.Run(pair[0], func(t *testing.T) {
			g := newGate(t, netip.MustParseAddr(pair[0]), pair[1])
			right, backwards := knockPlan(t), filepath.Join(t.TempDir(), "backwards.yaml")
			text, err := os.ReadFile(right)
			check(t, err)
			text = bytes.Replace(text, []byte("tcp/41873, udp/17259, tcp/52614"), []byte("tcp/52614, udp/17259, tcp/41873"), 1)
			check(t, os.WriteFile(backwards, text, 0o600))
			steps := []struct {
				plan string
				more []string
				code exitCode
				says string
				sum  uint64 // packets to each knock from the beginning
			}{
				{backwards, []string{"--passes", "1", "--then-wait", "400ms"}, exitFailed, "stays shut after one pass, for nothing answers", 1},
				{right, []string{"--if-shut", "--source", "door0"}, exitDone, "door admin is open after", 2},
				{right, []string{"--if-shut"}, exitDone, "open already", 2},
				{right, []string{"--source", pair[1]}, exitDone, "door admin is open after", 3},
			}
			for i, step := range steps {
				code, said := g.rosknock(append([]string{"knock", step.plan, pair[0], "--then", "tcp/2222"}, step.more...)...)
				if code != step.code || !strings.Contains(said, step.says) {
					t.Errorf("step %d: exit code %d, want %d: %s", i+1, code, step.code, said)
				}
				time.Sleep(1200 * time.Millisecond) // a packet that is sent again would be here by then
				for n, got := range g.counted() {
					if got != step.sum {
						t.Errorf("step %d: %d packets came to knock %d, want %d", i+1, got, n+1, step.sum)
					}
				}
			}
		})
	}
}

// TestConnectSocket: standard input and output may be one socket, as some programs that start
// proxies make it. Its halves end one by one.
func TestConnectSocket(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	theirs := os.NewFile(uintptr(pair[0]), "theirs")
	ours, err := net.FileConn(theirs)
	check(t, err)
	check(t, theirs.Close())
	defer ours.Close()
	end := os.NewFile(uintptr(pair[1]), "rosknock's")
	j := newJoinedBy(t, func(j *joined) { j.cmd.Stdin, j.cmd.Stdout = end, end })
	check(t, end.Close())
	check(t, ours.SetDeadline(time.Now().Add(20*time.Second)))
	writes(t, j.server, "greeting")
	check(t, j.server.CloseWrite())
	reads(t, ours, "greeting", true)
	writes(t, ours, "late")
	check(t, ours.(*net.UnixConn).CloseWrite())
	reads(t, j.server, "late", true)
	j.ends(exitDone)
}
