//go:build linux

package lab_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// The lab's own sets hold the numbers of packets: arrived has those that came over the cable,
// passed those that the rules under test let through to the end of input, sent those through to the
// end of forward, and one for each state has those to which connection tracking gave it.
const (
	arrived = "lab:arrived"
	passed  = "lab:passed"
	sent    = "lab:sent"
)

// last is the number of the packet that follows a volley: once it is there, all before it have run
// their course.
const last = 0xffff

// settle bounds how long the kernel may take for that.
const settle = 5 * time.Second

// openTables finds out whether there is nftables at all.
func (l *lab) openTables(t *testing.T, router netns.NsHandle) {
	t.Helper()
	l.home = router
	if err := l.connect(); err != nil {
		t.Skipf("no nftables here: %v", err)
	}
	t.Cleanup(func() { _ = l.nft.CloseLasting() })
	l.nft.AddTable(l.table())
	if err := l.nft.Flush(); err != nil {
		t.Skipf("no nftables here: %v", err)
	}
}

// table is where a snapshot's rules go.
func (l *lab) table() *nftables.Table {
	kind := nftables.TableFamilyIPv4
	if l.family == routeros.IPv6 {
		kind = nftables.TableFamilyIPv6
	}
	return &nftables.Table{Family: kind, Name: "lab"}
}

// connect begins a conversation with the kernel, and forgets what was left unsaid in the one
// before.
func (l *lab) connect() (err error) {
	if l.nft != nil {
		_ = l.nft.CloseLasting()
	}
	l.nft, err = nftables.New(nftables.WithNetNSFd(int(l.home)), nftables.AsLasting())
	return err
}

// firewall is one snapshot in the kernel.
type loaded struct {
	translation
	lab  *lab
	sets map[string]*nftables.Set
	next uint16 // number of the next packet
}

// load puts a snapshot into the kernel, in place of the one before, and forgets all connections.
func (l *lab) load(s routeros.Snapshot) (*loaded, error) {
	if err := l.connect(); err != nil {
		return nil, err
	}
	// The first of the two makes sure that there is something to delete.
	table := l.nft.AddTable(l.table())
	l.nft.DelTable(table)
	table = l.nft.AddTable(table)
	f := &loaded{lab: l, next: 1, sets: map[string]*nftables.Set{}, translation: translation{nft: l.nft, family: l.family, table: table, snapshot: s, through: l.routes}}
	if err := errors.Join(f.observe(), f.translate()); err != nil {
		return nil, err
	}
	if err := l.nft.Flush(); err != nil {
		return nil, fmt.Errorf("the kernel refuses the rules: %w", err)
	}
	return f, l.router.ConntrackTableFlush(netlink.ConntrackTable)
}

// observe lays the chains that watch: before everything, behind connection tracking, and behind
// input.
func (f *loaded) observe() error {
	names := []string{arrived, passed, sent}
	for _, s := range allStates() {
		names = append(names, s.String())
	}
	for _, name := range names {
		f.sets[name] = &nftables.Set{Table: f.table, Name: name, KeyType: nftables.TypeInetService, Dynamic: true, HasTimeout: true, Size: 65535}
		if err := f.nft.AddSet(f.sets[name], nil); err != nil {
			return err
		}
	}
	first := f.watch(arrived, nftables.ChainHookPrerouting, -400)
	f.rule(first, f.note(arrived)...)
	f.rule(first, f.number(), equal(false, be16(last)...), &expr.Verdict{Kind: expr.VerdictDrop})
	tracked := f.watch("lab:tracked", nftables.ChainHookPrerouting, -150)
	for _, s := range allStates() {
		match, err := states(s.String(), false)
		if err != nil {
			return err
		}
		f.rule(tracked, append(match, f.note(s.String())...)...)
	}
	f.observeNAT()
	f.rule(f.watch(passed, nftables.ChainHookInput, 100), f.note(passed)...)
	f.rule(f.watch(sent, nftables.ChainHookForward, 100), f.note(sent)...)
	answers := f.watch("lab:answers", nftables.ChainHookOutput, -300)
	f.rule(answers, &expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, equal(true, binaryutil.NativeEndian.PutUint32(mark)...), &expr.Verdict{Kind: expr.VerdictDrop})
	return nil
}

// allStates are all connection states.
func allStates() []firewall.State {
	return []firewall.State{firewall.New, firewall.Established, firewall.Related, firewall.Invalid, firewall.Untracked}
}

// number loads a packet's number.
func (f *loaded) number() expr.Any {
	if f.family == routeros.IPv6 {
		return ipField(2, 2)
	}
	return ipField(4, 2)
}

// note writes down a packet's number.
func (f *loaded) note(set string) []expr.Any {
	s := f.sets[set]
	return []expr.Any{f.number(), &expr.Dynset{SrcRegKey: 1, SetName: s.Name, SetID: s.ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE)}}
}

// seen is what the kernel did with one packet.
type seen struct {
	id      uint16
	at      time.Time
	arrived bool
	passed  bool
	sent    bool
	// tracked says that it came as far as connection tracking, which gave it a state.
	tracked bool
	state   firewall.State
}

// volley sends packets one after the other, waits until all are through, and says what became of
// each.
func (f *loaded) volley(shots []shot) ([]seen, error) {
	out := make([]seen, len(shots))
	if err := orderly(func() error { return f.send(shots, out) }); err != nil {
		return nil, err
	}
	if err := f.wait(); err != nil {
		return nil, err
	}
	noted := map[string]map[uint16]bool{}
	for name := range f.sets {
		ids, err := f.noted(name)
		if err != nil {
			return nil, err
		}
		noted[name] = ids
	}
	for i := range out {
		o := &out[i]
		o.arrived, o.passed, o.sent = noted[arrived][o.id], noted[passed][o.id], noted[sent][o.id]
		for _, s := range allStates() {
			if noted[s.String()][o.id] {
				o.tracked, o.state = true, s
			}
		}
	}
	return out, nil
}

// orderly runs a function on one processor: each has a queue of its own for what comes in, and
// packets must not overtake one another.
func orderly(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for cpu := 0; ; cpu++ {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return f()
}

func (f *loaded) send(shots []shot, out []seen) error {
	for i, s := range shots {
		if s.answered != nil {
			if err := f.lab.answer(s.answered); err != nil {
				return fmt.Errorf("what the router sends before %s: %w", s.packet, err)
			}
		}
		mac, err := net.ParseMAC(s.packet.SrcMAC)
		if err != nil {
			return err
		}
		out[i].id, out[i].at = f.next, time.Now()
		if err := f.lab.knock(s.packet.InInterface, mac, s.bytes(f.next)); err != nil {
			return fmt.Errorf("%s: %w", s.packet, err)
		}
		f.next++
	}
	return f.end()
}

// end sends the packet that follows a volley.
func (f *loaded) end() error {
	end := shot{packet: firewall.Packet{Protocol: 17, Src: addr("203.0.113.254"), Dst: addr("192.0.2.1"), Size: 28, TTL: 64}}
	if f.family == routeros.IPv6 {
		end.packet.Src, end.packet.Dst, end.packet.Size = over6(end.packet.Src), over6(end.packet.Dst), 48
	}
	return f.lab.knock(outside, net.HardwareAddr{2, 0, 0, 0, 0, 1}, end.bytes(last))
}

// carries waits until the cables carry packets: the first ones may be lost.
func (l *lab) carries(t *testing.T) {
	t.Helper()
	f, err := l.load(table(t, ""))
	check(t, "load", err)
	for range 250 {
		check(t, "send", f.end())
		time.Sleep(20 * time.Millisecond)
		ids, err := f.noted(arrived)
		check(t, "read", err)
		if ids[last] {
			return
		}
	}
	t.Fatal("nothing gets through to the router of the lab")
}

// wait returns when the last packet of a volley is there, and takes it off the books: the next
// volley waits for its own.
func (f *loaded) wait() error {
	for deadline := time.Now().Add(settle); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		ids, err := f.noted(arrived)
		if err != nil {
			return err
		}
		if ids[last] {
			if err := f.nft.SetDeleteElements(f.sets[arrived], []nftables.SetElement{{Key: be16(last)}}); err != nil {
				return err
			}
			return f.nft.Flush()
		}
	}
	return fmt.Errorf("the last packet has not arrived within %s", settle)
}

func (f *loaded) noted(name string) (map[uint16]bool, error) {
	elements, err := f.nft.GetSetElements(f.sets[name])
	ids := map[uint16]bool{}
	for _, e := range elements {
		ids[binary.BigEndian.Uint16(e.Key)] = true
	}
	return ids, err
}

// counts returns how many packets each rule of a table met.
func (f *loaded) counts(menu routeros.Menu) ([]uint64, error) {
	counts := make([]uint64, len(f.snapshot.Rules[menu]))
	for _, chain := range f.chains {
		if !strings.HasPrefix(chain.Name, chainName(menu, "")) {
			continue
		}
		rules, err := f.nft.GetRules(f.table, chain)
		if err != nil {
			return nil, err
		}
		for i, r := range rules {
			counts[f.rows[chain.Name][i]] = packetsOf(r)
		}
	}
	return counts, nil
}

func packetsOf(r *nftables.Rule) uint64 {
	for _, e := range r.Exprs {
		if c, ok := e.(*expr.Counter); ok {
			return c.Packets
		}
	}
	return 0
}

// members returns who is in a list and for how long; zero means for ever.
func (f *loaded) members(list string) (map[netip.Addr]time.Duration, error) {
	elements, err := f.nft.GetSetElements(f.lists[list])
	members := map[netip.Addr]time.Duration{}
	for _, e := range elements {
		a, _ := netip.AddrFromSlice(e.Key)
		members[a] = e.Expires
	}
	return members, err
}
