package trusted_test

import (
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

func (b *bench) carry(name string) {
	b.t.Helper()
	text, err := fixtures.Plan(name)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.plan, err = plans.Read(name, text); err != nil {
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
	for address, lasting := range map[string]time.Duration{"198.51.100.7": 0, "198.51.100.64/26": 2 * time.Hour} {
		r, _ := routeros.ParseAddressRange(address)
		if existed, err := trusted.Add(t.Context(), b.session, door, r, lasting, "by hand"); err != nil || existed {
			t.Fatalf("%s: %v, %v", address, existed, err)
		}
	}
	want := []string{"198.51.100.64/26 timed 2h", "198.51.100.7 static 0s", "203.0.113.9 knocked 6d23h"}
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
	done, err := trusted.Revoke(t.Context(), b.session, b.ledger(), netip.MustParseAddr("203.0.113.9"), false)
	if err != nil || done.Entries != 3 || done.Connections == 0 || len(done.Left) > 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if b.knock("203.0.113.9", knock[2]) != firewall.Drop {
		t.Error("one more knock brought the address back")
	}
	if b.knock("203.0.113.10") != firewall.Accept {
		t.Error("somebody else was shut out")
	}
	again, err := trusted.Revoke(t.Context(), b.session, b.ledger(), netip.MustParseAddr("203.0.113.9"), false)
	if err != nil || again.Entries != 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
}

func TestRevokeUnderAPrefix(t *testing.T) {
	b := newBench(t, "seed.yaml")
	door, _ := b.ledger().Choose("", routeros.IPv4)
	r, _ := routeros.ParseAddressRange("203.0.113.0/28")
	if _, err := trusted.Add(t.Context(), b.session, door, r, time.Hour, ""); err != nil {
		t.Fatal(err)
	}
	done, err := trusted.Revoke(t.Context(), b.session, b.ledger(), netip.MustParseAddr("203.0.113.9"), false)
	if err != nil || len(done.Left) != 1 || !strings.Contains(done.Left[0], "203.0.113.0/28") {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestRevokeOwn(t *testing.T) {
	b := newBench(t, "seed.yaml")
	l := b.ledger()
	l.Own = []netip.Addr{netip.MustParseAddr("203.0.113.9")}
	b.knock("203.0.113.9", b.plan.Doors[0].Knock...)
	_, err := trusted.Revoke(t.Context(), b.session, l, l.Own[0], false)
	if _, own := errors.AsType[*trusted.OwnAddressError](err); !own {
		t.Fatalf("%v", err)
	}
	if len(b.ledger().Entries) != 1 {
		t.Error("refused, and yet something is gone")
	}
	if done, err := trusted.Revoke(t.Context(), b.session, l, l.Own[0], true); err != nil || done.Entries != 3 {
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
	done, err := trusted.Revoke(t.Context(), b.session, b.ledger(), netip.MustParseAddr("203.0.113.9"), false)
	if err != nil || done.Entries != 4 || len(done.Left) > 0 {
		t.Fatalf("%v, %+v", err, done)
	}
	if b.knock("203.0.113.9", knock[3]) == firewall.Accept {
		t.Error("one knock opens after the revocation")
	}
	if _, err := trusted.Revoke(t.Context(), b.session, b.ledger(), netip.MustParseAddr("203.0.113.9"), false); err != nil {
		t.Fatal(err)
	}
	if b.knock("203.0.113.9", knock...) != firewall.Accept {
		t.Error("the whole knock does not open after the revocation")
	}
}
