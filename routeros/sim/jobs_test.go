package sim

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/wire"
)

// logged lists what the router's log says of scripts.
func logged(r *Router) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, w := range r.tables.of(routeros.Log).rows {
		if strings.HasPrefix(w.get("topics"), "script") {
			out = append(out, w.get("message"))
		}
	}
	return out
}

func comments(r *Router) string {
	var out []string
	for _, rule := range r.Snapshot().Rules[routeros.Filter] {
		out = append(out, rule.Comment())
	}
	return strings.Join(out, " ")
}

// job arms a scheduler entry and reports the answer.
func (c *client) job(event string, more ...string) string {
	c.t.Helper()
	return c.run(append([]string{"/system/scheduler/add", "=name=job", "=on-event=" + event}, more...)...)
}

// TestScripts: what the statements of a script do to the router, and what stops it.
func TestScripts(t *testing.T) {
	const filter = "/ip firewall filter "
	tests := []struct{ name, script, comments, log string }{
		{"remove", filter + `remove [find chain=input comment="b"]`, "a c", ""},
		{"none found is nothing to do", filter + `remove [find comment="z"]`, "a b c", ""},
		{"all that are found", filter + `remove [find comment~"^[ac]\$"]`, "b", ""},
		{"by id, in version 6 form", filter + `set *2 comment=x disabled=yes`, "a x c", ""},
		{"add before", filter + `add chain=input action=accept comment=x place-before=*1`, "x a b c", ""},
		{"add before what is found", filter + `add chain=input action=accept comment=x place-before=[find comment=c]`, "a b x c", ""},
		{"an anchor that is gone", filter + `add chain=input action=accept comment=x place-before=*99`, "a b c", "executing script job failed: item referred by 'place-before' does not exist"},
		{"move", filter + `move *3 destination=*1`, "c a b", ""},
		{"get of nothing fails", ":do {" + filter + "get *99 chain; " + filter + "remove *1} on-error={" + filter + "remove *2}", "a c", ""},
		{"get of what is not found fails", ":do {" + filter + "get [find comment=z] chain; " + filter + "remove *1} on-error={" + filter + "remove *2}", "a c", ""},
		{"get of something", ":do {" + filter + "get *1 chain; " + filter + "remove *1} on-error={" + filter + "remove *2}", "b c", ""},
		{"if", `:if ([:len [/ip firewall filter find chain=input]] < 3) do={/ip firewall filter remove *1} else={/ip firewall filter remove *3}`, "a b", ""},
		{"a failure ends the script", filter + "remove *99; " + filter + "remove *1", "a b c", "executing script job failed: no such item"},
		{"an unknown argument", filter + "set *1 commnt=x", "a b c", "executing script job failed: unknown parameter commnt"},
		{"an unknown menu", "/ip firewal filter remove *1", "a b c", "executing script job failed: no such command prefix"},
		{"an unknown column", filter + "remove [find coment=a]", "a b c", "executing script job failed: unknown parameter coment"},
		{"a typo", filter + "remove [find comment=a", "a b c", `executing script job failed: line 1 of the script: expected ]`},
		{"log", `:log warning "hello"`, "a b c", "hello"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Options{})
				c := login(t, r)
				for _, name := range []string{"a", "b", "c"} {
					c.run(add("input", "=comment="+name)...)
				}
				if got := c.job(test.script, "=interval=1m"); !strings.Contains(got, "ret=*1") {
					t.Fatal(got)
				}
				time.Sleep(59 * time.Second)
				if got := comments(r); got != "a b c" {
					t.Errorf("before its time: %s", got)
				}
				time.Sleep(2 * time.Second)
				if got := comments(r); got != test.comments {
					t.Errorf("rules %q, want %q", got, test.comments)
				}
				if got := strings.Join(logged(r), "; "); got != test.log {
					t.Errorf("log %q, want %q", got, test.log)
				}
			})
		})
	}
}

// TestJobTimes: when entries run, and what a reboot does to them (routeros-facts § 6.2).
func TestJobTimes(t *testing.T) {
	tests := []struct {
		name  string
		more  []string
		knobs Knobs
		at    []int // seconds after the add at which it ran; a reboot is at 100
	}{
		{"interval", []string{"=interval=40s"}, Knobs{}, []int{40, 80, 120, 160}},
		{"interval and a start", []string{"=interval=1m", "=start-date=2000-01-01", "=start-time=00:00:30"}, Knobs{}, []int{30, 90, 150}},
		{"a start only", []string{"=start-date=2000-01-01", "=start-time=00:00:30"}, Knobs{}, []int{30}},
		{"at the start", []string{"=start-time=startup"}, Knobs{}, []int{103}},
		{"at the start, with an interval", []string{"=start-time=startup", "=interval=30s"}, Knobs{}, []int{30, 60, 90, 130, 160}},
		{"disabled", []string{"=interval=40s", "=disabled=yes"}, Knobs{}, nil},
		{"at once", []string{"=interval=40s"}, Knobs{JobsRunAtOnce: true}, []int{0, 40, 80, 120, 160}},
		{"never", []string{"=interval=40s"}, Knobs{JobsNeverRun: true}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which begins at midnight of 2000-01-01
				r := New(Options{Knobs: test.knobs})
				c := login(t, r)
				c.job(`:log info "ran"`, test.more...)
				var at []int
				for second := range 180 {
					if second == 100 {
						r.Reboot()
					}
					if n := len(logged(r)); n > len(at) {
						at = append(at, second)
					}
					r.Snapshot()
					if n := len(logged(r)); n > len(at) {
						at = append(at, second)
					}
					time.Sleep(time.Second)
				}
				if !slices.Equal(at, test.at) {
					t.Errorf("ran at %v, want %v", at, test.at)
				}
			})
		})
	}
}

// TestJobRights: what a device-mode, a flag and missing policies do to scheduler entries.
func TestJobRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		denied := "!trap =message=failure: not allowed by device-mode | !done"
		for _, o := range []Options{{DeviceMode: "home"}, {Flagged: true}} {
			if got := login(t, New(o)).job("x", "=interval=1m"); got != denied {
				t.Errorf("%+v: %s", o, got)
			}
		}
		r := New(Options{})
		c := login(t, r)
		c.run(add("input", "=comment=a")...)
		c.job("/ip firewall filter remove *1", "=interval=1m", "=policy=read")
		c.expect("!re =next-run=2000-01-01 00:01:00 =policy=read =run-count=0 | !done", "/system/scheduler/print", "=.proplist=policy,run-count,next-run")
		time.Sleep(time.Minute)
		if got := logged(r); comments(r) != "a" || len(got) != 0 && got[0] != "executing script job failed: not enough permissions (9)" {
			t.Errorf("%s, %q", comments(r), got)
		}
		// A delay lets time pass; an entry may remove itself.
		c.run("/system/scheduler/remove", "=numbers=*1")
		c.job("/system scheduler remove [find name=job]\n:delay 30s\n/ip firewall filter remove *1", "=interval=1m")
		time.Sleep(time.Minute)
		c.expect("!empty | !done", "/system/scheduler/print")
		if comments(r) != "a" {
			t.Error("the delay was skipped")
		}
		time.Sleep(30 * time.Second)
		if comments(r) != "" {
			t.Error("the script did not go on after its delay")
		}
	})
}

// TestSilence: a client that vanishes keeps safe mode until the router's TCP gives up, and blocks
// the next client; one whose connection ends releases it.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vanish := false
		r := New(Options{Fault: func(q Request) Action {
			if vanish && q.Session == 1 {
				return Action{Kind: VanishAfter}
			}
			return Action{}
		}})
		first := login(t, r)
		first.expect("!done", "/safe-mode/take", "=on-error=abort")
		vanish = true
		if err := first.w.Write(add("input", "=comment=a")...); err != nil {
			t.Fatal(err)
		}
		if err := first.w.Flush(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		first.c.Close()
		second := login(t, r)
		second.expect("!trap =message=failure: Safe Mode is taken by current user in another session. | !done", "/safe-mode/take", "=on-error=abort")
		time.Sleep(9*time.Minute - time.Second)
		if comments(r) != "a" {
			t.Error("undone too early")
		}
		time.Sleep(2 * time.Second)
		if comments(r) != "" {
			t.Error("not undone")
		}
		second.expect("!done", "/safe-mode/take", "=on-error=abort")
	})
}

// TestTransport: what the faults do to bytes.
func TestTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kinds := map[int]ActionKind{2: Drip, 3: HalfSentence}
		r := New(Options{Fault: func(q Request) Action { return Action{Kind: kinds[q.Number]} }})
		c := login(t, r)
		start := time.Now()
		c.expect("!done =ret=*1", add("input")...)
		if took := time.Since(start); took < time.Second {
			t.Errorf("an answer of 15 bytes took %s", took)
		}
		if got := c.run(add("input")...); got != "closed" || len(r.Snapshot().Rules[routeros.Filter]) != 2 {
			t.Errorf("half a sentence: %s", got)
		}
		c = login(t, r)
		r.options.Knobs.BootTime = time.Minute
		kinds[2] = RebootAfter
		if got := c.run(add("input")...); got != "closed" || len(r.Snapshot().Rules[routeros.Filter]) != 3 {
			t.Errorf("reboot: %s", got)
		}
		if got := connect(t, r).run("/login", "=name=admin", "=password="); got != "closed" && !strings.Contains(got, "closed pipe") {
			t.Errorf("while it boots: %s", got)
		}
		time.Sleep(time.Minute)
		login(t, r)
	})
}

// from gives a pipe the address of a client.
type from struct {
	net.Conn
	remote net.Addr
}

func (c from) RemoteAddr() net.Addr { return c.remote }

// TestArrival: an API connection passes the router's own filter, first packet and all later ones.
func TestArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{Arrival: "ether1"})
		port := 40000
		come := func() *client {
			port++
			near, far := net.Pipe()
			over := make(chan struct{})
			go func() {
				r.ServeConn(t.Context(), from{far, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: port}})
				close(over)
			}()
			t.Cleanup(func() { near.Close(); <-over })
			return &client{t, wire.NewReader(near, wire.DefaultLimits()), wire.NewWriter(near), near}
		}
		answers := func(c *client, words ...string) bool {
			if err := c.w.Write(words...); err != nil {
				t.Fatal(err)
			}
			if err := c.w.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := c.c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			return c.replies() != "closed"
		}
		c := come()
		if !answers(c, "/login", "=name=admin", "=password=") {
			t.Fatal("an open router did not answer")
		}
		if err := r.Admin(routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "drop", "connection-state", "new")); err != nil {
			t.Fatal(err)
		}
		if !answers(c, "/system/identity/print") || answers(come(), "/login", "=name=admin", "=password=") {
			t.Error("with new connections dropped, the running one goes on and no other comes in")
		}
		if err := r.Admin(routeros.NewCommand("/ip/firewall/filter/set", "numbers", "*1", "connection-state", "established,new")); err != nil {
			t.Fatal(err)
		}
		if answers(c, add("input")...) || len(r.Snapshot().Rules[routeros.Filter]) != 1 {
			t.Error("with everything dropped, the running connection still got through")
		}
		if got := r.Packet(firewall.Packet{Protocol: 6, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("203.0.113.1"), InInterface: "ether1", TCPFlags: firewall.SYN}); got.Verdict != firewall.Drop {
			t.Error(got.Verdict)
		}
	})
}

// TestRunScript: a script is run on demand, and by a scheduler entry that names it; a router can be
// told to start anew.
func TestRunScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		c := login(t, r)
		c.run(add("input", "=comment=a")...)
		c.run(add("input", "=comment=b")...)
		c.expect("!done =ret=*1", "/system/script/add", "=name=one", "=source=/ip firewall filter remove [find comment=a]")
		c.expect("!done", "/system/script/run", "=number=one")
		if got := comments(r); got != "b" {
			t.Error(got)
		}
		c.run("/system/script/set", "=numbers=one", "=source=/ip firewall filter remove [find comment=b]")
		c.job("one", "=interval=1m")
		c.run("/system/script/add", "=name=two", "=source=/ip firewall")
		if got := c.run("/system/script/run", "=number=two"); !strings.Contains(got, "no such command") {
			t.Error(got)
		}
		time.Sleep(time.Minute)
		if got := comments(r); got != "" {
			t.Error(got)
		}
		if got := c.run("/system/reboot"); got != "closed" {
			t.Error(got)
		}
		login(t, r).expect("!re =uptime=0s | !done", "/system/resource/print", "=.proplist=uptime")
	})
}

// TestJobShowsLate: a router on which a new entry is not to be seen at once can remove it all the
// same, and shows it in the end to those who only look later, its own script too.
func TestJobShowsLate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := New(Options{Knobs: Knobs{JobsShowLate: 2}, Now: func() time.Time { return now }})
	c := login(t, r)
	c.run("/system/scheduler/add", "=name=a", "=interval=1m")
	c.expect("!empty | !done", "/system/scheduler/print")
	c.run("/system/scheduler/add", "=name=b", "=interval=1m")
	c.expect("!empty | !done", "/system/scheduler/print")
	c.expect("!re =name=a | !done", "/system/scheduler/print", "=.proplist=name")
	c.expect("!re =name=a | !re =name=b | !done", "/system/scheduler/print", "=.proplist=name")
	c.run("/system/scheduler/add", "=name=c", "=interval=1m")
	c.expect("!trap =category=0 =message=no such item | !done", "/system/scheduler/get", "=number=*3", "=value-name=name")
	c.expect("!done", "/system/scheduler/remove", "=.id=*3")
	c.expect("!done =ret=2", "/system/scheduler/print", "=count-only=")
	c.run("/system/scheduler/add", "=name=d", "=interval=4s", "=on-event=/system scheduler remove [find name=d]")
	now = now.Add(4 * time.Second)
	c.expect("!done =ret=2", "/system/scheduler/print", "=count-only=")
	now = now.Add(4 * time.Second)
	c.expect("!done =ret=2", "/system/scheduler/print", "=count-only=") // it found and removed itself at its second run
	if n := len(r.tables.of(routeros.Scheduler).rows); n != 2 {
		t.Errorf("%d entries", n)
	}
}

// TestJobTwice: a name is there once only, whatever the router says then.
func TestJobTwice(t *testing.T) {
	for knob, want := range map[string]string{"": "failure: entry with this name already exists", "name is taken": "failure: name is taken"} {
		c := login(t, New(Options{Knobs: Knobs{JobExists: knob}}))
		c.run("/system/scheduler/add", "=name=a", "=interval=1m")
		c.expect("!trap =message="+want+" | !done", "/system/scheduler/add", "=name=a", "=interval=2m")
		c.expect("!done =ret=1", "/system/scheduler/print", "=count-only=")
	}
}

// TestAnchorIsGone: what was to be placed before it is not added.
func TestAnchorIsGone(t *testing.T) {
	for knob, want := range map[bool]string{false: "=message=item referred by 'place-before' does not exist", true: "=category=0 =message=no such item"} {
		r := New(Options{Knobs: Knobs{AnchorNoSuchItem: knob, FreshIDs: true}})
		c := login(t, r)
		c.run(add("input", "=comment=a")...)
		c.run("/safe-mode/take")
		c.run(add("input", "=comment=b")...)
		c.run(add("input", "=comment=c")...)
		c.run("/ip/firewall/filter/remove", "=.id=*2")
		c.expect("!trap "+want+" | !done", add("input", "=place-before=*2")...)
		c.run("/safe-mode/unroll")
		c.expect("!trap "+want+" | !done", add("input", "=place-before=*3")...)
		if got := comments(r); got != "a" {
			t.Errorf("%s is there", got)
		}
	}
}
