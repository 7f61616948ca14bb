package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/sim"
)

// TestMain lets the scripts run rosknock as a program of their own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rosknock": func() { os.Exit(program()) }})
}

// TestScripts runs the command lines of fixtures/scripts. They read like a manual: what to type,
// what comes out, which exit code. $ACTIONS is the folder of the actions for GitHub.
func TestScripts(t *testing.T) {
	actions, err := filepath.Abs("../../.github/actions")
	if err != nil {
		t.Fatal(err)
	}
	// Tests that run under nohup would hand an ignored SIGHUP on to what the scripts start.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	testscript.Run(t, testscript.Params{
		Dir: "../../fixtures/scripts",
		Setup: func(e *testscript.Env) error {
			e.Values[routersKey{}] = map[string]scripted{}
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("ACTIONS", actions)
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/settings")
			e.Setenv("ROSKNOCK_STATE_DIR", e.WorkDir+"/state")
			e.Setenv("ROSKNOCK_PASSWORD", "correct horse")
			for _, name := range []string{"GOGC", "GORACE"} { // what make test and make race set is for programs, too
				e.Setenv(name, os.Getenv(name))
			}
			for _, name := range []string{"seed.yaml", "branch.yaml", "minimal.yaml", "inline.yaml", "quarantine.yaml", "hygiene.yaml", "forward.yaml"} {
				text, err := fixtures.Plan(name)
				if err != nil {
					return err
				}
				if err := os.WriteFile(e.WorkDir+"/"+name, text, 0o600); err != nil {
					return err
				}
			}
			for _, name := range []string{"defconf.rsc", "no-drop.rsc", "jump-chains.rsc", "winbox-open.rsc", "crlf-bom.rsc", "wild/r01-official.rsc"} {
				text, err := fixtures.Router(name)
				if err != nil {
					return err
				}
				if err := os.WriteFile(e.WorkDir+"/"+path.Base(name), text, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"router":         startRouter,
			"listen":         startListener,
			"packet":         sendPacket,
			"later":          passTime,
			"lists":          showLists,
			"await":          awaitText,
			"run-rsc":        importScript,
			"admin":          administer,
			"dial-in":        dialIn,
			"env-knock":      playDerived,
			"env-knock-door": playDerived,
			"code":           expectCode,
			// env-file NAME makes the file NAME of NAME.in, with the values of $variables.
			"env-file": func(ts *testscript.TestScript, _ bool, args []string) {
				text := os.Expand(ts.ReadFile(args[0]+".in"), ts.Getenv)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
			},
			// forge NAME changes the pins in a file.
			"forge": func(ts *testscript.TestScript, _ bool, args []string) {
				text := regexp.MustCompile("sha256:.{4}").ReplaceAllString(ts.ReadFile(args[0]), "sha256:abcd")
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
			},
			// env-from-stdout reads NAME=value from what the last command wrote.
			"env-from-stdout": func(ts *testscript.TestScript, _ bool, _ []string) {
				name, value, _ := strings.Cut(strings.TrimSpace(ts.ReadFile("stdout")), "=")
				ts.Setenv(name, value)
			},
		},
	})
}

// startRouter is `router NAME [flags]`: it starts a simulated router on loopback, whose address is
// in $NAME from then on, and with --tls its pin in $NAME_PIN. The flags are those of rosknock sim,
// and --clock, the time at which it begins. It stops with the script.
func startRouter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: router NAME [flags of rosknock sim] [--clock TIME]")
	}
	var o simOptions
	ahead := new(atomic.Int64)
	flags := pflag.NewFlagSet("router", pflag.ContinueOnError)
	o.flags(flags)
	clock := flags.String("clock", "", "")
	ts.Check(flags.Parse(args[1:]))
	if flags.NArg() > 0 {
		ts.Fatalf("router: %s", flags.Arg(0))
	}
	o.listen = "127.0.0.1:0"
	if o.load != "" {
		o.load = ts.MkAbs(o.load)
	}
	if *clock != "" {
		at, err := time.Parse(time.RFC3339, *clock)
		ts.Check(err)
		ahead.Store(int64(time.Until(at)))
	}
	var said strings.Builder
	e := env{streams: streams{out: &said, err: &said}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: ts.Getenv}
	o.clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	routers, err := openRouters(access{e, settings{login: login{User: "admin"}}}, o)
	ts.Check(err)
	running(ts)[args[0]] = scripted{routers[0].router, ahead}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = routers[0].router.Serve(ctx, routers[0].listener)
	}()
	ts.Defer(func() { cancel(); <-done })
	ts.Setenv(args[0], routers[0].listener.Addr().String())
	ts.Setenv(args[0]+"_PIN", routers[0].pin)
}

// scripted is a router of a script, with how far its clock is ahead.
type scripted struct {
	router *sim.Router
	ahead  *atomic.Int64
}

// routersKey is where a script keeps its routers.
type routersKey struct{}

func running(ts *testscript.TestScript) map[string]scripted {
	return ts.Value(routersKey{}).(map[string]scripted) //nolint:forcetypeassert // Setup puts it there
}

// sendPacket is `packet NAME accept|drop|forwarded [--in INTERFACE] [--size BYTES] [--dst ADDRESS]
// [--content TEXT] [--to ADDRESS:PORT] PROTOCOL SOURCE [:PORT]`: a packet of a new connection
// arrives at a router from outside, and has to meet that verdict, and to go there if it is
// forwarded. Lists are filled by it, as on the router.
func sendPacket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: packet NAME accept|drop|forwarded [--in INTERFACE] [--size BYTES] [--dst ADDRESS] [--content TEXT] [--to ADDRESS:PORT] PROTOCOL SOURCE [:PORT]")
	}
	r, known := running(ts)[args[0]]
	if !known {
		ts.Fatalf("packet: there is no router %s", args[0])
	}
	flags := map[string]string{"--in": "ether1"}
	words := args[2:]
	for len(words) > 2 && strings.HasPrefix(words[0], "--") {
		flags[words[0]] = words[1]
		words = words[2:]
	}
	p, err := firewall.Parse(words)
	ts.Check(err)
	p.InInterface, p.SrcPort = flags["--in"], uint16(20000+rand.N(40000)) // #nosec G404 G115 -- any port that no connection has yet
	if p.Protocol == 1 || p.Protocol == 58 {
		p.SrcPort = 0
	}
	if size := flags["--size"]; size != "" {
		p.Size, err = strconv.Atoi(size)
		ts.Check(err)
	}
	p.Payload = []byte(flags["--content"])
	p.Dst = ownAddress(r.router.Snapshot(), p.Family(), p.InInterface)
	if dst := flags["--dst"]; dst != "" {
		p.Dst = netip.MustParseAddr(dst)
	}
	got := r.router.Packet(p)
	if got.Verdict.String() != args[1] {
		ts.Fatalf("%s: %s, by %s, and not %s", p, got.Verdict, decider(got), args[1])
	}
	if to := flags["--to"]; to != "" && got.To.String() != to {
		ts.Fatalf("%s goes to %s, and not to %s", p, got.To, to)
	}
}

// playDerived is `env-knock TIME PLAN IDENTITY NAME SOURCE`, and `env-knock-door` with a door
// behind the plan: it plays at a simulated router what the client would at that time, with the
// secrets of the environment.
func playDerived(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 5 {
		ts.Fatalf("usage: env-knock TIME PLAN IDENTITY NAME SOURCE, env-knock-door TIME PLAN DOOR IDENTITY NAME SOURCE")
	}
	at, err := time.Parse(time.RFC3339, args[0])
	ts.Check(err)
	p, err := plans.Read(args[1], []byte(ts.ReadFile(args[1])))
	ts.Check(err)
	name := ""
	if args = args[2:]; len(args) == 4 {
		name, args = args[0], args[1:]
	}
	p, door, err := chooseDoor([]plans.Plan{p}, name)
	ts.Check(err)
	e := env{getenv: ts.Getenv, secrets: &secrets{}}
	_, door, _, err = present(context.Background(), access{e, settings{at: at}}, knockOptions{identity: args[0]}, job{}, p, door)
	ts.Check(err)
	r := running(ts)[args[1]].router
	probes := traffic.NewProbes(r.Snapshot(), routeros.IPv4)
	probes.Source = netip.MustParseAddr(args[2])
	for _, stage := range door.Knock {
		r.Packet(probes.Stage("ether1", stage))
	}
}

// importScript is `run-rsc NAME FILE`: a router runs a script as /import does, and `! run-rsc NAME
// FILE`, where it has to stop with an error, which is in $IMPORT_ERROR then.
func importScript(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] run-rsc NAME FILE")
	}
	r := running(ts)[args[0]].router
	ts.Check(r.Admin(routeros.NewCommand("/system/script/add", "name", "import", "source", ts.ReadFile(args[1]))))
	err := r.Admin(routeros.NewCommand("/system/script/run", "numbers", "import"))
	ts.Check(r.Admin(routeros.NewCommand("/system/script/remove", "numbers", "import")))
	if (err != nil) != neg {
		ts.Fatalf("run-rsc %s: %v", args[1], err)
	}
	if err != nil {
		ts.Setenv("IMPORT_ERROR", err.Error())
	}
}

// administer is `admin NAME COMMAND [name=value…]`: another administrator works on a router.
func administer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: admin NAME COMMAND [name=value…]")
	}
	var pairs []string
	for _, arg := range args[2:] {
		name, value, _ := strings.Cut(arg, "=")
		pairs = append(pairs, name, value)
	}
	ts.Check(running(ts)[args[0]].router.Admin(routeros.NewCommand(args[1], pairs...)))
}

// dialIn is `dial-in NAME INTERFACE LIST`: somebody dials in over L2TP. The interface is a dynamic
// one, and joins an interface list.
func dialIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: dial-in NAME INTERFACE LIST")
	}
	running(ts)[args[0]].router.DialIn(args[1], "l2tp-in", args[2])
}

// passTime is `later NAME TIME`: a router's clock goes forward.
func passTime(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: later NAME TIME")
	}
	d, err := time.ParseDuration(args[1])
	ts.Check(err)
	running(ts)[args[0]].ahead.Add(int64(d))
}

// awaitText is `await FILE TEXT`: it waits until a file has a text, as what a program in the
// background writes, and fails when that takes a minute.
func awaitText(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		switch {
		case strings.Contains(string(text), args[1]):
			return
		case time.Now().After(end):
			ts.Fatalf("await: %v; %s says %q, and not %q", err, args[0], text, args[1])
		}
	}
}

// showLists is `lists NAME`: it writes who has got into a list by a rule of a router, one "LIST
// ADDRESS" in a line, and how many.
func showLists(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lists NAME")
	}
	s := running(ts)[args[0]].router.Snapshot()
	count := 0
	for _, f := range routeros.Families() {
		for _, e := range s.Entries[f.AddressList()] {
			if e.Dynamic {
				count++
				_, _ = fmt.Fprintln(ts.Stdout(), e.List, e.Address)
			}
		}
	}
	_, _ = fmt.Fprintln(ts.Stdout(), count, "entries")
}

// startListener is `listen NAME [--echo]`: it takes connections on loopback, at $NAME, whose port
// is in $NAME_PORT; with --echo it sends back what it gets. `! listen NAME` takes a port at which
// nobody listens, and keeps it from others: a connection has it as its own end.
func startListener(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || len(args) > 2 || len(args) == 2 && args[1] != "--echo" {
		ts.Fatalf("usage: [!] listen NAME [--echo]")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	address := l.Addr()
	if neg {
		held, err := net.Dial("tcp", address.String())
		ts.Check(err)
		ts.Defer(func() { _ = held.Close() })
		address = held.LocalAddr()
	}
	_, port, err := net.SplitHostPort(address.String())
	ts.Check(err)
	ts.Setenv(args[0], address.String())
	ts.Setenv(args[0]+"_PORT", port)
	if neg {
		return
	}
	go serve(l, func(c *net.TCPConn) {
		if len(args) == 2 {
			_, _ = io.Copy(c, c)
		}
	})
}

// serve hands each connection to a function, and closes it then.
func serve(l net.Listener, do func(*net.TCPConn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			do(c.(*net.TCPConn))
		}()
	}
}

// expectCode is `code N command…`: the command has to end with that exit code.
func expectCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [args…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		_, got, _ = strings.Cut(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("%s ended with exit code %s, not %s (%v)", strings.Join(args[1:], " "), got, args[0], err)
	}
}
