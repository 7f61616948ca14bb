package trusted_test

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// bench is a simulated router that carries a plan, with a session to it.
type bench struct {
	t       testing.TB
	router  *sim.Router
	session *api.Session
	plan    plans.Plan
	now     *time.Time
}

func newBench(t testing.TB, plan string) bench {
	t.Helper()
	text, err := fixtures.Plan(plan)
	if err != nil {
		t.Fatal(err)
	}
	return newBenchOf(t, text)
}

// newBenchOf is a bench with the text of a plan.
func newBenchOf(t testing.TB, plan []byte) bench {
	t.Helper()
	now := time.Date(2026, 9, 25, 8, 50, 30, 0, time.UTC)
	b := bench{t: t, now: &now}
	text, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(text).Snapshot(rsc.Options{})
	b.router = simtest.New(t, sim.Options{Now: func() time.Time { return *b.now }}, s)
	b.connect()
	b.carry(plan)
	return b
}

func (b *bench) connect() {
	b.t.Helper()
	session, err := api.NewSession(b.t.Context(), simtest.Pipe(b.t, b.router), "admin", "", api.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = session.Close() })
	b.session = session
}

func (b *bench) carry(text []byte) {
	b.t.Helper()
	var err error
	if b.plan, err = plans.Read("plan.yaml", text); err != nil {
		b.t.Fatal(err)
	}
	s, err := b.session.Snapshot(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	rules, err := compile.Compile(b.plan, s)
	if err != nil {
		b.t.Fatal(err)
	}
	changes, err := diff.Compute(s, rules, change.Management{})
	if err != nil {
		b.t.Fatal(err)
	}
	if r := apply.Run(b.t.Context(), b.session, changes, apply.Options{Before: s, Plan: b.plan.Name}); r.Err != nil {
		b.t.Fatal(r.Err)
	}
}

func (b bench) ledger() trusted.Ledger {
	b.t.Helper()
	l, err := trusted.Read(b.t.Context(), b.session)
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

// knock plays some stages of the first door from an address, and then a packet to Winbox.
func (b bench) knock(source string, stages ...plans.Stage) firewall.Verdict {
	probes := traffic.NewProbes(b.router.Snapshot(), routeros.IPv4)
	probes.Source = netip.MustParseAddr(source)
	for _, s := range stages {
		b.router.Packet(probes.Stage("ether1", s))
	}
	return b.router.Packet(probes.New("ether1", "tcp", 8291)).Verdict
}

func addresses(l trusted.Ledger) []string {
	var out []string
	for _, e := range l.Entries {
		out = append(out, e.Address+" "+string(e.Kind)+" "+routeros.FormatDuration(e.ExpiresIn))
	}
	slices.Sort(out)
	return out
}

func TestLedger(t *testing.T) {
	b := newBench(t, "seed.yaml")
	l := b.ledger()
	if len(l.Doors) != 1 || l.Doors[0].List != "trusted" || !slices.Equal(slices.Sorted(slices.Values(l.Doors[0].Stages)), []string{"port_knock_1", "port_knock_2"}) {
		t.Fatalf("doors: %+v", l.Doors)
	}
	if b.knock("203.0.113.9", b.plan.Doors[0].Knock...) != firewall.Accept {
		t.Fatal("the knock did not open")
	}
	*b.now = b.now.Add(time.Hour)
	door, err := b.ledger().Choose("admin", routeros.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	for address, lasting := range map[string]time.Duration{"198.51.100.7": 0, "198.51.100.64": 2 * time.Hour} {
		r, _ := routeros.ParseAddressRange(address)
		if existed, err := trusted.Add(t.Context(), b.session, door, r, lasting, "by hand"); err != nil || existed {
			t.Fatalf("%s: %v, %v", address, existed, err)
		}
	}
	want := []string{"198.51.100.64 timed 2h", "198.51.100.7 static 0s", "203.0.113.9 knocked 6d23h"}
	if got := addresses(b.ledger()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAdd(t *testing.T) {
	b := newBench(t, "seed.yaml")
	door, err := b.ledger().Choose("", routeros.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := routeros.ParseAddressRange("203.0.113.9")
	add := func(lasting time.Duration, comment string) (bool, error) {
		return trusted.Add(t.Context(), b.session, door, host, lasting, comment)
	}
	if existed, err := add(time.Hour, ""); err != nil || existed {
		t.Fatal(existed, err)
	}
	if existed, err := add(3*time.Hour, ""); err != nil || !existed {
		t.Fatal(existed, err)
	}
	if got := addresses(b.ledger()); !slices.Equal(got, []string{"203.0.113.9 knocked 3h"}) {
		t.Errorf("renewed: %q", got)
	}
	if _, err := add(0, ""); err == nil || !strings.Contains(err.Error(), "revoke it first") {
		t.Errorf("made permanent: %v", err)
	}
	if _, err := add(time.Hour, "x [rosknock seed/admin/open]"); err == nil {
		t.Error("a comment that looks like a mark was taken")
	}
	if _, err := add(routeros.MaxListTimeout+time.Second, ""); err == nil {
		t.Error("a time that the router refuses was sent")
	}
}

func TestChoose(t *testing.T) {
	l := trusted.Ledger{Doors: []trusted.Door{
		{Family: routeros.IPv4, Plan: "a", Name: "x", List: "ax"},
		{Family: routeros.IPv4, Plan: "b", Name: "x", List: "bx"},
		{Family: routeros.IPv6, Plan: "b", Name: "y", List: "by"},
	}}
	for name, want := range map[string]string{"a/x": "ax", "b/x": "bx"} {
		if d, err := l.Choose(name, routeros.IPv4); err != nil || d.List != want {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	for _, name := range []string{"", "x", "y", "c/x"} {
		if _, err := l.Choose(name, routeros.IPv4); err == nil {
			t.Errorf("%q was taken for one door", name)
		}
	}
	if d, err := l.Choose("", routeros.IPv6); err != nil || d.List != "by" {
		t.Errorf("the only door for IPv6: %+v, %v", d, err)
	}
	if _, err := (trusted.Ledger{}).Choose("", routeros.IPv4); err == nil || !strings.Contains(err.Error(), "apply a plan") {
		t.Errorf("no door: %v", err)
	}
}

// TestRevoke: who is revoked is off every list, those of the stages too, and shut out; others stay.
func TestRevoke(t *testing.T) {
	b := newBench(t, "seed.yaml")
	knock := b.plan.Doors[0].Knock
	b.knock("203.0.113.9", knock...)
	b.knock("203.0.113.10", knock...)
	done, err := trusted.Revoke(t.Context(), b.session, b.ledger(), rangeOf("203.0.113.9"), false)
	if err != nil || done.Entries != 3 || done.Connections == 0 || len(done.Left) > 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if b.knock("203.0.113.9", knock[2]) != firewall.Drop {
		t.Error("one more knock brought the address back")
	}
	if b.knock("203.0.113.10") != firewall.Accept {
		t.Error("somebody else was shut out")
	}
	again, err := trusted.Revoke(t.Context(), b.session, b.ledger(), rangeOf("203.0.113.9"), false)
	if err != nil || again.Entries != 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
}

// seedWith is seed.yaml with a list of networks.
func seedWith(t *testing.T) []byte {
	t.Helper()
	text, err := fixtures.Plan("seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(text, []byte("for: 7d}"), []byte("for: 7d, networks: guests}"), 1)
}

// TestAddNetwork: a network goes into the door's list of networks. A knock from inside does not
// extend it, and is an entry of its own.
func TestAddNetwork(t *testing.T) {
	b := newBenchOf(t, seedWith(t))
	door, err := b.ledger().Choose("", routeros.IPv4)
	if err != nil || door.Networks != "guests" {
		t.Fatalf("%+v, %v", door, err)
	}
	if existed, err := trusted.Add(t.Context(), b.session, door, rangeOf("203.0.113.0/28"), 2*time.Hour, "by hand"); err != nil || existed {
		t.Fatal(existed, err)
	}
	if b.knock("203.0.113.9") != firewall.Accept || b.knock("203.0.113.16") != firewall.Drop {
		t.Error("the network, and nothing else, is let in")
	}
	b.knock("203.0.113.9", b.plan.Doors[0].Knock...)
	if got, want := addresses(b.ledger()), []string{"203.0.113.0/28 timed 2h", "203.0.113.9 knocked 1w"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, e := range b.ledger().Entries {
		if want := map[bool]string{true: "guests", false: "trusted"}[e.Kind == trusted.Timed]; e.In != want {
			t.Errorf("%s is in %s", e.Address, e.In)
		}
	}
	*b.now = b.now.Add(2*time.Hour + time.Second)
	if b.knock("203.0.113.9") != firewall.Accept || b.knock("203.0.113.10") != firewall.Drop {
		t.Error("after the network's time, only those who knocked are let in")
	}
}

// TestAddNetworkNowhere: a door without a list of networks takes none, however small it is.
func TestAddNetworkNowhere(t *testing.T) {
	b := newBench(t, "seed.yaml")
	door, _ := b.ledger().Choose("", routeros.IPv4)
	for _, network := range []string{"203.0.113.0/28", "203.0.113.8/31", "203.0.113.8-203.0.113.10"} {
		_, err := trusted.Add(t.Context(), b.session, door, rangeOf(network), time.Hour, "")
		if _, refused := errors.AsType[*trusted.NoNetworksError](err); !refused {
			t.Errorf("%s: %v", network, err)
		}
	}
	if got := addresses(b.ledger()); len(got) > 0 {
		t.Errorf("refused, and yet listed: %q", got)
	}
	if _, err := trusted.Add(t.Context(), b.session, door, rangeOf("203.0.113.9/32"), time.Hour, ""); err != nil {
		t.Errorf("one address as a prefix: %v", err)
	}
}

// TestRevokeUnderANetwork: who is revoked inside a trusted network stays trusted by it, and this is
// said. The network itself is revoked with everybody in it.
func TestRevokeUnderANetwork(t *testing.T) {
	b := newBenchOf(t, seedWith(t))
	door, _ := b.ledger().Choose("", routeros.IPv4)
	if _, err := trusted.Add(t.Context(), b.session, door, rangeOf("203.0.113.0/28"), time.Hour, ""); err != nil {
		t.Fatal(err)
	}
	b.knock("203.0.113.9", b.plan.Doors[0].Knock...)
	b.knock("203.0.113.77", b.plan.Doors[0].Knock...)
	done, err := trusted.Revoke(t.Context(), b.session, b.ledger(), rangeOf("203.0.113.9"), false)
	if err != nil || len(done.Left) != 1 || !strings.Contains(done.Left[0], "203.0.113.0/28 of the list guests") || !strings.Contains(done.Left[0], "still lets it in") {
		t.Errorf("%+v, %v", done, err)
	}
	b.knock("203.0.113.9", b.plan.Doors[0].Knock...)
	done, err = trusted.Revoke(t.Context(), b.session, b.ledger(), rangeOf("203.0.113.0/28"), false)
	if err != nil || len(done.Left) > 0 || done.Entries != 4 {
		t.Errorf("%+v, %v", done, err)
	}
	if b.knock("203.0.113.9") != firewall.Drop || b.knock("203.0.113.77") != firewall.Accept {
		t.Error("the network, and nobody else, is shut out")
	}
	l := b.ledger()
	l.Own = []netip.Addr{netip.MustParseAddr("203.0.113.3")}
	if _, err = trusted.Revoke(t.Context(), b.session, l, rangeOf("203.0.113.0/28"), false); err == nil {
		t.Error("the session's own network was revoked")
	}
}

func rangeOf(text string) routeros.AddressRange {
	r, err := routeros.ParseAddressRange(text)
	if err != nil {
		panic(err)
	}
	return r
}

func TestRevokeOwn(t *testing.T) {
	b := newBench(t, "seed.yaml")
	l := b.ledger()
	l.Own = []netip.Addr{netip.MustParseAddr("203.0.113.9")}
	b.knock("203.0.113.9", b.plan.Doors[0].Knock...)
	_, err := trusted.Revoke(t.Context(), b.session, l, rangeOf("203.0.113.9"), false)
	if _, own := errors.AsType[*trusted.OwnAddressError](err); !own {
		t.Fatalf("%v", err)
	}
	if len(b.ledger().Entries) != 1 {
		t.Error("refused, and yet something is gone")
	}
	if done, err := trusted.Revoke(t.Context(), b.session, l, rangeOf("203.0.113.9"), true); err != nil || done.Entries != 3 {
		t.Errorf("told to: %+v, %v", done, err)
	}
}

// TestRevokeFromQuarantine: a door that quarantines is a door with its stages; revoking takes an
// address out of the quarantine last, and leaves nothing that a single knock could make use of.
func TestRevokeFromQuarantine(t *testing.T) {
	b := newBench(t, "quarantine.yaml")
	knock, decoy := b.plan.Doors[0].Knock, b.plan.Doors[0].Decoys[0]
	for _, d := range b.ledger().Doors {
		if d.List != "trusted" || len(d.Stages) != 3 || d.Quarantine != "rosknock-branch-admin-quarantine" {
			t.Fatalf("%+v", d)
		}
	}
	if b.knock("203.0.113.9", slices.Concat(knock[:3], []plans.Stage{decoy, knock[3]})...) == firewall.Accept {
		t.Fatal("the door opened from quarantine")
	}
	done, err := trusted.Revoke(t.Context(), b.session, b.ledger(), rangeOf("203.0.113.9"), false)
	if err != nil || done.Entries != 4 || len(done.Left) > 0 {
		t.Fatalf("%v, %+v", err, done)
	}
	if b.knock("203.0.113.9", knock[3]) == firewall.Accept {
		t.Error("one knock opens after the revocation")
	}
	if _, err := trusted.Revoke(t.Context(), b.session, b.ledger(), rangeOf("203.0.113.9"), false); err != nil {
		t.Fatal(err)
	}
	if b.knock("203.0.113.9", knock...) != firewall.Accept {
		t.Error("the whole knock does not open after the revocation")
	}
}
