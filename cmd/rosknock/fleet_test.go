package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
)

// branches is a fleet of simulated routers that are reached without a network, and the folder with
// its files.
type branches struct {
	t           testing.TB
	dir         string
	certificate tls.Certificate
	routers     map[string]*branchRouter // by host:port
	order       []*branchRouter
	out, err    bytes.Buffer
	ctx         context.Context // of the command
	serving     context.Context // of the routers
}

// branchRouter is one of them, with what is wrong with it.
type branchRouter struct {
	*sim.Router
	name, address, version string

	mu     sync.Mutex
	onJump func()          // called when the switch to our chain is added
	hold   <-chan struct{} // until it is closed nobody gets in
	ill    string          // what is wrong
	dialed int
	before string // digest
}

// ills are the ways in which a router of the fleet fails, with the outcome that each has.
func ills() []struct{ name, outcome, text string } {
	return []struct{ name, outcome, text string }{
		{"unreachable", "failed", "connection refused"},
		{"wrong password", "failed", "login as"},
		{"stalled", "failed", "no answer in time"},
		{"trap in the middle", "reverted", "not today"},
		{"changed pin", "failed", "a man in the middle may intercept"},
		{"not enough policy", "refused", "not enough permissions"},
	}
}

const branchPlan = `version: 1
name: branch
doors:
  admin:
    knock: [tcp/41873, udp/17259, tcp/52614]
    trusted: {list: trusted, for: 1h}
    opens: [ssh, winbox]
allow: {addresses: ["${office}"]}
gate: {services: [ssh, winbox, api, api-ssl]}
services: {disable: [telnet]}
`

// newBranches makes a fleet. Every tenth router is ill, unless well.
func newBranches(t testing.TB, n int, well bool) *branches {
	t.Helper()
	b := &branches{t: t, dir: t.TempDir(), routers: map[string]*branchRouter{}, ctx: t.Context(), serving: t.Context()}
	var err error
	if b.certificate, err = selfSigned(); err != nil {
		t.Fatal(err)
	}
	var inventory, pins strings.Builder
	inventory.WriteString("version: 1\ndefaults: {user: provision, plans: [branch.yaml]}\ngroups:\n  north: {vars: {office: 198.51.100.7}}\n  south: {vars: {office: 198.51.100.0/28}}\nrouters:\n")
	for i := range n {
		r := b.add(i)
		if i%10 == 3 && !well {
			r.ill = ills()[i/10%len(ills())].name
		}
		group := []string{"north", "south"}[i%2]
		fmt.Fprintf(&inventory, "  %s: {address: \"%s\", groups: [%s]}\n", r.name, r.address, group)
		pin := api.Pin(b.certificate.Leaf)
		if r.ill == "changed pin" {
			pin = "sha256:" + strings.Repeat("ab", 32)
		}
		fmt.Fprintf(&pins, "%s %s\n", r.address, pin)
	}
	b.write("fleet.yaml", inventory.String())
	b.write("branch.yaml", branchPlan)
	b.write("state/known_routers", pins.String())
	return b
}

func (b *branches) write(name, text string) {
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *branches) add(i int) *branchRouter {
	versions := []string{"6.49", "7.9", "7.14", "7.18", "7.20", "7.24"}
	v, err := routeros.ParseVersion(versions[i%len(versions)])
	if err != nil {
		b.t.Fatal(err)
	}
	r := &branchRouter{name: fmt.Sprintf("r%04d", i), address: fmt.Sprintf("10.%d.%d.1:8729", i/250, i%250), version: v.String()}
	r.Router = sim.New(sim.Options{Version: v, Identity: r.name, IPv6Package: true, Users: []sim.User{{Name: "provision", Password: "planted-password"}, {Name: "reader", Group: "read"}}, Fault: r.fault})
	text, err := fixtures.Router("no-drop.rsc")
	if err != nil {
		b.t.Fatal(err)
	}
	snapshot, _ := rsc.Read(text).Snapshot(rsc.Options{Version: v})
	if err := r.Load(fitting(snapshot, v)); err != nil {
		b.t.Fatal(err)
	}
	r.before = r.Snapshot().Digest()
	b.routers[r.address] = r
	b.order = append(b.order, r)
	return r
}

// fault is what fails on the wire.
func (r *branchRouter) fault(q sim.Request) sim.Action {
	if r.hold != nil && q.Words[0] == "/login" {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.onJump != nil && slices.Contains(q.Words, "=action=jump") {
		r.onJump()
	}
	switch {
	case r.ill == "stalled" && strings.HasSuffix(q.Words[0], "/print"):
		return sim.Action{Kind: sim.StallBefore}
	case r.ill == "wrong password" && q.Words[0] == "/login":
		return sim.Action{Kind: sim.Trap, Message: "invalid user name or password (6)"}
	case r.ill == "not enough policy" && strings.HasSuffix(q.Words[0], "/add"), r.ill == "not enough policy" && strings.HasSuffix(q.Words[0], "/take"):
		return sim.Action{Kind: sim.Trap, Message: "not enough permissions (9)"}
	case r.ill == "trap in the middle" && slices.Contains(q.Words, "=chain=input") && strings.HasSuffix(q.Words[0], "/filter/add"):
		return sim.Action{Kind: sim.Trap, Message: "failure: not today"}
	case r.ill == "locked" && slices.Contains(q.Words, "=action=jump"):
		r.ill = "shut"
	}
	return sim.Action{}
}

// at is a connection that comes from an address.
type at struct {
	net.Conn
	from net.Addr
}

// RemoteAddr implements net.Conn.
func (c at) RemoteAddr() net.Addr { return c.from }

// local is one that goes out from there.
type local struct{ at }

// LocalAddr implements net.Conn.
func (c local) LocalAddr() net.Addr { return c.from }

func (b *branches) dial(_ context.Context, _, address string) (net.Conn, error) {
	r := b.routers[address]
	if r == nil {
		return nil, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
	}
	r.mu.Lock()
	r.dialed++
	ill := r.ill
	r.mu.Unlock()
	if ill == "unreachable" || ill == "shut" {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	office := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("198.51.100.7:40000"))
	secure := tls.Server(at{server, office}, &tls.Config{Certificates: []tls.Certificate{b.certificate}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12})
	go func() {
		r.ServeConn(b.serving, at{secure, office})
		server.Close()
	}()
	return local{at{client, office}}, nil
}

// rosknock runs a command line on the fleet and returns its exit code.
func (b *branches) rosknock(args ...string) int {
	b.t.Helper()
	b.out.Reset()
	b.err.Reset()
	e := env{streams: streams{out: &b.out, err: &b.err, width: 100}, now: time.Now, dial: b.dial, getenv: func(name string) string {
		return map[string]string{"ROSKNOCK_PASSWORD": "planted-password"}[name]
	}}
	args = append(args, "-i", filepath.Join(b.dir, "fleet.yaml"), "--state-dir", filepath.Join(b.dir, "state"))
	code := run(b.ctx, e, args)
	b.noSecrets()
	return code
}

// noSecrets: neither the password nor the knock are in anything that was said. Digits within a
// digest are nobody's port.
func (b *branches) noSecrets() {
	b.t.Helper()
	for _, secret := range []string{"planted-password", "41873", "17259", "52614"} {
		tells := regexp.MustCompile(`(^|[^0-9a-f])` + secret + `([^0-9a-f]|$)`)
		if tells.MatchString(b.out.String()) || tells.MatchString(b.err.String()) {
			b.t.Errorf("the output tells %s", secret)
		}
		for _, name := range []string{"journal.ndjson", "known_routers"} {
			if text, err := os.ReadFile(filepath.Join(b.dir, "state", name)); err == nil && tells.Match(text) {
				b.t.Errorf("%s tells %s", name, secret)
			}
		}
	}
}

type routerJSON struct {
	Name, Outcome, Error, Version string
	Changed                       bool
	Notes                         []string
}

func (b *branches) results() []routerJSON {
	b.t.Helper()
	var out struct {
		Format  string
		Routers []routerJSON
	}
	if err := json.Unmarshal(b.out.Bytes(), &out); err != nil {
		b.t.Fatalf("%v in %s\n%s", err, b.out.String(), b.err.String())
	}
	return out.Routers
}

// TestFleet provisions 300 routers of six versions, a tenth of which fail in six ways; then what
// failed is mended, and the run resumed.
func TestFleet(t *testing.T) {
	b := newBranches(t, 300, false)
	if code := b.rosknock("apply", "--yes", "-o", "json", "--timeout", "6s", "--retries", "0"); code != int(exitSome) {
		t.Fatalf("exit code %d\n%s", code, b.err.String())
	}
	results := b.results()
	for i, r := range b.order {
		checkOutcome(t, r, results[i])
	}
	again := b.order
	dialed := map[string]int{}
	for _, r := range again {
		r.mu.Lock()
		r.ill = ""
		dialed[r.name] = r.dialed
		r.mu.Unlock()
	}
	pins := ""
	for _, r := range b.order {
		pins += r.address + " " + api.Pin(b.certificate.Leaf) + "\n"
	}
	b.write("state/known_routers", pins)
	if code := b.rosknock("apply", "--yes", "-o", "json", "--resume", "last"); code != 0 {
		t.Fatalf("resumed: exit code %d\n%s\n%s", code, b.err.String(), b.out.String())
	}
	for i, got := range b.results() {
		r := b.order[i]
		switch {
		case i%10 != 3 && (got.Outcome != "skipped" || r.dialed != dialed[r.name]+1 || len(got.Notes) == 0): // it was read again
			t.Errorf("%s was done before: %+v, %d dials", r.name, got, r.dialed-dialed[r.name])
		case i%10 == 3 && got.Outcome != "changed":
			t.Errorf("%s was left: %+v", r.name, got)
		}
	}
	if code := b.rosknock("diff", "--exit-code", "-o", "json"); code != 0 {
		t.Errorf("at the end: exit code %d", code)
	}
}

// checkOutcome: each router says exactly what became of it, and one that failed is as it was.
func checkOutcome(t *testing.T, r *branchRouter, got routerJSON) {
	t.Helper()
	if got.Name != r.name {
		t.Errorf("%s stands in the place of %s", got.Name, r.name)
	}
	if r.ill == "" {
		if got.Outcome != "changed" || got.Error != "" || got.Version != r.version {
			t.Errorf("%s (%s): %+v", r.name, r.version, got)
		}
		return
	}
	for _, ill := range ills() {
		if ill.name == r.ill && (got.Outcome != ill.outcome || !strings.Contains(got.Error, ill.text)) {
			t.Errorf("%s %s (%s): %+v, want %s", r.name, r.ill, r.version, got, ill.outcome)
		}
	}
	if r.Snapshot().Digest() != r.before {
		t.Errorf("%s %s: something is left of the change", r.name, r.ill)
	}
}

// TestFleetStops: --max-fail and waves stop where they should, and a lockout stops everything.
func TestFleetStops(t *testing.T) {
	begun := func(b *branches) (n int) {
		for _, r := range b.results() {
			if r.Outcome != "skipped" {
				n++
			} else if !strings.Contains(r.Error, "not begun") {
				t.Errorf("%+v", r)
			}
		}
		return n
	}
	tests := []struct {
		name  string
		ill   map[int]string
		args  []string
		begun int
		said  string
	}{
		{"the third failure is one too many", map[int]string{2: "unreachable", 4: "unreachable", 7: "unreachable"}, []string{"--max-fail", "2", "--forks", "1"}, 8, "--max-fail"},
		{"a tenth may fail", map[int]string{0: "unreachable", 1: "unreachable", 2: "unreachable"}, []string{"--max-fail", "10%", "--forks", "1"}, 3, "--max-fail"},
		{"the canary fails", map[int]string{0: "unreachable"}, []string{"--waves", "1,10%,100%"}, 1, "wave"},
		{"one of the second wave fails", map[int]string{2: "unreachable"}, []string{"--waves", "1,10%,100%", "--max-fail", "0", "--forks", "2"}, 3, "--max-fail"},
		{"one of many fails", map[int]string{2: "unreachable"}, []string{"--waves", "1,10%,100%"}, 20, ""},
		{"a lockout", map[int]string{2: "locked"}, []string{"--forks", "1"}, 3, "can't be reached any more"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBranches(t, 20, true)
			for i, ill := range test.ill {
				b.order[i].ill = ill
			}
			code := b.rosknock(append([]string{"apply", "--yes", "-o", "json", "--retries", "0"}, test.args...)...)
			if got := begun(b); code != int(exitSome) || got != test.begun {
				t.Errorf("exit code %d, %d begun, want %d\n%s", code, got, test.begun, b.err.String())
			}
			if test.said != "" && !strings.Contains(b.err.String(), "nothing more is begun") || !strings.Contains(b.err.String(), test.said) {
				t.Errorf("want %q in\n%s", test.said, b.err.String())
			}
		})
	}
}

// TestFleetInterrupted: Ctrl-C begins nothing more, and rolls back what is under way or lets it
// end; nothing is half done.
func TestFleetInterrupted(t *testing.T) {
	b := newBranches(t, 60, true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.ctx = ctx
	b.serving = t.Context()
	b.order[9].onJump = cancel
	if code := b.rosknock("apply", "--yes", "-o", "json", "--forks", "6"); code != int(exitInterrupted) {
		t.Errorf("exit code %d\n%s", code, b.err.String())
	}
	counts := map[string]int{}
	for i, got := range b.results() {
		counts[got.Outcome]++
		r := b.order[i]
		same := r.Snapshot().Digest() == r.before
		if changed := got.Outcome == "changed"; same == changed {
			t.Errorf("%s: %+v, and as before: %t", r.name, got, same)
		}
		if len(r.Snapshot().Entries) > 0 && got.Outcome != "changed" && !same {
			t.Errorf("%s is half done", r.name)
		}
	}
	if counts["reverted"]+counts["refused"] == 0 || counts["skipped"] < 40 || counts["unknown"]+counts["failed"] > 5 {
		t.Errorf("outcomes %v\n%s", counts, b.err.String())
	}
	b.ctx = t.Context()
	b.order[9].onJump = nil
	if code := b.rosknock("apply", "--yes", "-o", "json", "--resume", "last"); code != 0 {
		t.Errorf("resumed: exit code %d\n%s", code, b.err.String())
	}
}
