//go:build linux

package lab_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
)

// TestDoorLab: doors as rosknock lays them, in the kernel, with OpenSSH behind, open to the knock
// and to nothing else. Every house is a router of its own.
func TestDoorLab(t *testing.T) {
	y := openYard(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, yard)
	}{
		{"the sweeps", testSweeps}, // first, for they keep time: the others wait until they are over
		{"a sweep that comes in", testSweepComesIn},
		{"open and shut again", testOpenAndShut},
		{"the plans of the fixtures", testFixturePlans},
		{"ProxyCommand", testProxyCommand},
		{"wrong knocks", testWrongKnocks},
		{"quarantine", testQuarantine},
		{"all protocols", testAllProtocols},
		{"a forwarded port", testForward},
		{"a day of knocks", testAhead},
		{"other clients", testOtherClients},
		{"a hundred sources", testHundredSources},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(test.name, "sweep") {
				t.Parallel()
			}
			test.run(t, y)
		})
	}
}

// usual is a knock of three stages.
const usual = "tcp/33517, udp/22860, tcp/41923"

// planFor is a plan with one door, admin, to which lines may be added.
func planFor(knock string, lines ...string) string {
	text := "version: 1\nname: lab\ndoors:\n  admin:\n    knock: [" + knock + "]\n    opens: [ssh]\n"
	for _, line := range lines {
		text += "    " + line + "\n"
	}
	return text + "gate: {services: [ssh, winbox]}\n"
}

const (
	short = "trusted: {list: trusted, for: 6s}"
	long  = "trusted: {list: trusted, for: 1h}"

	decoys = "decoys: [tcp/3391, udp/30112, tcp/37250]"
)

// pairs are the two ways to the router, each with an address of the client.
func pairs() [][2]string { return [][2]string{{client4, house4}, {client6, house6}} }

// testOpenAndShut: shut before the knock, open after it, and shut again when the time of the
// trusted is over, which nothing but another knock begins anew.
func testOpenAndShut(t *testing.T, y yard) {
	h := y.build(t, planFor(usual, short))
	for _, pair := range pairs() {
		from, to := pair[0], pair[1]
		if code, said := h.ssh(t, to); code != 255 || !strings.Contains(said, "timed out") {
			t.Errorf("ssh to %s before the knock: exit code %d: %s", to, code, said)
		}
		before := time.Now()
		h.opens(t, "at first", from, to)
		after := time.Now()
		if code, said := h.ssh(t, to); code != 0 || said != "hello\n" {
			t.Errorf("ssh to %s after the knock: exit code %d: %s", to, code, said)
		}
		h.leaves(t, "trusted", from)
		if time.Since(before) < 6*time.Second || time.Since(after) > 7*time.Second {
			t.Errorf("%s was trusted for %s to %s, not for 6s", from, time.Since(after), time.Since(before))
		}
		h.shut(t, "after the time of the trusted", from, to)
		if code, said := h.ssh(t, to); code != 255 || !strings.Contains(said, "timed out") {
			t.Errorf("ssh to %s after the time of the trusted: exit code %d: %s", to, code, said)
		}
	}
}

// testFixturePlans: the example plans open to their knock and not to it backwards, in both layouts.
func testFixturePlans(t *testing.T, y yard) {
	for _, test := range []struct{ name, old, changed, knock string }{
		{"seed.yaml", "", "", "tcp/11111, tcp/22222, tcp/33333"},
		{"inline.yaml", "", "", "tcp/11111, tcp/22222, tcp/33333"},
		{"minimal.yaml", "", "", "tcp/52614, udp/17259, tcp/41873"},
		{"quarantine.yaml", "", "", "udp/29074, tcp/41923, udp/22860, tcp/33517"},
		{"quarantine.yaml", "firewall:", "firewall:\n  layout: inline", "udp/29074, tcp/41923, udp/22860, tcp/33517"},
	} {
		data, err := fixtures.Plan(test.name)
		check(t, "fixture", err)
		text := strings.Replace(string(data), test.old, test.changed, 1)
		h := y.build(t, text)
		const other = "198.18.9.1"
		give(t, handle(t, h.client), other)
		h.shut(t, test.name, client4, house4)
		if h.knock(t, h.write(t, "backwards.yaml", planFor(test.knock, long)), other, house4, "--then-wait", "300ms") {
			t.Errorf("%s: it opens to the knock backwards", test.name)
		}
		h.opens(t, test.name, client4, house4)
		h.shut(t, test.name, other, house4)
	}
}

// testProxyCommand: ssh knocks by itself.
func testProxyCommand(t *testing.T, y yard) {
	h := y.build(t, planFor(usual, long))
	for _, pair := range pairs() {
		h.shut(t, "at first", "", pair[1])
		proxy := "ProxyCommand=" + h.file("rosknock") + " knock " + h.plan + " --door admin --connect %h:%p --quiet --delay 20ms"
		if code, said := h.ssh(t, pair[1], "-o", proxy, "-o", "ConnectTimeout=20"); code != 0 || said != "hello\n" {
			t.Errorf("ssh to %s: exit code %d: %s", pair[1], code, said)
		}
	}
}

// testWrongKnocks: what is not the knock does not open. Each from a source of its own, for the
// stages remember.
func testWrongKnocks(t *testing.T, y yard) {
	h := y.build(t, planFor(usual, long, "stage-timeout: 2s"))
	client := handle(t, h.client)
	for i, wrong := range []struct {
		name, knock string
		more        []string
	}{
		{"backwards", "tcp/41923, udp/22860, tcp/33517", nil},
		{"the last two changed", "tcp/33517, tcp/41923, udp/22860", nil},
		{"the first missing", "udp/22860, tcp/41923", nil},
		{"the second missing", "tcp/33517, tcp/41923", nil},
		{"the last missing", "tcp/33517, udp/22860", nil},
		{"another protocol", "tcp/33517, tcp/22860, tcp/41923", nil},
		{"the port beside", "tcp/33517, udp/22861, tcp/41923", nil},
		{"too slow", usual, []string{"--delay", "2300ms"}},
	} {
		from := fmt.Sprintf("198.18.2.%d", i+1)
		give(t, client, from)
		plan := h.write(t, "wrong.yaml", planFor(wrong.knock, long, "stage-timeout: 1m"))
		if h.knock(t, plan, from, house4, append(wrong.more, "--then-wait", "300ms")...) {
			t.Errorf("%s: it opens", wrong.name)
		}
		h.shut(t, wrong.name, from, house4)
	}
	if in := h.members(t, routeros.IPv4, "trusted"); len(in) > 0 {
		t.Errorf("trusted: %v", in)
	}
	h.opens(t, "after the wrong ones", client4, house4)
}

// touch sends one packet to a port, as a stage is written.
func touch(from, stage string) error {
	network, port, _ := strings.Cut(stage, "/")
	d := net.Dialer{Timeout: 50 * time.Millisecond, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	if network == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(from)}
	}
	to := house4
	if strings.Contains(from, ":") {
		to = house6
	}
	c, err := d.Dial(network, net.JoinHostPort(to, port))
	if network == "tcp" {
		return nil // nobody answers
	}
	if err == nil {
		defer c.Close()
		_, err = c.Write([]byte("knock"))
	}
	return err
}

// testQuarantine: a source that touches a decoy or a stage out of turn knocks in vain until its
// quarantine is over. All other sources are unaffected.
func testQuarantine(t *testing.T, y yard) {
	const list = "rosknock-lab-admin-quarantine"
	h := y.build(t, planFor(usual, long, "stage-timeout: 2s", "wrong-knock: quarantine", decoys, "quarantine-for: 6s"))
	client := handle(t, h.client)
	var wait sync.WaitGroup
	defer wait.Wait()
	for i, stage := range []string{"tcp/3391", "udp/30112", "udp/22860", "tcp/41923"} {
		for _, network := range []string{"198.18.3.%d", "2001:db8::3:%d"} {
			from, to, family := fmt.Sprintf(network, i+1), house4, routeros.IPv4
			if strings.Contains(from, ":") {
				to, family = house6, routeros.IPv6
			}
			give(t, client, from)
			within(t, h.client, func() error { return touch(from, stage) })
			start := time.Now()
			if _, in := h.members(t, family, list)[addr(from)]; !in {
				t.Errorf("%s touched %s and is not in quarantine", from, stage)
			}
			if h.knock(t, h.plan, from, to, "--then-wait", "300ms") {
				t.Errorf("%s touched %s, and the right knock after it opens", from, stage)
			}
			h.shut(t, "in quarantine", from, to)
			wait.Go(func() {
				time.Sleep(time.Until(start.Add(6200 * time.Millisecond)))
				h.opens(t, "after the quarantine for "+stage, from, to)
			})
		}
	}
	h.opens(t, "without a wrong knock", client4, house4)
}

// testAllProtocols: stages of TCP, UDP and ICMP with and without a payload, and what is only nearly
// the same.
func testAllProtocols(t *testing.T, y yard) {
	const mixed = `tcp/33517, {protocol: udp, port: 22860, payload: {secret: "env:WORD"}}, {protocol: icmp, size: 245}, ` +
		`{protocol: icmp, size: %d, payload: {secret: "env:PHRASE"}}, udp/29074`
	h := y.build(t, planFor(fmt.Sprintf(mixed, 318), long), "WORD=simsalabim", "PHRASE=open-sesame")
	client := handle(t, h.client)
	wrong := h.write(t, "size.yaml", planFor(fmt.Sprintf(mixed, 317), long))
	for i, try := range []struct {
		name, plan string
		env        []string
		opens      bool
	}{
		{"another word", h.plan, []string{"WORD=abrakadabra", "PHRASE=open-sesame"}, false},
		{"another phrase", h.plan, []string{"WORD=simsalabim", "PHRASE=open-barley"}, false},
		{"another size", wrong, h.env, false},
		{"the right knock", h.plan, h.env, true},
	} {
		four, six := fmt.Sprintf("198.18.4.%d", i+1), fmt.Sprintf("2001:db8::4:%d", i+1)
		give(t, client, four)
		give(t, client, six)
		as := *h
		as.env = try.env
		for _, pair := range [][2]string{{four, house4}, {six, house6}} {
			if got := as.knock(t, try.plan, pair[0], pair[1], "--then-wait", "400ms"); got != try.opens {
				t.Errorf("%s, from %s: open is %v", try.name, pair[0], got)
			}
		}
	}
}

// testAhead: of a day of knocks that is provisioned on the router, that of these hours opens, and
// those of others do not, though their rules stand there too.
func testAhead(t *testing.T, y yard) {
	plan := strings.Replace(planFor(usual, long), "knock: ["+usual+"]", "rotate: {secret: \"env:KNOCK_SECRET\", stages: 3, every: 4h, overlap: 10m, ahead: 1d}", 1)
	h := y.build(t, plan, "KNOCK_SECRET=3f9a1c77e0b2d4589f21a6c07d3be845")
	for i, pair := range pairs() {
		from, to := pair[0], pair[1]
		h.shut(t, "at first", from, to)
		for n, later := range []time.Duration{8 * time.Hour, -8 * time.Hour, 32 * time.Hour} {
			other := fmt.Sprintf([]string{"198.18.9.%d", "2001:db8::9:%d"}[i], n+1)
			give(t, handle(t, h.client), other)
			when := time.Now().Add(later).UTC().Format(time.RFC3339)
			if h.knock(t, h.plan, other, to, "--identity", "MikroTik", "--at", when, "--then-wait", "300ms") {
				t.Errorf("%s: the knock of %s opens now", to, when)
			}
		}
		if !h.knock(t, h.plan, from, to, "--identity", "MikroTik") {
			t.Errorf("%s: the knock of these hours does not open", to)
		}
	}
}

// testOtherClients: a knock is made of packets, and any program can send them.
func testOtherClients(t *testing.T, y yard) {
	h := y.build(t, planFor(usual, short))
	for _, pair := range pairs() {
		from, to := pair[0], pair[1]
		for name, play := range map[string]func(*testing.T, string) error{"knock": h.debianKnock, "nc": h.netcat} {
			t.Run(name+" "+to, func(t *testing.T) {
				if _, err := exec.LookPath(name); err != nil {
					t.Skipf("the program %s is not here: %v", name, err)
				}
				h.shut(t, "before "+name, from, to)
				check(t, name, play(t, to))
				if code, said := h.ssh(t, to); code != 0 || said != "hello\n" {
					t.Errorf("ssh after %s: exit code %d: %s", name, code, said)
				}
				h.leaves(t, "trusted", from)
			})
		}
	}
}

// debianKnock plays the usual knock with the client of the package knockd.
func (h *house) debianKnock(t *testing.T, to string) error {
	if code, said := h.run(t, "knock", "-d", "100", to, "33517:tcp", "22860:udp", "41923:tcp"); code != 0 {
		return fmt.Errorf("exit code %d: %s", code, said)
	}
	return nil
}

// netcat plays it with netcat. Nobody answers it, which it takes for a failure.
func (h *house) netcat(t *testing.T, to string) error {
	for _, args := range []string{"-z -w 1 %s 33517", "-u -w 1 %s 22860 <" + h.write(t, "word", "word"), "-z -w 1 %s 41923"} {
		if _, said := h.run(t, "sh", "-c", "exec nc "+fmt.Sprintf(args, to)); strings.Contains(said, "usage") || strings.Contains(said, "invalid") {
			return fmt.Errorf("%s", said)
		}
	}
	return nil
}

// hundred runs something for each of a hundred addresses, a few at a time, and returns how often it
// was so.
func (h *house) hundred(t *testing.T, network int, do func(i int, from string) bool) (yes int) {
	t.Helper()
	client := handle(t, h.client)
	for i := range 100 {
		give(t, client, fmt.Sprintf("198.18.%d.%d", network, i+1))
	}
	const atOnce = 4
	results := make(chan bool, 100)
	var wait sync.WaitGroup
	for worker := range atOnce {
		wait.Go(func() {
			for i := worker; i < 100; i += atOnce {
				results <- do(i, fmt.Sprintf("198.18.%d.%d", network, i+1))
			}
		})
	}
	wait.Wait()
	close(results)
	for r := range results {
		if r {
			yes++
		}
	}
	return yes
}

// testHundredSources: a hundred sources knock right and are let in, a hundred knock wrong and are
// not.
func testHundredSources(t *testing.T, y yard) {
	h := y.build(t, planFor(usual, long))
	opened := h.hundred(t, 5, func(_ int, from string) bool { return h.knock(t, h.plan, from, house4) })
	if in := len(h.members(t, routeros.IPv4, "trusted")); opened != 100 || in != 100 {
		t.Errorf("of 100 right knocks %d opened, and %d are trusted", opened, in)
	}
	chance := rand.New(rand.NewPCG(number("ROSKNOCK_LAB_SEED", usualSeed), 0))
	plans := make([]string, 100)
	for i := range plans {
		plans[i] = h.write(t, fmt.Sprintf("wrong-%d.yaml", i), planFor(wrongKnock(chance), long))
	}
	opened = h.hundred(t, 6, func(i int, from string) bool { return h.knock(t, plans[i], from, house4, "--then-wait", "150ms") })
	if in := len(h.members(t, routeros.IPv4, "trusted")); opened != 0 || in != 100 {
		t.Errorf("of 100 wrong knocks %d opened, and %d are trusted, with the 100 from before", opened, in)
	}
	h.opens(t, "at last", client4, house4)
}

// wrongKnock is the usual knock in another order, or with other ports.
func wrongKnock(chance *rand.Rand) string {
	for {
		stages := strings.Split(usual, ", ")
		chance.Shuffle(len(stages), func(i, j int) { stages[i], stages[j] = stages[j], stages[i] })
		for i := range stages {
			if chance.IntN(3) == 0 {
				stages[i] = fmt.Sprintf("%s/%d", []string{"tcp", "udp"}[chance.IntN(2)], 20000+chance.IntN(40000))
			}
		}
		if text := strings.Join(stages, ", "); text != usual {
			return text
		}
	}
}
