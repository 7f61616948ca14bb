package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
)

// box is an address at which a router answers. It becomes another one by an upgrade, or by what
// comes and goes of itself.
type box struct {
	t            *testing.T
	router       atomic.Pointer[sim.Router]
	address, dir string
	out          bytes.Buffer
}

func newBox(t *testing.T, version string, export []byte) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir()}
	b.load(version, func(v routeros.Version) routeros.Snapshot {
		s, _ := rsc.Read(export).Snapshot(rsc.Options{Version: v})
		return s
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var lines sync.WaitGroup
	lines.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			lines.Go(func() { b.router.Load().ServeConn(ctx, conn) })
		}
	})
	t.Cleanup(func() { cancel(); _ = listener.Close(); lines.Wait() })
	return b
}

func (b *box) load(version string, of func(routeros.Version) routeros.Snapshot) {
	b.t.Helper()
	v, err := routeros.ParseVersion(version)
	if err != nil {
		b.t.Fatal(err)
	}
	s := fitting(of(v), v)
	r := sim.New(sim.Options{Version: v, Serial: "HX1", IPv6Package: s.HasMenu(routeros.Filter6), Users: []sim.User{{Name: "admin", Password: "secret"}}})
	if err := r.Load(s); err != nil {
		b.t.Fatal(err)
	}
	b.router.Store(r)
}

// becomes lets the router be of another version after its next start, with its configuration, or
// another in a few rows.
func (b *box) becomes(version string, changed func(*routeros.Snapshot)) {
	b.t.Helper()
	b.load(version, func(routeros.Version) routeros.Snapshot {
		s := b.router.Load().Snapshot()
		if changed != nil {
			changed(&s)
		}
		return s
	})
}

// rosknock runs a command line in this process, for this router, and returns its exit code.
func (b *box) rosknock(args ...string) int {
	b.out.Reset()
	e := env{streams: streams{out: &b.out, err: &b.out, width: 200}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string {
		return map[string]string{"ROSKNOCK_PASSWORD": "secret"}[name]
	}}
	for i, a := range args {
		if strings.HasSuffix(a, ".yaml") || strings.HasSuffix(a, ".json") {
			args[i] = filepath.Join(b.dir, a)
		}
	}
	return run(b.t.Context(), e, append(args, "--state-dir", filepath.Join(b.dir, "state"), "-r", b.address, "--transport", "api"))
}

// plan writes a plan of the fixtures in a layout.
func (b *box) plan(name, layout string) {
	b.t.Helper()
	text, err := fixtures.Plan(name)
	if err != nil {
		b.t.Fatal(err)
	}
	other := map[string]string{"chain": "inline", "inline": "chain"}[layout]
	text = bytes.ReplaceAll(text, []byte("layout: "+other), []byte("layout: "+layout))
	if err := os.WriteFile(filepath.Join(b.dir, name), text, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// meaning is what is on a router, by its meaning: every version prints it in its own way.
func meaning(s routeros.Snapshot) string {
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			for _, r := range s.Rules[menu] {
				if !r.Dynamic {
					out = append(out, fmt.Sprint(menu, " ", r.Canonical().Without("hw-offload")))
				}
			}
		}
		for _, e := range s.Entries[f.AddressList()] {
			out = append(out, fmt.Sprint(f, e.Key(), e.Comment, e.Disabled))
		}
	}
	for _, svc := range s.Services {
		if !svc.Dynamic && svc.Name != "reverse-proxy" {
			out = append(out, fmt.Sprint(svc.Name, svc.Port, svc.Disabled, routeros.Canonical("available-from", routeros.JoinPrefixes(svc.From))))
		}
	}
	return strings.Join(out, "\n")
}

// upgrades are the ways from one generation of RouterOS to another: the IPv6 package becomes a
// part, times are printed in another form, safe mode comes, services name their sources in another
// attribute, an attribute of rules goes.
func upgrades() [][2]string {
	return [][2]string{{"6.49", "7.14"}, {"7.14", "7.24"}, {"7.20", "7.24"}}
}

// TestUndoAfterUpgrade: what was applied on one version is undone on another.
func TestUndoAfterUpgrade(t *testing.T) {
	for _, way := range upgrades() {
		for _, layout := range []string{"chain", "inline"} {
			t.Run(way[0]+" to "+way[1]+" "+layout, func(t *testing.T) {
				t.Parallel()
				v, _ := routeros.ParseVersion(way[0])
				export, err := fixtures.Router(defaultConfiguration(v))
				if err != nil {
					t.Fatal(err)
				}
				// Before the plan the services answer some sources already.
				export = append(export, "\n/ip service set winbox address=10.0.0.0/8,192.0.2.1/32\n/ip service set ssh port=2022\n"...)
				for name, changed := range map[string]func(*routeros.Snapshot){"ids stay": nil, "ids are given anew": renumbered} {
					b := newBox(t, way[0], export)
					before := meaning(b.router.Load().Snapshot())
					b.plan("branch.yaml", layout)
					for _, command := range [][]string{{"apply", "branch.yaml", "--yes"}, {"undo", "--yes"}} {
						if code := b.rosknock(command...); code != 0 {
							t.Fatalf("%s: %v: %d, %s", name, command, code, b.out.String())
						}
						b.becomes(way[1], changed)
					}
					if after := meaning(b.router.Load().Snapshot()); after != before {
						t.Errorf("%s: the router is\n%s\nand was\n%s", name, after, before)
					}
				}
			})
		}
	}
}

// renumbered lets the router give every row another id, as one does that was set up anew from its
// backup.
func renumbered(s *routeros.Snapshot) {
	for _, rows := range s.Rules {
		for i := range rows {
			rows[i].ID = ""
		}
	}
	for _, rows := range s.Entries {
		for i := range rows {
			rows[i].ID = ""
		}
	}
}

// TestSavedBeforeUpgrade: changes that were computed for one version are not carried out on
// another.
func TestSavedBeforeUpgrade(t *testing.T) {
	for _, way := range upgrades() {
		v, _ := routeros.ParseVersion(way[0])
		export, err := fixtures.Router(defaultConfiguration(v))
		if err != nil {
			t.Fatal(err)
		}
		b := newBox(t, way[0], export)
		b.plan("branch.yaml", "chain")
		if code := b.rosknock("diff", "branch.yaml", "--save", "tonight.json"); code != 0 {
			t.Fatalf("%d, %s", code, b.out.String())
		}
		b.becomes(way[1], nil)
		before := meaning(b.router.Load().Snapshot())
		code := b.rosknock("apply", "--changes", "tonight.json", "--yes")
		if text := b.out.String(); code != int(exitMoved) || !strings.Contains(text, "RouterOS "+way[0]) || !strings.Contains(text, "has "+way[1]) {
			t.Errorf("%s to %s: %d, %s", way[0], way[1], code, text)
		}
		if meaning(b.router.Load().Snapshot()) != before {
			t.Errorf("%s to %s: refused, and yet the router changed", way[0], way[1])
		}
	}
}

// TestSavedAndDynamicRows: what comes and goes by itself between diff --save and apply --changes is
// no change of the router, in no menu; what somebody does is.
func TestSavedAndDynamicRows(t *testing.T) {
	export, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	menus := map[string]func(s *routeros.Snapshot, dynamic bool){
		"an address": func(s *routeros.Snapshot, dynamic bool) {
			s.Addresses = append(s.Addresses, routeros.InterfaceAddress{Prefix: netip.MustParsePrefix("203.0.113.77/24"), Interface: "ether1", Dynamic: dynamic})
		},
		"an address of IPv6": func(s *routeros.Snapshot, dynamic bool) {
			s.Addresses = append(s.Addresses, routeros.InterfaceAddress{Prefix: netip.MustParsePrefix("2001:db8:1::77/64"), Interface: "ether1", Dynamic: dynamic})
		},
		"an interface": func(s *routeros.Snapshot, dynamic bool) {
			s.Interfaces = append(s.Interfaces, routeros.Interface{Name: "<l2tp-ann>", Type: "l2tp-in", Dynamic: dynamic})
		},
		"a member": func(s *routeros.Snapshot, dynamic bool) {
			s.Interfaces = append(s.Interfaces, routeros.Interface{Name: "<l2tp-ann>", Type: "l2tp-in", Dynamic: true})
			s.ListMembers = append(s.ListMembers, routeros.ListMember{List: "WAN", Interface: "<l2tp-ann>", Dynamic: dynamic})
		},
		"an interface list": func(s *routeros.Snapshot, dynamic bool) {
			s.InterfaceLists = append(s.InterfaceLists, routeros.InterfaceList{Name: "CLIENTS", Dynamic: dynamic})
		},
	}
	for _, f := range routeros.Families() {
		for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			menus["a rule of "+string(m)] = func(s *routeros.Snapshot, dynamic bool) {
				rule := routeros.NewRule("chain", "output", "action", "passthrough", "comment", "by itself")
				rule.Dynamic = dynamic
				s.Rules[m] = append(s.Rules[m], rule)
			}
		}
		menus["an entry of "+f.String()] = func(s *routeros.Snapshot, dynamic bool) {
			address := map[routeros.Family]string{routeros.IPv4: "203.0.113.9", routeros.IPv6: "2001:db8::9"}[f]
			s.Entries[f.AddressList()] = append(s.Entries[f.AddressList()], routeros.ListEntry{List: "clients", Address: address, Dynamic: dynamic})
		}
	}
	for name, add := range menus {
		for _, way := range []string{"comes", "goes"} {
			for _, dynamic := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s, dynamic %t", name, way, dynamic), func(t *testing.T) {
					t.Parallel()
					b := newBox(t, "7.20", export)
					bare := b.router.Load().Snapshot()
					first, second := func(s *routeros.Snapshot) { *s = bare }, func(s *routeros.Snapshot) { *s = bare; s.Rules, s.Entries = cloned(bare); add(s, dynamic) }
					if way == "goes" {
						first, second = second, first
					}
					b.becomes("7.20", first)
					b.plan("seed.yaml", "chain")
					if code := b.rosknock("diff", "seed.yaml", "--save", "tonight.json"); code != 0 {
						t.Fatalf("%d, %s", code, b.out.String())
					}
					b.becomes("7.20", second)
					want := map[bool]int{true: int(exitDone), false: int(exitMoved)}[dynamic]
					if code := b.rosknock("apply", "--changes", "tonight.json", "--yes"); code != want {
						t.Errorf("exit code %d, not %d: %s", code, want, b.out.String())
					}
				})
			}
		}
	}
}

// cloned are the tables of a snapshot, to be changed apart from it.
func cloned(s routeros.Snapshot) (rules map[routeros.Menu][]routeros.Rule, entries map[routeros.Menu][]routeros.ListEntry) {
	rules, entries = map[routeros.Menu][]routeros.Rule{}, map[routeros.Menu][]routeros.ListEntry{}
	for m, rows := range s.Rules {
		rules[m] = slices.Clone(rows)
	}
	for m, rows := range s.Entries {
		entries[m] = slices.Clone(rows)
	}
	return rules, entries
}
