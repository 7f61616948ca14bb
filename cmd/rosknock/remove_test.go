package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

const takenOver = `version: 1
name: office
doors:
  admin:
    knock: [tcp/41873, udp/17259, tcp/52614]
    trusted: {list: trusted, for: 1h}
    opens: [ssh]
allow: {interface-lists: [LAN]}
firewall: {families: [ipv4], layout: inline}
`

// TestGivenBack: a rule that a plan took over from somebody is given back to them with the comment
// that it had, also with bytes that are no UTF-8. One that does something else by now goes with the
// plan. An undo takes over the one and brings back the other.
func TestGivenBack(t *testing.T) {
	for _, protect := range []string{"safe-mode", "dead-man"} {
		t.Run(protect, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "office.yaml")
			if err := os.WriteFile(file, []byte(takenOver), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			e := env{streams: streams{out: &out, err: &out, width: 80}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string {
				return map[string]string{"ROSKNOCK_PASSWORD": "x"}[name]
			}}
			routers, err := openRouters(access{e, settings{login: login{User: "admin"}}}, simOptions{listen: "127.0.0.1:0", count: 1, version: "7.20"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan error)
			go func() { served <- routers[0].router.Serve(ctx, routers[0].listener) }()
			defer func() { cancel(); <-served }()
			address := routers[0].listener.Addr().String()
			rosknock := func(args ...string) {
				t.Helper()
				out.Reset()
				if code := run(ctx, e, append(args, "--yes", "--state-dir", dir, "-r", address, "--transport", "api")); code != 0 {
					t.Fatalf("%s: exit code %d\n%s", args[0], code, out.String())
				}
			}
			rosknock("apply", file)
			const mine, other = "my \xe9 own", "another"
			takeOver(t, dir, address, routers[0].router, mine, other)
			before := routers[0].router.Snapshot()

			rosknock("remove", file, "--protect", protect)
			if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), "existed before the plan, but was changed since") {
				t.Errorf("nothing says that a rule goes:\n%s", out.String())
			}
			after := comments(routers[0].router)
			if slices.ContainsFunc(after, func(c string) bool { return strings.Contains(c, "[rosknock ") }) || !slices.Contains(after, mine) || slices.Contains(after, other) {
				t.Errorf("%q", after)
			}
			rosknock("undo", "--protect", protect)
			if is := comments(routers[0].router); !slices.Equal(is, commentsOf(before)) {
				t.Errorf("%q\nwas\n%q", is, commentsOf(before))
			}
		})
	}
}

// takeOver makes it look as if the plan had taken over two rules, of which the second was changed
// since.
func takeOver(t *testing.T, stateDir, address string, router *sim.Router, names ...string) {
	t.Helper()
	dir, err := state.Open(stateDir)
	if err != nil {
		t.Fatal(err)
	}
	record := state.Record{Event: state.Begin, Command: "apply", Address: address, Plan: "office", Change: "20261121-000000-0000"}
	for i, name := range names {
		marked := routeros.Mark{Plan: "office", Slot: "a/extra"}.Comment(name)
		if err := router.Admin(routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "passthrough", "protocol", "tcp", "dst-port", "9", "comment", marked)); err != nil {
			t.Fatal(err)
		}
		rows := router.Snapshot().Rules[routeros.Filter]
		rule := rows[len(rows)-1]
		known, err := dir.RuleFingerprint(rule)
		if err != nil {
			t.Fatal(err)
		}
		record.Touched = append(record.Touched, state.Touched{
			Path: string(routeros.Filter), ID: rule.ID, What: "comment", Was: state.Text(name), Is: state.Text(marked), Fingerprint: known,
		})
		if i == 0 {
			continue
		}
		if err := router.Admin(routeros.NewCommand("/ip/firewall/filter/set", "numbers", rule.ID, "dst-port", "10")); err != nil {
			t.Fatal(err)
		}
	}
	end := record
	end.Event, end.Outcome = state.End, "changed"
	for _, r := range []state.Record{record, end} {
		if err := dir.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

func comments(router *sim.Router) []string { return commentsOf(router.Snapshot()) }

func commentsOf(s routeros.Snapshot) []string {
	var out []string
	for _, r := range s.Rules[routeros.Filter] {
		out = append(out, r.Comment())
	}
	return out
}
