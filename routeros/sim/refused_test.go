package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

// state is everything that a command may change, as text; not the log, and not what it answers.
func state(r *Router) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire() // what time brings about is no matter of commands
	var b strings.Builder
	for _, m := range slices.Sorted(maps.Keys(r.tables)) {
		t := r.tables[m]
		if m == routeros.Log || len(t.rows) == 0 && t.next == 1 {
			continue
		}
		fmt.Fprintf(&b, "%s, next %d\n", m, t.next)
		for _, w := range t.rows {
			fmt.Fprintf(&b, "  %d %v %t %t %s %s %s %d %q\n", w.id, w.attrs, w.dynamic, w.builtin, w.created, w.until, w.next, w.runs, w.password)
			if w.count != nil {
				fmt.Fprintf(&b, "  %+v\n", *w.count)
			}
		}
	}
	fmt.Fprintf(&b, "%s, clock %s, %d sessions", r.identity, r.clock.shift, len(r.sessions))
	if r.safe != nil {
		fmt.Fprintf(&b, ", safe mode of %s since %d with %d changes", r.safe.owner.user, r.safe.first, r.safe.changes)
	}
	return b.String()
}

// differing shows the lines that two states do not share.
func differing(before, after string) string {
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	var out []string
	for _, line := range was {
		if !slices.Contains(is, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}

// menus lists every menu that the router has.
func menus() []routeros.Menu {
	out := []routeros.Menu{
		routeros.ServiceMenu, routeros.InterfaceMenu, routeros.BridgePorts, routeros.InterfaceLists, routeros.ListMembers, routeros.Identity, routeros.Resource, routeros.Clock,
		routeros.NTPMenu, routeros.Scheduler, routeros.Script, routeros.DeviceMode, routeros.User, routeros.UserActive, routeros.UserGroup, routeros.Log,
		routeros.History, routeros.SafeMode, routeros.Layer7Protocols,
	}
	for _, f := range routeros.Families() {
		out = append(out, f.Filter(), f.NAT(), f.Raw(), f.AddressList(), f.Connection(), f.Address())
	}
	return out
}

// TestRefused: a command that is answered with a trap has changed nothing, whatever menu, verb and
// arguments. What the facts except are lists of which an item is gone, where remove stops
// (routeros-facts § 1.4), and scripts, which stop where they fail.
func TestRefused(t *testing.T) {
	values := []string{
		"", "yes", "no", "maybe", "0", "1", "22", "65536", "tcp", "6", "ospf", "192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32", "input", "accept", "drop",
		"fasttrack-connection", "a", "b", "admin", "other", "full", "read", "read,write", "nobody", "ether1", "all", "LAN", "1m", "40w", "startup", "2000-01-02", "jan/02/2000",
		"10:00:00", "*1", "*2", "*63", "abort", "release", "unroll", "none-dynamic", "established", "api", "telnet", "any", "!192.0.2.1", "x y;z", "\xe9",
	}
	fitting := map[string][]string{
		"name": {"a", "b", "admin", "other", "c"}, "list": {"a", "b", "LAN"}, "address": {"192.0.2.1", "192.0.2.9", ""}, "group": {"full", "read", "nobody"},
		"chain": {"input", ""}, "action": {"accept", "explode"}, "protocol": {"tcp", "ospf"}, "dst-port": {"22", "65536"}, "value-name": {"protocol", "dst-port", "comment"},
		"disabled": {"yes", "no", "maybe"}, "interface": {"ether1", "ether9"}, "place-before": {"*1", "*63"}, "copy-from": {"*1", "*63"}, "start-date": {"2000-01-02", "soon"},
		"policy": {"read", "read,write", "nonsense"}, "date": {"2000-01-02", "soon"}, "time": {"10:00:00", "noon"}, "timeout": {"1m", "40w"},
	}
	value := func(rt *rapid.T, name string) string {
		if fit := fitting[name]; fit != nil && rapid.IntRange(0, 3).Draw(rt, "fits") > 0 {
			return rapid.SampledFrom(fit).Draw(rt, name)
		}
		return rapid.SampledFrom(values).Draw(rt, name)
	}
	selectors := []string{"*1", "*2", "*3", "*63", "*1,*2", "*2,*63", "*1,*3,*63", "*3,*1", "admin", "other", "a", "b", "api", "telnet,www", "0", "7", "", "ether1"}
	rapid.Check(t, func(rt *rapid.T) {
		v := version(rapid.SampledFrom([]string{"6.49", "7.14", "7.24"}).Draw(rt, "version"))
		r := New(Options{Version: v, IPv6Package: true, Users: []User{{Name: "admin"}, {Name: "other", Password: "p", Group: "write"}}})
		s := &session{router: r, number: 1, service: "api"}
		s.queue.wake.L = &s.queue.Mutex
		r.sessions[s] = struct{}{}
		run := func(words ...string) (message string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if _, problem := s.dispatch(s.parse(words)); problem != nil {
				return problem.message
			}
			return ""
		}
		run("/login", "=name=admin", "=password=")
		for _, name := range []string{"a", "b"} {
			run(add("input", "=protocol=tcp", "=dst-port=22", "=comment="+name)...)
			run("/ip/firewall/address-list/add", "=list="+name, "=address=192.0.2.1", "=timeout=1m")
			run("/system/scheduler/add", "=name="+name, "=interval=1m")
			run("/system/script/add", "=name="+name, "=source=/ip firewall")
			run("/interface/list/add", "=name="+name)
			run("/user/group/add", "=name="+name, "=policy=read,write")
		}
		run(add("forward", "=action=fasttrack-connection")...)
		r.loadRow(routeros.InterfaceMenu, "", "name", "ether1", "type", "ether")
		for range rapid.IntRange(1, 150).Draw(rt, "commands") {
			menu := rapid.SampledFrom(menus()).Draw(rt, "menu")
			if rapid.Bool().Draw(rt, "usual") {
				menu = rapid.SampledFrom([]routeros.Menu{routeros.Filter, routeros.AddressList, routeros.Scheduler, routeros.Script, routeros.User}).Draw(rt, "usual menu")
			}
			schema, known := schemaOf(menu)
			if !known {
				rt.Fatalf("no schema of %s", menu)
			}
			verb, _, _ := strings.Cut(rapid.SampledFrom(strings.Fields(schema.verbs)).Draw(rt, "verb"), "@")
			if changes := []string{"add", "set", "unset"}; strings.Contains(schema.verbs, "set") && rapid.Bool().Draw(rt, "changes") {
				verb = rapid.SampledFrom(changes).Draw(rt, "change")
			}
			if verb == "listen" || menu == routeros.UserActive {
				continue // the one has no end, the other may end this session
			}
			words := []string{menu.Verb(verb)}
			one := verb != "remove"
			if verb != "add" && rapid.IntRange(0, 3).Draw(rt, "selected") > 0 {
				selector := rapid.SampledFrom(selectors).Draw(rt, "selector")
				one = one || !strings.Contains(selector, ",")
				words = append(words, "="+rapid.SampledFrom([]string{".id", "numbers"}).Draw(rt, "target")+"="+selector)
			}
			names := strings.Fields(schema.args + " " + schema.addOnly + " " + schema.readOnly + " bogus value-name destination on-error")
			for range rapid.IntRange(0, 3).Draw(rt, "arguments") {
				name, _, _ := strings.Cut(rapid.SampledFrom(names).Draw(rt, "name"), "@")
				words = append(words, "="+rapid.SampledFrom([]string{"", "", "", "", "", "", "!"}).Draw(rt, "not")+name+"="+value(rt, name))
			}
			if verb == "unset" {
				words = append(words, "=value-name="+value(rt, "value-name"))
			}
			if verb == "add" {
				for name := range strings.FieldsSeq(schema.required) {
					words = append(words, "="+name+"="+value(rt, name))
				}
			}
			before := state(r)
			message := run(words...)
			if message == "" {
				continue
			}
			if after := state(r); after != before && (one || verb != "remove") && verb != "run" {
				rt.Fatalf("%q was refused (%s) and changed the router:\n%s", words, message, differing(before, after))
			}
		}
	})
}
