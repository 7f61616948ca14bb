package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// site is a simulated router on loopback, with a clock that can be set forward.
type site struct {
	t       *testing.T
	router  *sim.Router
	ahead   atomic.Int64
	before  atomic.Pointer[func(words []string)] // what happens on the router right before a command
	address string
	dir     string
	out     bytes.Buffer
}

func newSite(t *testing.T, version string, rtt time.Duration) *site {
	t.Helper()
	v, err := routeros.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: t.TempDir()}
	s.router = sim.New(sim.Options{
		Version: v, Users: []sim.User{{Name: "admin", Password: "secret"}}, RTT: rtt, Arrival: "bridge1",
		Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
		Fault: func(r sim.Request) sim.Action {
			if happens := s.before.Load(); happens != nil {
				(*happens)(r.Words)
			}
			return sim.Action{}
		},
	})
	text, err := fixtures.Router("no-drop.rsc")
	if err != nil {
		t.Fatal(err)
	}
	snapshot, _ := rsc.Read(text).Snapshot(rsc.Options{Version: v})
	if err := s.router.Load(snapshot); err != nil {
		t.Fatal(err)
	}
	s.address = simtest.Listen(t, s.router, nil)
	for name, knock := range map[string]string{"first.yaml": "tcp/41873, udp/17259, tcp/52614", "second.yaml": "udp/44021, tcp/13377, udp/17260, tcp/23456"} {
		plan := "version: 1\nname: m\ndoors:\n  a:\n    knock: [" + knock + "]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\n" +
			"allow: {addresses: [127.0.0.1]}\ngate: {services: [ssh, winbox, api]}\nservices: {disable: [telnet]}\nfirewall: {families: [ipv4]}\n"
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(plan), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) args(args ...string) []string {
	for i, a := range args {
		if strings.HasSuffix(a, ".yaml") {
			args[i] = filepath.Join(s.dir, a)
		}
	}
	if !slices.Contains(args, "--state-dir") {
		args = append(args, "--state-dir", filepath.Join(s.dir, "state"))
	}
	return append(args, "-r", s.address, "--transport", "api")
}

// rosknock runs a command line in this process and returns its exit code.
func (s *site) rosknock(args ...string) int {
	s.out.Reset()
	e := env{streams: streams{out: &s.out, err: &s.out, width: 80}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string {
		return map[string]string{"ROSKNOCK_PASSWORD": "secret"}[name]
	}}
	return run(s.t.Context(), e, s.args(args...))
}

// killed runs a command line as a program of its own and kills it after a time; it says whether it
// was killed before it ended.
func (s *site) killed(after time.Duration, args ...string) bool {
	c := exec.CommandContext(s.t.Context(), "rosknock", s.args(args...)...)
	c.Env = append(os.Environ(), "ROSKNOCK_PASSWORD=secret")
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = c.Process.Kill() }) // it may have ended already
	err := c.Wait()
	return !timer.Stop() && err != nil
}

// rules is what packets meet of the plan on the router, and everybody else's rules. Of a run that
// is killed while it removes what nothing uses any more, rows may be left that no packet meets.
func (s *site) rules() (own, foreign string) {
	snapshot := s.router.Snapshot()
	ours := change.Met(snapshot, "m")
	var theirs []string
	for _, r := range snapshot.Rules[routeros.Filter] {
		if mark, ok := r.Mark(); !ok || mark.Plan != "m" {
			theirs = append(theirs, r.ID+" "+r.Attrs.String())
		}
	}
	slices.Sort(ours) // a chain that comes back may stand elsewhere in the table
	telnet, _ := snapshot.Service("telnet")
	return strings.Join(append(ours, fmt.Sprint(telnet.Disabled)), "\n"), strings.Join(theirs, "\n")
}

// reach says whether a stranger and the operator get to winbox and the API.
func (s *site) reach() (stranger, operator bool) {
	at := s.router.Snapshot()
	world, lists := firewall.NewFirewall(at), firewall.NewAddressLists(at, at.Clock)
	probes := traffic.NewProbes(at, routeros.IPv4)
	probes.Source = netip.MustParseAddr("93.184.215.14")
	stranger = world.Input(probes.New("ether1", "tcp", 8291), lists, at.Clock).Verdict == firewall.Accept
	probes.Source = netip.MustParseAddr("127.0.0.1")
	return stranger, world.Input(probes.New("bridge1", "tcp", 8728), lists, at.Clock).Verdict == firewall.Accept
}

// TestKilled: rosknock is killed at random moments of installing and of changing a plan. The router
// is never without its gate and never without its operator, comes back by itself or by undo, and
// one more run converges. With ROSKNOCK_MATRIX it is 200 times.
func TestKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("programs are killed in another way there")
	}
	times := 30
	if os.Getenv("ROSKNOCK_MATRIX") != "" {
		times = 200
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	counts := map[string]int{}
	whole := map[string]time.Duration{} // how long a run takes
	for i := range times {
		version := []string{"7.14", "7.20"}[i%2]
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s := newSite(t, version, 2*time.Millisecond)
			if i/2%2 == 1 {
				if code := s.rosknock("apply", "first.yaml", "--yes"); code != 0 {
					t.Fatal(code, s.out.String())
				}
			}
			if whole[version] == 0 {
				other := newSite(t, version, 2*time.Millisecond)
				start := time.Now()
				other.killed(time.Minute, "apply", "second.yaml", "--yes")
				whole[version] = time.Since(start)
			}
			before, foreign := s.rules()
			open, _ := s.reach()
			watch := func(when string) {
				if stranger, operator := s.reach(); stranger && !open || !operator {
					t.Errorf("%s: a stranger gets in: %t, the operator: %t", when, stranger, operator)
				}
			}
			if !s.killed(time.Duration(random.Int64N(int64(whole[version]))), "apply", "second.yaml", "--yes") {
				counts["not killed"]++
			}
			watch("killed")
			back := random.IntN(2) == 0 && s.begun() == 1+i/2%2
			if back {
				eventually(func() bool {
					code := s.rosknock("undo", "--yes")
					return code == 0 || strings.Contains(s.out.String(), "knows of no change")
				})
				counts["undone"]++
			}
			watch("undone")
			// The connection of a program that was killed ends, and the router sees that a moment
			// later.
			eventually(func() bool { return len(s.router.Snapshot().Active) == 0 })
			s.ahead.Add(int64(6 * time.Minute))
			is, _ := s.rules()
			watch("later")
			if code := s.rosknock("apply", "second.yaml", "--yes"); code != 0 {
				t.Errorf("one more run: %d, %s", code, s.out.String())
			}
			after, still := s.rules()
			if is != before && (is != after || back) {
				t.Errorf("neither the old nor the new rules:\n%s", is)
			}
			if still != foreign {
				t.Errorf("foreign rules:\n%s\nwere\n%s", still, foreign)
			}
			if code := s.rosknock("apply", "second.yaml", "--yes", "--protect", "dead-man"); code != 0 || !strings.Contains(s.out.String(), "unchanged") {
				t.Errorf("nothing left to do, and yet: %d, %s", code, s.out.String())
			}
			if code := s.rosknock("journal", "--verify"); code != 0 {
				t.Errorf("the journal: %s", s.out.String())
			}
			if err := s.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man")); err != nil {
				t.Errorf("a dead-man is left: %v", err)
			}
		})
	}
	t.Logf("killed %d times: %v", times, counts)
}

// begun counts the changes that the journal knows of.
func (s *site) begun() int {
	dir, err := state.Open(filepath.Join(s.dir, "state"))
	if err != nil {
		s.t.Fatal(err)
	}
	records, err := dir.Journal()
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, r := range records {
		if r.Event == state.Begin {
			n++
		}
	}
	return n
}

// eventually tries something for half a minute, since a program may take long to start.
func eventually(try func() bool) {
	for range 6000 {
		if try() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestTwoMachines: a run from another machine, which knows nothing of this one's lock, is told by
// the router who is at work, and changes nothing.
func TestTwoMachines(t *testing.T) {
	for version, want := range map[string]string{"7.14": "is at work since", "7.20": "safe mode is held by user admin over api"} {
		s := newSite(t, version, 80*time.Millisecond) // so that the second begins before the first ends
		first := s.args("apply", "first.yaml", "--yes")
		c := exec.CommandContext(t.Context(), "rosknock", append(first, "--undo-after", "10m")...)
		c.Env = append(os.Environ(), "ROSKNOCK_PASSWORD=secret")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		code, own := 0, ""
		eventually(func() bool {
			if own, _ = s.rules(); own == "false" { // until the first of its steps is seen
				return false
			}
			code = s.rosknock("apply", "second.yaml", "--yes", "--state-dir", t.TempDir())
			return true
		})
		said := strings.Join(strings.Fields(s.out.String()), " ")
		if err := c.Wait(); err != nil {
			t.Errorf("%s: the first run: %v", version, err)
		}
		if code != int(exitRefused) || !strings.Contains(said, want) {
			t.Errorf("%s: the second run: %d, %s", version, code, said)
		}
	}
}

// TestInterrupted: Ctrl-C in the middle rolls back what was done, says so, and ends with 130; a
// second run does it all.
func TestInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no such signal there")
	}
	for _, version := range []string{"7.14", "7.20"} {
		s := newSite(t, version, 20*time.Millisecond)
		before, _ := s.rules()
		var out bytes.Buffer
		c := exec.CommandContext(t.Context(), "rosknock", s.args("apply", "first.yaml", "--yes")...)
		c.Env, c.Stdout = append(os.Environ(), "ROSKNOCK_PASSWORD=secret"), &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(func() bool { own, _ := s.rules(); return own != before })
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		err := c.Wait()
		own, _ := s.rules()
		if c.ProcessState.ExitCode() != int(exitInterrupted) || !strings.Contains(out.String(), "reverted") || own != before {
			t.Errorf("%s: %v, %s\n%s", version, err, out.String(), own)
		}
		if code := s.rosknock("journal"); code != 0 || !strings.Contains(s.out.String(), "reverted") {
			t.Errorf("%s: %d, %s", version, code, s.out.String())
		}
		if code := s.rosknock("undo", "--yes"); code != int(exitRefused) {
			t.Errorf("%s: there is nothing to undo, and yet: %d, %s", version, code, s.out.String())
		}
		if code := s.rosknock("apply", "first.yaml", "--yes"); code != 0 {
			t.Errorf("%s: %d, %s", version, code, s.out.String())
		}
	}
}
