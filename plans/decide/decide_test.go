package decide_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/decide"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// read is all that is known of a router when its decision is made.
type read struct {
	text    string // of the plan
	Plan    plans.Plan
	Router  routeros.Snapshot
	Session change.Management
}

// alone is the decision computed from all that was read, with nothing taken away.
func (r read) alone() decide.Decision {
	return decide.Inputs{Plan: r.Plan, Router: r.Router, Session: r.Session}.Decide()
}

// drawn is a router with rules of others, what it tells of itself, a plan, and a session. On some
// the plan is in place.
func drawn(t *rapid.T) read {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var b strings.Builder
	b.WriteString("# by RouterOS " + one("version", "7.20", "7.24", "6.49") + "\n/interface list\nadd name=LAN\nadd name=WAN\n/interface list member\nadd interface=bridge list=LAN\nadd interface=ether1 list=WAN\n" +
		"/interface wireguard\nadd name=wg listen-port=13231\n/ip address\nadd address=192.0.2.1/24 interface=ether1\nadd address=192.168.88.1/24 interface=bridge\n/ip firewall filter\n" +
		"add chain=input action=accept connection-state=established,related,untracked\n")
	for range rapid.IntRange(0, 6).Draw(t, "rules") {
		b.WriteString("add chain=" + one("chain", "input", "input", "forward") + one("protocol", "", " protocol=tcp dst-port=22", " protocol=tcp dst-port=4711", " protocol=udp") +
			one("matcher", "", " src-address=10.0.0.0/8", " in-interface=ether1", " src-address-list=t", " time=8h-18h,mon", " limit=5,5:packet") +
			one("action", " action=accept", " action=drop", " action=add-src-to-address-list address-list=t address-list-timeout=1h") + "\n")
	}
	if rapid.Bool().Draw(t, "final") {
		b.WriteString("add chain=input action=drop in-interface-list=!LAN\n")
	}
	b.WriteString("/ip firewall nat\n" + one("nat", "", "add chain=dstnat protocol=tcp dst-port=3390 action=dst-nat to-addresses=192.168.88.10 to-ports=3389\n"))
	s, _ := rsc.Read([]byte(b.String())).Snapshot(rsc.Options{})
	s.Identity, s.Serial, s.Board, s.Uptime = "r1", "S1", "CHR", time.Hour
	s.Clock = time.Date(2026, 3, 4, rapid.IntRange(0, 23).Draw(t, "hour"), 30, 0, 0, time.UTC)
	s.Active = []routeros.ActiveUser{{Name: "admin", Address: "10.0.0.9", Via: "api-ssl"}}
	s.Services = append(s.Services, routeros.Service{ID: "*F1", Name: "api-ssl", Port: 8729, Dynamic: true, Connection: true, Local: "192.0.2.1:8729", Remote: "10.0.0.9:5000"})
	s.Entries[routeros.IPv4.AddressList()] = []routeros.ListEntry{
		{ID: "*1", List: one("list", "t", "friends"), Address: "10.0.0.5", Created: "2026-01-01 00:00:00"},
		{ID: "*2", List: "t", Address: "10.0.0.6", Dynamic: true, Timed: true, Timeout: time.Minute, Created: "2026-01-01 00:00:00"},
	}
	s.Peers = []routeros.Peer{{Kind: "wireguard", Interface: "wg", Inner: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/32")}, Endpoint: netip.MustParseAddr("10.0.0.8"), Port: 51820}}
	text := drawnPlan(t)
	p, err := readPlan(text, s)
	if err != nil {
		t.Fatal(err)
	}
	r := read{text, p, s, change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("10.0.0.9")}}}
	if rapid.Bool().Draw(t, "accepted") {
		r.Session.Accepted = []string{change.LoseSession, "exposure"}
	}
	if d := r.alone(); d.Err == nil && rapid.Bool().Draw(t, "in place") {
		r.Router = changetest.After(t, r.Router, *d.Changes)
	}
	return r
}

func drawnPlan(t *rapid.T) string {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	return "version: 1\nname: m\ndoors:\n  a:\n" + one("knock", "    knock: [tcp/4711, udp/4712, tcp/4713]\n", "    knock: [tcp/4711, udp/4712, tcp/4713]\n", "    rotate: {secret: \"env:X\", stages: 3, every: 1h, ahead: 1d}\n") +
		"    trusted: {list: t, for: 1h}\n    opens: " + one("opens", "[ssh]", "[everything]") + "\n" +
		one("allow", "", "allow: {addresses: [10.0.0.9]}\n", "allow: {interface-lists: [LAN]}\n") + "gate: {services: [ssh, winbox, api-ssl]" + one("vpns", "", ", vpns: [wireguard]") +
		one("forwards", "", ", forwards: [{name: rdp, protocol: tcp, port: 3390, to: 192.168.88.10, to-port: 3389}]") + "}\n" + one("services", "", "services: {disable: [telnet]}\n") +
		"firewall: {families: [ipv4], layout: " + one("layout", "chain", "inline") + "}\n"
}

// readPlan reads a plan, with its knocks for a router.
func readPlan(text string, s routeros.Snapshot) (plans.Plan, error) {
	p, err := plans.Read("m.yaml", []byte(text))
	if err == nil {
		p, err = sequence.Standing(p, s.Identity, s.Clock, func(plans.Credential) (string, error) { return "0123456789abcdef", nil })
	}
	return p, err
}

// otherPlan is a plan with one word changed, or the same where that is no plan.
func otherPlan(t *rapid.T, r read) (read, string) {
	words := rapid.SampledFrom([][]string{
		{"4711", "4721"}, {"udp/4712", "tcp/4712"}, {"for: 1h", "for: 2h"}, {"list: t", "list: friends"}, {"[ssh]", "[winbox]"}, {"10.0.0.9", "10.0.0.8"}, {"LAN", "WAN"},
		{"[ssh, winbox", "[ssh"}, {"[wireguard]", "[ipsec]"}, {"port: 3390", "port: 3391"}, {"192.168.88.10", "192.168.88.11"}, {"telnet", "ftp"}, {"chain}", "inline}"}, {"inline}", "chain}"}, {"every: 1h", "every: 2h"}, {"name: m", "name: n"},
	}).Draw(t, "words")
	r.text = strings.Replace(r.text, words[0], words[1], 1)
	if p, err := readPlan(r.text, r.Router); err == nil {
		r.Plan = p
	}
	return r, ".Plan." + words[0]
}

// changed is what was read with one value of it changed, anywhere in the plan, the router or the
// session.
func changed(t *rapid.T, r read) (other read, where string) {
	if rapid.IntRange(0, 3).Draw(t, "plan") == 0 {
		return otherPlan(t, r)
	}
	// A plan is valid once it is read, and must stay so.
	type rest struct {
		Router  routeros.Snapshot
		Session change.Management
	}
	from := clone(rest{r.Router, r.Session})
	all := leaves(&from)
	l := all[rapid.IntRange(0, len(all)-1).Draw(t, "where")]
	to := slices.DeleteFunc(l.others(), func(v any) bool { // no reader makes an address without a network
		network, is := v.(netip.Prefix)
		return is && !network.IsValid()
	})
	if words := []string{"t", "input", "drop", "accept", "ether1", "WAN", "22", "4711", "10.0.0.0/8", "true", "udp"}; l.value.Kind() == reflect.String {
		for _, word := range words {
			to = append(to, reflect.ValueOf(word).Convert(l.value.Type()).Interface())
		}
	}
	if len(to) > 0 {
		l.set(reflect.ValueOf(rapid.SampledFrom(to).Draw(t, "to")))
	}
	return read{r.text, r.Plan, from.Router, from.Session}, l.path
}

// clone shares no memory with what it was made from.
func clone[T any](from T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	copied(out, reflect.ValueOf(from))
	return out.Interface().(T) //nolint:forcetypeassert // it was made of this type
}

func copied(to, from reflect.Value) {
	switch {
	case from.Kind() == reflect.Struct && !whole(from.Type()):
		for i := range from.NumField() {
			copied(to.Field(i), from.Field(i))
		}
	case from.Kind() == reflect.Slice && !from.IsNil():
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			copied(to.Index(i), from.Index(i))
		}
	case from.Kind() == reflect.Map && !from.IsNil():
		to.Set(reflect.MakeMap(from.Type()))
		for _, key := range from.MapKeys() {
			value := reflect.New(from.Type().Elem()).Elem()
			copied(value, from.MapIndex(key))
			to.SetMapIndex(key, value)
		}
	case from.Kind() == reflect.Pointer && !from.IsNil():
		to.Set(reflect.New(from.Type().Elem()))
		copied(to.Elem(), from.Elem())
	default:
		to.Set(from)
	}
}

// same reports whether two decisions are the same in all that they hold.
func same(a, b decide.Decision) bool {
	return told(a.Err) == told(b.Err) && reflect.DeepEqual(a.Changes, b.Changes) && reflect.DeepEqual(a.Proof, b.Proof) && reflect.DeepEqual(a.Findings, b.Findings)
}

// told is an error with its type and all that it holds.
func told(err error) string { return fmt.Sprintf("%T %+v %v", err, err, err) }

// TestSharedIsComputed: of two routers that differ in one value, each gets the decision that is
// computed for it alone from all that was read, whatever the other one got before. The change set
// from the same memory is the same too.
func TestSharedIsComputed(t *testing.T) {
	shared, differ, parts := 0, 0, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		first := drawn(t)
		second, where := changed(t, first)
		memory := decide.NewShared()
		one := memory.Decide(decide.See(first.Plan, first.Router, first.Session))
		got := memory.Decide(decide.See(second.Plan, second.Router, second.Session))
		a, b := first.alone(), second.alone()
		if !same(one, a) {
			t.Fatalf("the shared decision is\n%s\nalone it is\n%s", show(one), show(a))
		}
		if !same(got, b) {
			t.Fatalf("with another %s the shared decision is\n%s\nalone it is\n%s", where, show(got), show(b))
		}
		steps, err := memory.Steps(decide.See(second.Plan, second.Router, second.Session))
		if want, wantErr := (decide.Inputs{Plan: second.Plan, Router: second.Router, Session: second.Session}).Steps(); !reflect.DeepEqual(steps, want) || told(err) != told(wantErr) {
			t.Fatalf("with another %s the shared steps are\n%v %v\nalone they are\n%v %v", where, steps, err, want, wantErr)
		}
		if decide.See(first.Plan, first.Router, first.Session).Key() == decide.See(second.Plan, second.Router, second.Session).Key() {
			shared++
		}
		if !same(a, b) {
			differ++
		}
		parts[strings.Split(where, ".")[1]]++
	})
	t.Logf("%d of the pairs shared a decision, %d needed different ones; changed were %v", shared, differ, parts)
	if shared == 0 || differ == 0 {
		t.Error("the routers don't suit the test")
	}
}

func show(d decide.Decision) string {
	return fmt.Sprintf("%+v\n%+v\n%+v\n%v", d.Changes, d.Proof, d.Findings, d.Err)
}

// TestSharedAtOnce: many routers ask at once, some alike; each gets its own decision, and what one
// does with it reaches no other.
func TestSharedAtOnce(t *testing.T) {
	s, _ := rsc.Read([]byte("# by RouterOS 7.20\n/interface list\nadd name=LAN\n/interface list member\nadd interface=bridge list=LAN\n/ip address\nadd address=192.0.2.1/24 interface=ether1\n" +
		"/ip firewall filter\nadd chain=input action=drop in-interface-list=!LAN\n")).Snapshot(rsc.Options{})
	plan := func(port int) plans.Plan {
		p, err := plans.Read("m.yaml", fmt.Appendf(nil, "version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/%d, udp/4712]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\nallow: {addresses: [10.0.0.9]}\ngate: {services: [ssh]}\nfirewall: {families: [ipv4]}\n", port))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	memory := decide.NewShared()
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			in := decide.See(plan(4000+i%3), s, change.Management{})
			want, got := in.Decide(), memory.Decide(in)
			if !same(want, got) {
				t.Errorf("router %d: %s instead of %s", i, show(got), show(want))
			}
			got.Changes.Notes = append(got.Changes.Notes, fmt.Sprint("of router ", i))
			got.Changes.Steps = append(got.Changes.Steps, change.Step{Slot: fmt.Sprint(i)})
			got.Proof.Notes = append(got.Proof.Notes, "own")
			got.Findings = append(got.Findings, got.Findings...)
		})
	}
	all.Wait()
}
