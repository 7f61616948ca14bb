package api_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// TestConformance holds a router to what rosknock relies on: the simulated one in each version, and
// a real one when ROSKNOCK_TEST_ROUTER names it. On a real one it works only in chains and lists
// called rosknock-test-…, and removes them again.
func TestConformance(t *testing.T) {
	for _, version := range []string{"6.49", "7.9", "7.14", "7.18", "7.20", "7.24"} {
		t.Run(version, func(t *testing.T) {
			v, err := routeros.ParseVersion(version)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { conforms(t, dialSimulated(sim.New(sim.Options{Version: v}))) })
		})
	}
	// A router that does otherwise wherever that is unknown conforms too.
	t.Run("other answers", func(t *testing.T) {
		knobs := sim.Knobs{
			UnrollKeepsIDs: true, FreshIDs: true, SafeModeByUser: true, AnchorOnDynamic: true, AnchorNoSuchItem: true, JobsRunAtOnce: true, JobsShowLate: 3,
			JobExists: "name is taken", NextRunShort: true, UnrollAfter: 5 * time.Second, PrintDefaultTimeout: true,
		}
		synctest.Test(t, func(t *testing.T) { conforms(t, dialSimulated(sim.New(sim.Options{Knobs: knobs}))) })
	})
	t.Run("real", func(t *testing.T) {
		address := os.Getenv("ROSKNOCK_TEST_ROUTER")
		if address == "" {
			t.Skip("ROSKNOCK_TEST_ROUTER names no router")
		}
		target := api.Target{Address: address, User: "admin", Transport: api.Plain, Trust: api.Trust{Insecure: true}}
		if user := os.Getenv("ROSKNOCK_TEST_USER"); user != "" {
			target.User = user
		}
		if transport := os.Getenv("ROSKNOCK_TEST_TRANSPORT"); transport != "" {
			target.Transport = api.Transport(transport)
		}
		conforms(t, func(t *testing.T) *api.Session {
			t.Helper()
			s, err := api.Dial(t.Context(), target, os.Getenv("ROSKNOCK_PASSWORD"), api.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		})
	})
}

// dialSimulated opens sessions to a simulated router.
func dialSimulated(router *sim.Router) func(*testing.T) *api.Session {
	return func(t *testing.T) *api.Session {
		t.Helper()
		s, err := api.NewSession(t.Context(), simtest.Pipe(t, router), "admin", "", api.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

const (
	testChain = "rosknock-test-chain"
	testList  = "rosknock-test-list"
)

// suite is one router under test.
type suite struct {
	*testing.T
	s    *api.Session
	dial func(*testing.T) *api.Session
}

func conforms(t *testing.T, dial func(*testing.T) *api.Session) {
	c := suite{t, dial(t), dial}
	c.clean()
	t.Cleanup(c.clean)
	c.snapshot()
	c.rules()
	c.entries()
	c.traps()
	c.services()
	c.history()
	if c.safeMode() {
		c.hijack()
		c.idsAfterUnroll()
		c.lostSession()
	}
	c.nextRun()
	c.firstRun()
	c.scheduler()
}

// recorded says which of the answers that are possible a router gave, where nobody knew before.
func (c suite) recorded(question, answer string) {
	c.Helper()
	c.Logf("recorded: %s: %s", question, answer)
}

// other is the same suite from a session of its own.
func (c suite) other() suite { return suite{c.T, c.dial(c.T), c.dial} }

// add makes a rule in the test chain and returns its id.
func (c suite) add(comment string) string {
	c.Helper()
	return c.run("/ip/firewall/filter/add", "chain", testChain, "action", "accept", "comment", comment).Ret
}

// safeMode: what is done under safe mode is undone by unroll, and kept by release; nobody takes it
// twice. It reports whether there is a safe mode.
func (c suite) safeMode() bool {
	_, err := c.s.Run(c.Context(), routeros.NewCommand("/safe-mode/take", "on-error", "abort"))
	if _, none := errors.AsType[*api.UnknownMenuError](err); none {
		c.Log("this version has no safe mode over the API")
		return false
	}
	if err != nil {
		c.Fatal(err)
	}
	was := c.order()
	c.add("under safe mode")
	row := c.run("/safe-mode/print").Rows
	if len(row) != 1 || !row[0].Bool("enabled") {
		c.Errorf("safe mode reads %v", row)
	}
	c.refused("/safe-mode/take", "on-error", "abort")
	c.run("/safe-mode/unroll")
	if is := c.order(); is != was {
		c.Errorf("after unroll there is %q, there was %q", is, was)
	}
	c.run("/safe-mode/take", "on-error", "abort")
	c.add("kept")
	c.run("/safe-mode/release")
	if is := c.order(); !strings.Contains(is, "kept") {
		c.Errorf("after release there is %q", is)
	}
	return true
}

// scheduler: an entry says when it will run, runs what a way back is made of, and removes itself.
func (c suite) scheduler() {
	keep, twin := c.add("keep me"), c.add("twin")
	c.add("\"gone\" \xe9")
	c.run("/ip/firewall/filter/set", ".id", keep, "dst-address", "192.0.2.1", "disabled", "yes")
	const filter = "/ip firewall filter "
	find := func(comment string) string {
		return "[find chain=\"" + testChain + "\" comment=\"" + comment + "\"]"
	}
	text := strings.Join([]string{
		":log warning \"rosknock-test: a script runs\"",
		":do {" + filter + "remove " + find(`\"gone\" \E9`) + "} on-error={:log error \"rosknock-test: remove\"}",
		":do {" + filter + "remove " + find("never there") + "} on-error={:log error \"rosknock-test: remove nothing\"}",
		":do {" + filter + "set " + keep + " disabled=no comment=\"kept \\E9\"} on-error={:log error \"rosknock-test: set\"}",
		":do {" + filter + "unset " + keep + " value-name=dst-address} on-error={:log error \"rosknock-test: unset\"}",
		":do {" + filter + "get *FFFFF chain; " + filter + "remove " + keep + "} on-error={:if ([:len [" + filter + strings.Trim(find("back"), "[]") + "]] = 0) do={:do {" + filter + "get " + twin + " chain; " + filter + "add chain=" + testChain + " action=accept comment=back place-before=" + twin + "} on-error={}}}",
		":do {:do {" + filter + "get " + keep + " chain; " + filter + "move " + twin + " destination=" + keep + "} on-error={" + filter + "remove " + keep + "}} on-error={}",
		"/system scheduler remove [find name=\"rosknock-test\"]", "",
	}, "\n")
	c.run("/system/scheduler/add", "name", "rosknock-test", "interval", "2s", "policy", "read,write", "comment", "x [rosknock t/dead-man]", "on-event", text)
	if row, _ := c.job(); row.Get("next-run") == "" || row.Get("on-event") != text {
		c.Fatalf("%v", row)
	}
	c.recorded("a second scheduler entry of one name", c.refused("/system/scheduler/add", "name", "rosknock-test", "interval", "2s", "on-event", "x").Message)
	time.Sleep(3500 * time.Millisecond)
	left, err := c.s.Run(c.Context(), routeros.Print(routeros.Scheduler).Where("name=rosknock-test"))
	if err != nil || len(left.Rows) != 0 {
		c.Errorf("the entry is still there: %v, %v", left.Rows, err)
	}
	is := c.order()
	if !strings.HasSuffix(is, "twin kept \xe9 back") {
		c.Errorf("the script left %q", is)
	}
	row, err := c.s.Run(c.Context(), routeros.Print(routeros.Filter).Where(".id="+keep))
	if err != nil || len(row.Rows) != 1 || row.Rows[0].Has("dst-address") || row.Rows[0].Bool("disabled") {
		c.Errorf("%v, %v", row.Rows, err)
	}
}

// clean removes what the suite made.
func (c suite) clean() {
	ctx := context.WithoutCancel(c.Context())
	for menu, own := range map[routeros.Menu]routeros.Attribute{
		routeros.Filter: {Name: "chain", Value: testChain}, routeros.AddressList: {Name: "list", Value: testList}, routeros.Scheduler: {Name: "name", Value: "rosknock-test"},
	} {
		reply, err := c.s.Run(ctx, routeros.Print(menu).Where(own.Name+"="+own.Value))
		if err != nil {
			continue // the session may be over
		}
		for _, row := range reply.Rows {
			if row.Get(own.Name) != own.Value { // a router that filters badly must not cost its owner a rule
				c.Errorf("%s: asked for %s, got %v", menu, own.Value, row)
				continue
			}
			if _, err := c.s.Run(ctx, routeros.NewCommand(menu.Verb("remove"), ".id", row.Get(".id"))); err != nil {
				c.Errorf("cleaning up: %v", err)
			}
		}
	}
}

func (c suite) run(path string, pairs ...string) api.Reply {
	c.Helper()
	reply, err := c.s.Run(c.Context(), routeros.NewCommand(path, pairs...))
	if err != nil {
		c.Fatalf("%s: %v", path, err)
	}
	return reply
}

func (c suite) refused(path string, pairs ...string) *api.TrapError {
	c.Helper()
	_, err := c.s.Run(c.Context(), routeros.NewCommand(path, pairs...))
	trap, ok := errors.AsType[*api.TrapError](err)
	if !ok {
		c.Fatalf("%s %v: %v, a trap was expected", path, pairs, err)
	}
	return trap
}

func (c suite) snapshot() {
	snapshot, err := c.s.Snapshot(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	if snapshot.Version.Major < 6 || snapshot.Clock.IsZero() || !snapshot.HasMenu(routeros.Filter) {
		c.Errorf("version %s, clock %s", snapshot.Version, snapshot.Clock)
	}
	if snapshot.Version.Major >= 7 && !snapshot.HasMenu(routeros.Filter6) {
		c.Error("RouterOS 7 without an IPv6 filter")
	}
	again, err := c.s.Snapshot(c.Context())
	if err != nil || again.Digest() != snapshot.Digest() {
		c.Errorf("two readings of an untouched router differ (%v)", err)
	}
	if !slices.ContainsFunc(snapshot.Active, func(a routeros.ActiveUser) bool { return strings.HasPrefix(a.Via, "api") }) {
		c.Errorf("nobody is logged in over the API: %+v", snapshot.Active)
	}
}

// order lists the comments of the test chain.
func (c suite) order() string {
	c.Helper()
	reply, err := c.s.Run(c.Context(), routeros.Print(routeros.Filter, ".id", "chain", "comment").Where("chain="+testChain))
	if err != nil {
		c.Fatal(err)
	}
	var comments []string
	for _, row := range reply.Rows {
		comments = append(comments, row.Get("comment"))
	}
	return strings.Join(comments, " ")
}

func (c suite) expect(want string) {
	c.Helper()
	if got := c.order(); got != want {
		c.Errorf("order %q, want %q", got, want)
	}
}

func (c suite) rules() {
	add := func(comment string, more ...string) string {
		return c.run("/ip/firewall/filter/add", append([]string{"chain", testChain, "action", "passthrough", "comment", comment}, more...)...).Ret
	}
	b := add("b")
	d := add("d")
	a := add("a", "place-before", b)
	e := add("c", "place-before", d, "protocol", "6", "dst-port", "22,8000-8100", "connection-state", "new,established", "src-address", "192.0.2.7/32")
	c.expect("a b c d")
	reply := c.run("/ip/firewall/filter/print", "count-only", "")
	if reply.Ret == "" || len(reply.Rows) > 0 {
		c.Errorf("count-only: %+v", reply)
	}
	row := c.row(e)
	want := routeros.NewRule("chain", testChain, "action", "passthrough", "comment", "c", "protocol", "tcp", "dst-port", "22,8000-8100", "connection-state", "established,new", "src-address", "192.0.2.7")
	if !routeros.ReadRule(row).Same(want) {
		c.Errorf("read back: %v", row)
	}
	c.run("/ip/firewall/filter/set", ".id", e, "dst-port", "23")
	c.run("/ip/firewall/filter/unset", ".id", e, "value-name", "src-address")
	if row := c.row(e); row.Get("dst-port") != "23" || row.Has("src-address") || row.Get(".id") != e {
		c.Errorf("after set and unset: %v", row)
	}
	c.run("/ip/firewall/filter/disable", ".id", a)
	if !c.row(a).Bool("disabled") {
		c.Error("disable did nothing")
	}
	c.run("/ip/firewall/filter/enable", ".id", a)
	if c.row(a).Bool("disabled") {
		c.Error("enable did nothing")
	}
	c.run("/ip/firewall/filter/move", "numbers", d, "destination", a)
	c.expect("d a b c")
	c.run("/ip/firewall/filter/move", "numbers", d, "destination", "*FFFFFF") // gone: the end of the table, without a word
	c.expect("a b c d")
	c.run("/ip/firewall/filter/remove", ".id", b+","+d)
	c.expect("a c")
	if trap := c.refused("/ip/firewall/filter/remove", ".id", b); !trap.NoSuchItem() {
		c.Errorf("removed twice: %v", trap)
	}
	c.refused("/ip/firewall/filter/move", "numbers", a, "destination", a)
}

func (c suite) row(id string) routeros.Attributes {
	c.Helper()
	reply, err := c.s.Run(c.Context(), routeros.Print(routeros.Filter).Where("chain="+testChain))
	if err != nil {
		c.Fatal(err)
	}
	for _, row := range reply.Rows {
		if row.Get(".id") == id {
			return row
		}
	}
	c.Fatalf("no row %s", id)
	return nil
}

func (c suite) entries() {
	const add = "/ip/firewall/address-list/add"
	static := c.run(add, "list", testList, "address", "192.0.2.77/24").Ret
	timed := c.run(add, "list", testList, "address", "192.0.2.8", "timeout", "00:30:00").Ret
	if trap := c.refused(add, "list", testList, "address", "192.0.2.8/32"); !trap.Duplicate() {
		c.Errorf("a second time: %v", trap)
	}
	reply, err := c.s.Run(c.Context(), routeros.Print(routeros.AddressList).Where("list="+testList))
	if err != nil || len(reply.Rows) != 2 {
		c.Fatalf("%v, %+v", err, reply.Rows)
	}
	for _, row := range reply.Rows {
		e := routeros.ReadListEntry(row)
		switch e.ID {
		case static:
			if e.Address != "192.0.2.0/24" || e.Dynamic || e.Timed {
				c.Errorf("static: %+v", e)
			}
		case timed:
			if e.Address != "192.0.2.8" || !e.Dynamic || !e.Timed || e.Timeout > 1800e9 || e.Timeout < 1700e9 {
				c.Errorf("timed: %+v", e)
			}
		}
	}
	c.run("/ip/firewall/address-list/set", ".id", timed, "timeout", "1h")
	c.run("/ip/firewall/address-list/remove", ".id", timed)
	c.refused(add, "list", testList, "address", "192.0.2.9", "timeout", "36w")
}

func (c suite) traps() {
	const add = "/ip/firewall/filter/add"
	for words, want := range map[string]string{
		"no-such-argument=1":             "unknown parameter",
		"in-interface-list=no-such-list": "interface-list",
		"in-interface=no-such-interface": "interface",
		"connection-state=nonsense":      "state",
		"place-before=*FFFFFF":           "",
		"action=explode":                 "",
		"dst-port=99999 protocol=tcp":    "",
	} {
		pairs := []string{"chain", testChain}
		for word := range strings.FieldsSeq(words) {
			name, value, _ := strings.Cut(word, "=")
			pairs = append(pairs, name, value)
		}
		if trap := c.refused(add, pairs...); !strings.Contains(trap.Message, want) {
			c.Errorf("%s: %s", words, trap.Message)
		}
	}
	c.refused("/ip/firewall/filter/set", ".id", "*FFFFFF", "comment", "x")
	c.refused("/ip/firewall/filter/frobnicate")
	_, err := c.s.Run(c.Context(), routeros.Print("/no/such/menu"))
	if _, ok := errors.AsType[*api.UnknownMenuError](err); !ok {
		c.Errorf("an unknown menu: %v", err)
	}
}

func (c suite) services() {
	reply := c.run("/ip/service/print")
	var s routeros.Snapshot
	for _, row := range reply.Rows {
		s.Services = append(s.Services, routeros.ReadService(row))
	}
	for _, name := range []string{"telnet", "ftp", "www", "ssh", "api", "winbox", "api-ssl"} {
		if row, ok := s.Service(name); !ok || row.ID == "" || row.Port == 0 {
			c.Errorf("%s: %+v", name, row)
		}
	}
	c.refused("/ip/service/add", "name", "x")
}
