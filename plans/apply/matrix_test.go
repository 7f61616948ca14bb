package apply_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// openTable is a router that drops nothing by itself, so that every moment without the gate shows.
const openTable = `/interface bridge add name=bridge
/interface list
add name=LAN
add name=WAN
/interface list member
add interface=bridge list=LAN
add interface=ether1 list=WAN
/ip address
add address=192.168.88.1/24 interface=bridge
add address=203.0.113.1/24 interface=ether1
/ipv6 address add address=2001:db8:1::1/64 interface=bridge
/ip firewall address-list add list=friends address=10.0.0.5
/ip firewall filter
add action=accept chain=input comment="established" connection-state=established,related,untracked
add action=drop chain=input comment="invalid" connection-state=invalid
add action=accept chain=input comment="their \E9 monitoring" protocol=icmp
add action=drop chain=input comment="no dns from outside" protocol=udp dst-port=53 in-interface=ether1
add action=accept chain=forward comment="forwarded"
/ip firewall nat
add action=dst-nat chain=dstnat comment="their desktop" in-interface=ether1 protocol=tcp dst-port=3391 to-addresses=192.168.88.20 to-ports=3389
/ipv6 firewall filter
add action=accept chain=input comment="established" connection-state=established,related,untracked
`

const operator = "192.168.88.10"

// place is a router at the end of lines on which faults happen.
type place struct {
	t      *testing.T
	router *sim.Router
	lines  sync.WaitGroup
	stop   context.CancelFunc
	ctx    context.Context
	port   atomic.Int32
	world  atomic.Pointer[firewall.Firewall] // at the last look at what gets through
	// begun and done are what an undo rolls back: the router before a change, and the change.
	begun routeros.Snapshot
	done  change.ChangeSet
	known *answers
	// meddle is called before every sentence; nil means no faults. Several sessions may call it at
	// once.
	meddle atomic.Pointer[func(sim.Request) sim.Action]
}

// on lets faults happen from here on, one sentence after the other.
func (p *place) on(meddle func(sim.Request) sim.Action) {
	var mu sync.Mutex
	p.nested(func(q sim.Request) sim.Action {
		mu.Lock()
		defer mu.Unlock()
		return meddle(q)
	})
}

// nested is on for faults that use a session with the router themselves.
func (p *place) nested(meddle func(sim.Request) sim.Action) { p.meddle.Store(&meddle) }

// calm ends all trouble.
func (p *place) calm() { p.meddle.Store(nil) }

func newPlace(t *testing.T, version string, knobs sim.Knobs, s routeros.Snapshot, odd ...func(*sim.Options)) *place {
	v, err := routeros.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t}
	p.world.Store(firewall.NewFirewall(s))
	p.ctx, p.stop = context.WithCancel(context.Background())
	o := sim.Options{
		Version: v, Serial: "1234567890AB", IPv6Package: true, Users: []sim.User{{Name: "admin", Password: "secret", Group: "full"}}, Arrival: "bridge", Knobs: knobs,
		Fault: func(q sim.Request) sim.Action {
			if meddle := p.meddle.Load(); meddle != nil {
				return (*meddle)(q)
			}
			return sim.Action{}
		},
	}
	for _, change := range odd {
		change(&o)
	}
	p.router = simtest.New(t, o, s)
	return p
}

// opened is the table on which every scenario is built.
func opened(version string) routeros.Snapshot {
	v, _ := routeros.ParseVersion(version)
	s, _ := rsc.Read([]byte(openTable)).Snapshot(rsc.Options{Version: v})
	return s
}

// close ends all lines.
func (p *place) close() {
	p.stop()
	p.lines.Wait()
}

// lined gives a pipe the operator's address.
type lined struct {
	net.Conn
	remote net.Addr
}

func (l lined) RemoteAddr() net.Addr { return l.remote }

func (p *place) dial(ctx context.Context) (apply.Session, error) {
	near, far := net.Pipe()
	line := lined{far, &net.TCPAddr{IP: net.ParseIP(operator), Port: 40000 + int(p.port.Add(1))}}
	p.lines.Go(func() { p.router.ServeConn(p.ctx, line) })
	return api.NewSession(ctx, near, "admin", "secret", api.Options{})
}

// read opens a session, which ends with the lines, and reads the router.
func (p *place) read(ctx context.Context) (apply.Session, routeros.Snapshot) {
	p.t.Helper()
	s, err := p.dial(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	before, err := s.Snapshot(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	return s, before
}

// gatedPlan is the plan of the matrix; rotated has other ports, changed another door and another
// gate; quarantined has a quarantine, and requarantined one with other ports; forwarded has a
// service behind the router, and reforwarded another way to it.
func gatedPlan(t *testing.T, layout plans.Layout, variant string) plans.Plan {
	t.Helper()
	knock, gate, door, opens := "tcp/40100, udp/20100, tcp/30100", "[ssh, winbox, api]", "", "ssh"
	switch variant {
	case "rotated":
		knock = "tcp/41100, udp/21100, tcp/31100"
	case "changed":
		knock, gate = "udp/20100, tcp/30200", "[ssh, winbox, api, www]"
	case "quarantined":
		door = "\n    wrong-knock: quarantine\n    decoys: [tcp/20200]"
	case "requarantined":
		knock, door = "tcp/41100, udp/21100, tcp/31100", "\n    wrong-knock: quarantine\n    quarantine-for: 5m"
	case "forwarded":
		gate, opens = gate+", forwards: [{name: rdp, protocol: tcp, port: 3390, to: 192.168.88.20, to-port: 3389}]", "ssh, rdp"
	case "reforwarded":
		gate += ", forwards: [{name: desk, protocol: tcp, port: 3392, to: 192.168.88.20, to-port: 3389}, {name: web, protocol: tcp, port: 8080, to: 192.168.88.21}]"
		opens = "ssh, desk, web"
	}
	p, err := plans.Read("m.yaml", []byte(`version: 1
name: m
doors:
  a:
    knock: [`+knock+`]
    trusted: {list: t, for: 1h}
    opens: [`+opens+`]`+door+`
allow: {addresses: [198.51.100.7], interface-lists: [LAN]}
gate: {services: `+gate+`}
services: {disable: [telnet]}
firewall: {families: [ipv4, ipv6], layout: `+layout.String()+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// scenario is a change of the matrix: from what to what.
type scenario struct {
	name     string
	from, to string // variants of the plan; "" is none of it
}

func scenarios() []scenario {
	return []scenario{
		{"install", "", "first"}, {"change", "first", "changed"}, {"rotation", "first", "rotated"}, {"removal", "first", ""},
		{"undoing an install", "", undone}, {"undoing a change", "first", undone},
	}
}

// operatorAt is the operator of the matrix's runs.
var operatorAt = change.Management{Service: "api", Operators: []netip.Addr{netip.MustParseAddr(operator)}}

// computeVariant returns the change to a variant of the plan.
func computeVariant(t *testing.T, s routeros.Snapshot, layout plans.Layout, variant string) (change.ChangeSet, error) {
	want, err := wantVariant(t, s, layout, variant)
	if err != nil {
		return change.ChangeSet{}, err
	}
	return diff.Compute(s, want, operatorAt)
}

// undone is the variant of a plan from before the last change.
const undone = "undone"

// compute returns the change to a variant of the plan, or back to the last one.
func (p *place) compute(s routeros.Snapshot, layout plans.Layout, variant string) (change.ChangeSet, error) {
	return p.known.of(question{s, layout, variant}, func() (change.ChangeSet, error) {
		if variant == undone {
			return undo.Changes(s, p.begun, p.done, "m")
		}
		return computeVariant(p.t, s, layout, variant)
	})
}

// question is all that decides about a change, among places that begin alike.
type question struct {
	snapshot routeros.Snapshot
	layout   plans.Layout
	variant  string
}

// answers are the changes that were computed for a trial: most of its cases ask the same. A nil one
// remembers nothing.
type answers struct{ known map[string][]answer }

type answer struct {
	to      question
	changes change.ChangeSet
	err     error
}

func (a *answers) of(q question, compute func() (change.ChangeSet, error)) (change.ChangeSet, error) {
	if a == nil {
		return compute()
	}
	rough := fmt.Sprint(q.snapshot.Clock.UnixNano(), len(q.snapshot.Rules[routeros.Filter]), len(q.snapshot.Active), q.variant)
	for _, known := range a.known[rough] {
		if reflect.DeepEqual(known.to, q) {
			return known.changes, known.err
		}
	}
	c, err := compute()
	a.known[rough] = append(a.known[rough], answer{q, c, err})
	return c, err
}

// wantVariant is what a variant of the plan wants of a router.
func wantVariant(t *testing.T, s routeros.Snapshot, layout plans.Layout, variant string) (compile.RuleSet, error) {
	if variant != "" {
		return compile.Compile(gatedPlan(t, layout, variant), s)
	}
	origin := remove.Origin{Known: true, Services: []remove.Service{{Name: "telnet", What: "disabled", Was: "false", Is: "true"}}}
	return remove.RuleSet(plans.Plan{Name: "m"}, s, remove.Options{Origin: origin}), nil
}

// notBegun is the outcome of a run whose router could not be read, so that there was nothing to
// apply.
const notBegun apply.Outcome = "not begun"

// run brings a place to a variant, over a session of its own.
func (p *place) run(layout plans.Layout, variant string, o apply.Options) apply.Result {
	p.t.Helper()
	return p.runOver(p.dial, layout, variant, o)
}

// runOver is run over sessions of another kind.
func (p *place) runOver(dial func(context.Context) (apply.Session, error), layout plans.Layout, variant string, o apply.Options) apply.Result {
	p.t.Helper()
	s, err := dial(p.ctx)
	if err != nil {
		return apply.Result{Outcome: notBegun, Err: err}
	}
	defer s.Close()
	before, err := s.Snapshot(p.ctx)
	if err != nil {
		return apply.Result{Outcome: notBegun, Err: err}
	}
	c, err := p.compute(before, layout, variant)
	if err != nil {
		p.t.Fatal(err)
	}
	if o.Dial == nil {
		o.Dial = dial
	}
	o.Before, o.Plan, o.Owner = before, "m", "alice@example"
	o.Wanted = func(after routeros.Snapshot) error {
		rest, err := p.compute(after, layout, variant)
		if err == nil && rest.Changed() {
			err = fmt.Errorf("left to do: %s %s", rest.Steps[0].Op, rest.Steps[0].Slot)
		}
		return err
	}
	return apply.Run(p.ctx, s, c, o)
}

// own is the plan's part of a router, without ids; theirs is everybody else's, with ids and order.
func own(s routeros.Snapshot) string {
	var out []string
	for _, f := range routeros.Families() {
		chains := map[string][]string{}
		var names []string
		for _, r := range slices.Concat(s.Rules[f.Filter()], s.Rules[f.NAT()]) {
			if mark, ok := r.Mark(); ok && mark.Plan == "m" {
				if !slices.Contains(names, r.Chain()) {
					names = append(names, r.Chain())
				}
				chains[r.Chain()] = append(chains[r.Chain()], f.String()+" "+r.Canonical().String())
			}
		}
		slices.Sort(names)
		for _, name := range names {
			out = append(out, chains[name]...)
		}
		for _, e := range s.Entries[f.AddressList()] {
			if mark, ok := e.Mark(); ok && mark.Plan == "m" {
				out = append(out, e.List+" "+e.Address)
			}
		}
	}
	telnet, _ := s.Service("telnet")
	return strings.Join(append(out, fmt.Sprint("telnet disabled: ", telnet.Disabled)), "\n")
}

func theirs(s routeros.Snapshot) string { return strings.Join(foreign(s, "m"), "\n") }

// reach is what a stranger and the operator get through to, now.
type reach struct{ stranger, operator string }

func (p *place) reach() reach {
	s := p.router.Snapshot()
	world := p.world.Load().Renew(s)
	p.world.Store(world)
	lists := firewall.NewAddressLists(s, s.Clock)
	to := func(source, in string) string {
		var open []string
		for _, name := range []string{"ssh", "winbox", "api"} {
			service, _ := s.Service(name)
			q := firewall.Packet{
				Protocol: 6, Src: netip.MustParseAddr(source), Dst: netip.MustParseAddr("203.0.113.1"), SrcPort: 40000, DstPort: service.Port,
				InInterface: in, TCPFlags: firewall.SYN, MSS: 1460, TTL: 64, Size: 60,
			}
			if world.Input(q, lists, s.Clock).Verdict == firewall.Accept {
				open = append(open, name)
			}
		}
		for _, port := range []uint16{3390, 3391, 3392} {
			q := firewall.Packet{
				Protocol: 6, Src: netip.MustParseAddr(source), Dst: netip.MustParseAddr("203.0.113.1"), SrcPort: 40000, DstPort: port,
				InInterface: in, TCPFlags: firewall.SYN, MSS: 1460, TTL: 64, Size: 60,
			}
			if in == "ether1" && world.Input(q, lists, s.Clock).Verdict == firewall.Forwarded {
				open = append(open, fmt.Sprint("behind-", port))
			}
		}
		return strings.Join(open, " ")
	}
	return reach{to("93.184.215.14", "ether1"), to(operator, "bridge")}
}

// within reports whether a stranger gets no further than at another time.
func (r reach) within(other reach) bool {
	words := strings.Fields(other.stranger)
	return !slices.ContainsFunc(strings.Fields(r.stranger), func(word string) bool { return !slices.Contains(words, word) })
}

// fault is one kind of fault, at one sentence.
type fault struct {
	name string
	do   func(p *place) sim.Action
	then sim.ActionKind // at every later sentence of the same session
	ends bool           // it may end the protection without undoing anything
	// of is the protection that it ends unnoticed, or makes run at another time; empty for a fault
	// that does not aim at a protection.
	of apply.Protection
}

func faults() []fault {
	kind := func(k sim.ActionKind) func(*place) sim.Action {
		return func(*place) sim.Action { return sim.Action{Kind: k, Message: "failure: something went wrong"} }
	}
	by := func(service, user string, commands ...routeros.Command) func(p *place) sim.Action {
		return func(p *place) sim.Action {
			if err := p.router.AdminVia(service, user, commands...); err != nil && !strings.Contains(err.Error(), "no such item") {
				p.t.Error(err)
			}
			return sim.Action{}
		}
	}
	// ended is safe mode that is ended by somebody who does not hold it.
	ended := func(verb string) func(p *place) sim.Action {
		return by("local", "admin", routeros.NewCommand("/safe-mode/"+verb))
	}
	// taken is safe mode that somebody else holds from here on.
	taken := func(service, user, how string) func(p *place) sim.Action {
		return by(service, user, routeros.NewCommand("/safe-mode/take", "on-error", how))
	}
	clock := func(d time.Duration) func(p *place) sim.Action {
		return func(p *place) sim.Action {
			p.router.ShiftClock(d)
			return sim.Action{}
		}
	}
	admin := func(commands ...routeros.Command) func(p *place) sim.Action {
		return func(p *place) sim.Action {
			if err := p.router.Admin(commands...); err != nil && !strings.Contains(err.Error(), "no such item") {
				p.t.Error(err)
			}
			return sim.Action{}
		}
	}
	overflow := make([]routeros.Command, 101)
	for i := range overflow {
		overflow[i] = routeros.NewCommand("/ip/firewall/filter/set", "numbers", "*5", "comment", "forwarded")
	}
	adds := routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "passthrough", "comment", "new", "place-before", "*3")
	removes := routeros.NewCommand("/ip/firewall/filter/remove", "numbers", "*4")
	return []fault{
		{name: "cut before", do: kind(sim.CutBefore)}, {name: "cut after", do: kind(sim.CutAfter)},
		{name: "stall before", do: kind(sim.StallBefore)}, {name: "stall after", do: kind(sim.StallAfter)},
		{name: "vanish before", do: kind(sim.VanishBefore)}, {name: "vanish after", do: kind(sim.VanishAfter)},
		{name: "trap", do: kind(sim.Trap)}, {name: "garbage", do: kind(sim.Garbage)},
		{name: "half a sentence", do: kind(sim.HalfSentence)}, {name: "drip", do: kind(sim.Drip)},
		{name: "reboot before", do: kind(sim.RebootBefore), ends: true}, {name: "reboot after", do: kind(sim.RebootAfter), ends: true},
		{name: "safe mode overflows", do: admin(overflow...), ends: true},
		{name: "safe mode overflows, then cut", do: admin(overflow...), then: sim.CutBefore, ends: true},
		{name: "another adds", do: admin(adds)},
		{name: "another removes", do: admin(removes)},
		{name: "another removes, then cut", do: admin(removes), then: sim.CutAfter},
		{name: "unrolled by another", do: ended("unroll"), ends: true, of: apply.SafeMode},
		{name: "released by another", do: ended("release"), ends: true, of: apply.SafeMode},
		{name: "taken over and unrolled", do: taken("local", "other", "unroll"), ends: true, of: apply.SafeMode},
		{name: "taken over and kept", do: taken("local", "other", "release"), ends: true, of: apply.SafeMode},
		{name: "taken over under one login", do: taken("winbox", "admin", "unroll"), ends: true, of: apply.SafeMode},
		{name: "dead-man early", do: clock(time.Hour), ends: true, of: apply.DeadMan},
		{name: "dead-man late", do: clock(-time.Hour), ends: true, of: apply.DeadMan},
	}
}

// of leaves the faults that can happen to a protection.
func faultsOf(guard apply.Protection) []fault {
	return slices.DeleteFunc(faults(), func(f fault) bool { return f.of != "" && f.of != guard })
}

// meddles reports whether the fault is somebody else at work.
func (f fault) meddles() bool { return strings.HasPrefix(f.name, "another") }

// trial is one case of the matrix.
type trial struct {
	version string
	layout  plans.Layout
	scenario
	protect apply.Protection
	knobs   sim.Knobs
	start   routeros.Snapshot // where the scenario begins
	begun   routeros.Snapshot // where the change began that it undoes, if it undoes one
	done    change.ChangeSet
	known   *answers
}

// guard is the protection that the router gets.
func (tr trial) guard() apply.Protection {
	if v, _ := routeros.ParseVersion(tr.version); tr.protect == apply.Auto && v.AtLeast(7, 18) {
		return apply.SafeMode
	}
	return apply.DeadMan
}

// changes reports whether the trial leads from one plan to another. Only then can packets meet the
// router as without any plan, if everything that was written vanishes at the moment of the switch.
func (tr trial) changes() bool { return tr.from != "" && tr.to != "" }

// prepare finds out where the scenario begins.
func (tr *trial) prepare(t *testing.T) {
	tr.start, tr.known = opened(tr.version), &answers{map[string][]answer{}}
	if tr.from == "" && tr.to != undone {
		return
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, tr.version, tr.knobs, tr.start)
		defer p.close()
		change := "first"
		if tr.from != "" {
			if got := p.run(tr.layout, tr.from, apply.Options{}); got.Outcome != apply.Changed {
				t.Fatalf("preparing: %s, %v", got.Outcome, got.Err)
			}
			tr.start, change = p.router.Snapshot(), "changed"
		}
		if tr.to != undone {
			return
		}
		var err error
		_, tr.begun = p.read(p.ctx)
		if tr.done, err = computeVariant(t, tr.begun, tr.layout, change); err != nil {
			t.Fatal(err)
		}
		if got := p.run(tr.layout, change, apply.Options{}); got.Outcome != apply.Changed {
			t.Fatalf("preparing: %s, %v", got.Outcome, got.Err)
		}
		tr.start = p.router.Snapshot()
	})
}

func (tr trial) place(t *testing.T) *place {
	p := newPlace(t, tr.version, tr.knobs, tr.start)
	p.begun, p.done, p.known = tr.begun, tr.done, tr.known
	return p
}

// expected is the result of a scenario without a fault.
type expected struct {
	sentences     int
	before, after string   // the plan's part of the router
	proved        []string // what packets meet of it in every state of the proof
	shut          reach
}

// met is what packets meet of the plan.
func met(s routeros.Snapshot) string {
	telnet, _ := s.Service("telnet")
	return strings.Join(append(change.Met(s, "m"), fmt.Sprint("telnet disabled: ", telnet.Disabled)), "\n")
}

// clean runs the scenario without a fault.
func (tr trial) clean(t *testing.T) (e expected) {
	synctest.Test(t, func(t *testing.T) {
		p := tr.place(t)
		defer p.close()
		start := p.router.Snapshot()
		e.before = own(start)
		c, err := p.compute(start, tr.layout, tr.to)
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range changetest.States(t, start, c) {
			e.proved = append(e.proved, met(state))
		}
		p.on(func(sim.Request) sim.Action { e.sentences++; return sim.Action{} })
		if got := p.run(tr.layout, tr.to, apply.Options{Protect: tr.protect}); got.Outcome != apply.Changed {
			t.Fatalf("without a fault: %s, %v", got.Outcome, got.Err)
		}
		p.calm()
		synctest.Wait()
		e.after, e.shut = own(p.router.Snapshot()), p.reach()
		if again := p.run(tr.layout, tr.to, apply.Options{}); again.Outcome != apply.Unchanged {
			t.Fatalf("a second run: %s, %v", again.Outcome, again.Err)
		}
	})
	return e
}

// occurrence is a fault at a sentence, counted from 1 over all sessions of a run.
type occurrence struct {
	fault
	at int
}

// try lets faults happen and checks that the run keeps its promises.
func (tr trial) try(t *testing.T, e expected, trouble ...occurrence) (outcome apply.Outcome) {
	synctest.Test(t, func(t *testing.T) {
		p := tr.place(t)
		defer p.close()
		open, foreignBefore := p.reach(), theirs(p.router.Snapshot())
		n, then := 0, map[int]sim.ActionKind{}
		var problems, exposed []string
		watch := func(when string) { // by the lines one after the other, and after them
			r := p.reach()
			if !r.within(open) && !r.within(e.shut) {
				exposed = append(exposed, fmt.Sprintf("%s a stranger reaches %q", when, r.stranger))
			}
			if r.operator != open.operator {
				problems = append(problems, fmt.Sprintf("%s the operator reaches %q", when, r.operator))
			}
		}
		changed := true
		p.on(func(q sim.Request) sim.Action {
			n++
			reads := strings.HasSuffix(q.Words[0], "/print")
			if changed || !reads { // between two reads of one batch nothing happens
				watch(fmt.Sprint("before sentence ", n))
			}
			changed = !reads
			for _, f := range trouble {
				if n == f.at {
					then[q.Session], changed = f.then, true
					return f.do(p)
				}
			}
			return sim.Action{Kind: then[q.Session]}
		})
		result := p.run(tr.layout, tr.to, apply.Options{Protect: tr.protect})
		outcome = result.Outcome
		p.calm()
		synctest.Wait()
		if said := result.Err != nil && strings.Contains(result.Err.Error(), "as without the plan"); !tr.changes() || !said || !aimed(trouble) {
			problems = append(problems, exposed...)
		}
		seen := len(exposed)
		watch("in the end")
		time.Sleep(20 * time.Minute) // every protection has had its time
		watch("later")
		problems = append(problems, exposed[seen:]...)
		s := p.router.Snapshot()
		problems = append(problems, verdict(result, s, e, trouble)...)
		meddled := slices.ContainsFunc(trouble, func(o occurrence) bool { return o.meddles() })
		if !meddled && theirs(s) != foreignBefore {
			problems = append(problems, "foreign rules are not what they were:\n"+theirs(s)+"\nwere\n"+foreignBefore)
		}
		p.alone()
		if again := p.run(tr.layout, tr.to, apply.Options{}); again.Outcome != apply.Changed && again.Outcome != apply.Unchanged || !alike(own(p.router.Snapshot()), e.after) {
			problems = append(problems, fmt.Sprintf("one more run: %s, %v", again.Outcome, again.Err))
		}
		for _, what := range problems {
			for _, f := range trouble {
				t.Logf("%s at sentence %d", f.name, f.at)
			}
			t.Errorf("%s, %v: %s", result.Outcome, result.Err, what)
		}
	})
	return outcome
}

// alike compares the plan's rows on a router, in either of its two chains: a run that could not
// clean up has left rows in one of them.
func alike(a, b string) bool {
	names := strings.NewReplacer("rosknock-m-b", "rosknock-m-a", "rosknock-m-d", "rosknock-m-c", "rosknock-m.forward-b", "rosknock-m.forward-a")
	return names.Replace(a) == names.Replace(b)
}

// alone lets everybody else leave the router, and the router notices.
func (p *place) alone() {
	for _, user := range []string{"admin", "other"} {
		p.router.AdminLeaves(user)
	}
	time.Sleep(time.Minute)
}

// aimed reports whether something aims at the protection.
func aimed(trouble []occurrence) bool {
	return slices.ContainsFunc(trouble, func(o occurrence) bool { return o.of != "" })
}

// verdict compares the outcome with the router's state: the journal records the outcome. After
// failed or unknown, packets meet one of the states that were proved. After more than one fault,
// the protection still rolls the router back, unless the fault was its loss.
func verdict(result apply.Result, s routeros.Snapshot, e expected, trouble []occurrence) []string {
	is := own(s)
	want := map[apply.Outcome][]string{
		apply.Changed: {e.after}, apply.Reverted: {e.before}, apply.Refused: {e.before}, notBegun: {e.before},
	}[result.Outcome]
	if result.Outcome == apply.Failed || result.Outcome == apply.Unknown {
		is, want = met(s), e.proved
	}
	if result.Outcome == apply.Failed && len(trouble) > 1 && slices.ContainsFunc(trouble, func(o occurrence) bool { return o.ends }) {
		return nil
	}
	if slices.Contains(want, is) && (result.Err == nil) == (result.Outcome == apply.Changed) {
		return nil
	}
	return []string{fmt.Sprintf("the outcome is not the truth, or its error is missing; the plan's part is\n%s\nbefore\n%s\nafter\n%s", is, e.before, e.after)}
}

// trials are the rows of the matrix: each version with its own protection, the newest with a
// dead-man too. Unknown behaviour of routers is set one way for the first two versions and the
// other way for the others.
func trials() []trial {
	harder := sim.Knobs{BootTime: 40 * time.Second, UnrollAfter: 3 * time.Second}
	other := sim.Knobs{RebootUnrolls: true, UnrollKeepsIDs: true, AnchorOnDynamic: true, PrintDefaultTimeout: true, Silence: time.Minute}
	var out []trial
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		for _, s := range scenarios() {
			out = append(out,
				trial{version: "6.49", layout: layout, scenario: s, protect: apply.Auto, knobs: harder},
				trial{version: "7.14", layout: layout, scenario: s, protect: apply.Auto, knobs: other},
				trial{version: "7.20", layout: layout, scenario: s, protect: apply.Auto, knobs: harder},
				trial{version: "7.24", layout: layout, scenario: s, protect: apply.Auto, knobs: other},
				trial{version: "7.24", layout: layout, scenario: s, protect: apply.DeadMan, knobs: harder})
		}
		out = append(out,
			trial{version: "6.49", layout: layout, scenario: scenario{"quarantine", "first", "quarantined"}, protect: apply.Auto, knobs: harder},
			trial{version: "7.20", layout: layout, scenario: scenario{"quarantine rotated", "quarantined", "requarantined"}, protect: apply.Auto, knobs: harder},
			trial{version: "7.24", layout: layout, scenario: scenario{"quarantine removed", "quarantined", ""}, protect: apply.Auto, knobs: other},
			trial{version: "7.14", layout: layout, scenario: scenario{"forward", "first", "forwarded"}, protect: apply.Auto, knobs: harder},
			trial{version: "7.20", layout: layout, scenario: scenario{"another way to a forward", "forwarded", "reforwarded"}, protect: apply.Auto, knobs: harder},
			trial{version: "6.49", layout: layout, scenario: scenario{"forward removed", "forwarded", ""}, protect: apply.Auto, knobs: other})
	}
	return out
}

// TestMatrix: whatever fails at any sentence of a run, a stranger never gets further than before or
// after it, the operator is never locked out, foreign rules are as before, our own are the old or
// the new ones, the outcome is true, and one more run converges. All of it takes minutes:
// ROSKNOCK_MATRIX=1 tries every case, another number N every Nth of each fault, and without it
// every 201st of every third trial is tried.
func TestMatrix(t *testing.T) {
	stride, begun := matrixStride(t, 201), time.Now()
	var mu sync.Mutex
	cases, outcomes, unsettled, offset := map[string]int{}, map[apply.Outcome]int{}, map[string]int{}, 0
	t.Run("all", func(t *testing.T) {
		for _, tr := range some(trials(), 3) {
			offset++
			start := offset % stride
			t.Run(strings.Join([]string{tr.version, string(tr.protect), tr.layout.String(), tr.name}, "/"), func(t *testing.T) {
				t.Parallel()
				tr.prepare(t)
				e := tr.clean(t)
				for k, f := range faultsOf(tr.guard()) {
					for at := 1 + (start+k)%stride; at <= e.sentences && !t.Failed(); at += stride {
						outcome := tr.try(t, e, occurrence{f, at})
						mu.Lock()
						cases[f.name]++
						outcomes[outcome]++
						if outcome == apply.Unknown || outcome == apply.Failed {
							unsettled[fmt.Sprintf("%s: %s", f.name, outcome)]++
						}
						mu.Unlock()
					}
				}
			})
		}
	})
	all := 0
	for _, n := range cases {
		all += n
	}
	t.Logf("the matrix of faults: %d cases in %s; outcomes %v, those unknown or failed %v; of each fault %v", all, time.Since(begun).Round(time.Second), outcomes, unsettled, cases)
}

// matrixStride is of how many cases of a kind one is tried.
func matrixStride(t *testing.T, usual int) int {
	text := os.Getenv("ROSKNOCK_MATRIX")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("ROSKNOCK_MATRIX=%s: want a number, 1 for every case", text)
	}
	return n
}

// some are all trials if ROSKNOCK_MATRIX asks for more than the usual share, otherwise every nth.
func some(all []trial, n int) []trial {
	if os.Getenv("ROSKNOCK_MATRIX") != "" {
		return all
	}
	if testing.Short() {
		n *= 4
	}
	var out []trial
	for i := 0; i < len(all); i += n {
		out = append(out, all[i])
	}
	return out
}

// TestTwoFaults: two random faults in one run: nobody is let in or locked out, and the router ends
// in the old or the new state.
func TestTwoFaults(t *testing.T) {
	times := max(100/matrixStride(t, 50), 1)
	seed := uint64(time.Now().UnixNano())
	for i, tr := range some(trials(), 4) {
		t.Run(strings.Join([]string{tr.version, string(tr.protect), tr.layout.String(), tr.name}, "/"), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			tr.prepare(t)
			e := tr.clean(t)
			kinds := slices.DeleteFunc(faults(), func(f fault) bool { return f.of != "" }) // these come alone, in TestMatrix
			for range times {
				first := 1 + random.IntN(e.sentences)
				trouble := []occurrence{
					{kinds[random.IntN(len(kinds))], first}, {kinds[random.IntN(len(kinds))], first + 1 + random.IntN(e.sentences)},
				}
				if tr.try(t, e, trouble...); t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}
