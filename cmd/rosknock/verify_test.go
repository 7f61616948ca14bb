package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/knock"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

// addressed is one end of a pipe with the addresses of a connection.
type addressed struct {
	net.Conn
	local, remote string
}

func (a addressed) LocalAddr() net.Addr  { return tcpAddr(a.local) }
func (a addressed) RemoteAddr() net.Addr { return tcpAddr(a.remote) }

func tcpAddr(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }

// TestVerifyKnock: a door is tried from outside before the changes are confirmed, and they are
// rolled back when it does not open to its knock, or opens to another.
func TestVerifyKnock(t *testing.T) {
	const here, there = "203.0.113.9:40000", "203.0.113.1:8728"
	tests := map[string]struct {
		play func(r *sim.Router, stages []plans.Stage)
		code exitCode
		says string
		door string // more of it
	}{
		"opens":         {playTo, exitDone, "opens to its knock and to no wrong one", ""},
		"quarantines":   {playTo, exitDone, "opens to its knock and to no wrong one", "    wrong-knock: quarantine\n"},
		"decoys, plain": {playTo, exitDone, "opens to its knock and to no wrong one", "    decoys: [tcp/2000]\n"},
		"nothing arrives": {
			func(*sim.Router, []plans.Stage) {}, exitFailed, "the right knock did not open it", "",
		},
		"opens to anything": {
			func(r *sim.Router, _ []plans.Stage) {
				_ = r.Admin(routeros.NewCommand("/ip/firewall/address-list/remove", "numbers", "*1")) // none at first
				_ = r.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", "trusted", "address", "203.0.113.9", "timeout", "1h"))
			}, exitFailed, "a wrong knock opened it", "",
		},
	}
	for name, test := range tests {
		for _, twice := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					v, _ := routeros.ParseVersion("7.20")
					r := sim.New(sim.Options{Version: v, Users: []sim.User{{Name: "admin", Password: "secret"}}})
					if err := r.Admin(
						routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "accept", "connection-state", "established,related"),
						routeros.NewCommand("/ip/address/add", "address", "203.0.113.1/24", "interface", "ether1")); err != nil && !strings.Contains(err.Error(), "interface") {
						t.Fatal(err)
					}
					if twice && test.code == exitDone { // the operator has knocked before: their entry is renewed
						if err := r.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", "trusted", "address", "203.0.113.9", "timeout", "1w")); err != nil {
							t.Fatal(err)
						}
					}
					var out bytes.Buffer
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					e := env{
						streams: streams{out: &out, err: &out, width: 80},
						now:     time.Now,
						getenv:  func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "secret"}[name] },
						dial: func(context.Context, string, string) (net.Conn, error) {
							near, far := net.Pipe()
							go r.ServeConn(ctx, addressed{far, there, here})
							return addressed{near, here, there}, nil
						},
						knock: func(_ context.Context, host netip.Addr, stages []plans.Stage, _ knock.Options) error {
							if host.String() != "203.0.113.1" {
								t.Errorf("knocked at %s", host)
							}
							test.play(r, stages)
							return nil
						},
					}
					file := filepath.Join(dir, "plan.yaml")
					text := "version: 1\nname: v\ndoors:\n  a:\n    knock: [tcp/41873, udp/17259, tcp/52614]\n    trusted: {list: trusted, for: 7d}\n    opens: [ssh]\n" + test.door
					if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					code := run(ctx, e, []string{"apply", file, "--yes", "--verify-knock", "-r", "203.0.113.1", "--transport", "api", "--state-dir", filepath.Join(dir, "state")})
					said := strings.Join(strings.Fields(out.String()), " ")
					if code != int(test.code) || !strings.Contains(said, test.says) {
						t.Errorf("exit code %d, want %d: %s", code, test.code, said)
					}
					if strings.Contains(said, "41873") {
						t.Error("the knock is told")
					}
					if rules := len(r.Snapshot().Rules[routeros.Filter]); (rules > 1) != (test.code == exitDone) {
						t.Errorf("%d rules are left", rules)
					}
					cancel()
				})
			})
		}
	}
}

// TestVerifyRotation: a rotation that is to be verified keeps its new knocks only when they open the
// door.
func TestVerifyRotation(t *testing.T) {
	const here, there = "203.0.113.9:40000", "203.0.113.1:8728"
	for name, test := range map[string]struct {
		arrives bool
		code    exitCode
		says    string
	}{
		"opens":           {true, exitDone, "opens to its knock and to no wrong one"},
		"nothing arrives": {false, exitFailed, "the right knock did not open it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				v, _ := routeros.ParseVersion("7.20")
				r := sim.New(sim.Options{Version: v, Users: []sim.User{{Name: "admin", Password: "secret"}}})
				check(t, r.Admin(routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "accept", "connection-state", "established,related")))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				file := filepath.Join(dir, "plan.yaml")
				check(t, os.WriteFile(file, []byte("version: 1\nname: v\ndoors:\n  a:\n    rotate: {secret: env:ROTATING, every: 1h, overlap: 10m}\n    trusted: {list: trusted, for: 7d}\n    opens: [ssh]\n"), 0o600))
				rotate := func(arrives bool, more ...string) (int, string) {
					var out bytes.Buffer
					e := env{
						streams: streams{out: &out, err: &out, width: 80}, now: time.Now,
						getenv: func(name string) string {
							return map[string]string{"ROSKNOCK_PASSWORD": "secret", "ROTATING": strings.Repeat("5f0c2a9e7b41d836", 4)}[name]
						},
						dial: func(context.Context, string, string) (net.Conn, error) {
							near, far := net.Pipe()
							go r.ServeConn(ctx, addressed{far, there, here})
							return addressed{near, here, there}, nil
						},
						knock: func(_ context.Context, _ netip.Addr, stages []plans.Stage, _ knock.Options) error {
							if arrives {
								playTo(r, stages)
							}
							return nil
						},
					}
					args := append([]string{"rotate", file, "--yes", "-r", "203.0.113.1", "--transport", "api", "--state-dir", filepath.Join(dir, "state")}, more...)
					code := run(ctx, e, args)
					return code, strings.Join(strings.Fields(out.String()), " ")
				}
				if code, said := rotate(false); code != 0 {
					t.Fatal(said)
				}
				rules := func() string { return fmt.Sprint(r.Snapshot().Rules[routeros.Filter]) }
				before := rules()
				time.Sleep(time.Hour)
				code, said := rotate(test.arrives, "--verify-knock")
				if code != int(test.code) || !strings.Contains(said, test.says) {
					t.Errorf("exit code %d, want %d: %s", code, test.code, said)
				}
				if rotated := rules() != before; rotated != test.arrives {
					t.Errorf("new knocks are there: %t", rotated)
				}
				cancel()
			})
		})
	}
}

// playTo lets the packets of a knock arrive.
func playTo(r *sim.Router, stages []plans.Stage) {
	probes := traffic.NewProbes(r.Snapshot(), routeros.IPv4)
	probes.Source = netip.MustParseAddr("203.0.113.9")
	for i, s := range stages {
		q := probes.Stage("ether1", s)
		q.SrcPort = uint16(40000 + time.Now().UnixMilli()%10000 + int64(i)) // another connection each time
		r.Packet(q)
	}
}
