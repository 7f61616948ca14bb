package render_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/render"
	"github.com/rosknock/rosknock/routeros"
)

// ears hear what arrives at ports of loopback.
type ears struct {
	t     *testing.T
	mu    sync.Mutex
	heard []string
}

func (e *ears) hear(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, what)
}

// tcp listens, and returns its port.
func (e *ears) tcp(name string) uint16 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.hear(name)
			go func() { // clients may take their time to disconnect
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	return uint16(l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // of a TCP listener
}

// udp listens, and returns its port.
func (e *ears) udp(name string) uint16 {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = c.Close() })
	go e.read(c, func(data []byte) { e.hear(name + " " + string(data)) })
	return uint16(c.LocalAddr().(*net.UDPAddr).Port) //nolint:forcetypeassert // of a UDP socket
}

// pings hears echo requests; it takes rights that few have.
func (e *ears) pings() bool {
	c, err := net.ListenPacket("ip4:icmp", "127.0.0.1")
	if err != nil {
		return false
	}
	e.t.Cleanup(func() { _ = c.Close() })
	go e.read(c, func(data []byte) {
		const echoRequest, ipHeader = 8, 20
		if len(data) > 0 && data[0] == echoRequest {
			e.hear(fmt.Sprintf("ping %d", len(data)+ipHeader))
		}
	})
	return true
}

func (e *ears) read(c net.PacketConn, each func([]byte)) {
	buffer := make([]byte, 65536)
	for {
		n, _, err := c.ReadFrom(buffer)
		if err != nil {
			return
		}
		each(slices.Clone(buffer[:n]))
	}
}

// silent is a port of loopback at which nobody is.
func silent(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // of a TCP listener
}

// only makes a folder in which a shell finds no other programs than these.
func only(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs {
		where, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("there is no %s here", name)
		}
		if err := os.Symlink(where, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// awkward is a payload that a shell, or PowerShell, would read as something else if it were not
// quoted well.
const awkward = `it's"$HOME"$(id)\n;%s&<x>` + "`"

func knock(stages ...plans.Stage) plans.Door { return plans.Door{Name: "admin", Knock: stages} }

func tcp(port uint16) plans.Stage { return plans.Stage{Protocol: "tcp", Port: port} }

func udp(port uint16, payload string) plans.Stage {
	return plans.Stage{Protocol: "udp", Port: port, Payload: payload}
}

// TestShell plays rendered scripts at sockets of this machine, by the shells and programs that are
// here: every packet arrives once, in order, with
// its payload, and what does not answer holds nothing up.
func TestShell(t *testing.T) {
	for _, c := range []struct {
		shell    string
		programs []string
	}{
		{"sh", []string{"bash", "sleep", "getent"}}, {"sh", []string{"nc", "sleep", "getent"}}, {"dash", []string{"bash", "sleep"}}, {"dash", []string{"nc", "sleep"}}, {"bash", []string{"nc", "bash", "sleep"}},
	} {
		t.Run(c.shell+" with "+strings.Join(c.programs, " "), func(t *testing.T) {
			t.Parallel()
			path := only(t, c.programs...)
			shell, err := exec.LookPath(c.shell)
			if err != nil {
				t.Skipf("there is no %s here", c.shell)
			}
			e := &ears{t: t}
			door := knock(tcp(e.tcp("tcp 1")), udp(e.udp("udp 2"), awkward), tcp(silent(t)), tcp(e.tcp("tcp 4")), udp(e.udp("udp 5"), ""))
			text, err := render.Shell(render.Client{Plan: "branch", Door: door, Host: "127.0.0.1"})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "knock.sh")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			run := exec.CommandContext(t.Context(), shell, file) // #nosec G204 -- a shell of this machine
			run.Env = []string{"PATH=" + path}
			out, err := run.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "the knock was sent to 127.0.0.1") {
				t.Fatalf("%v: %s", err, out)
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			if want := []string{"tcp 1", "udp 2 " + awkward, "tcp 4", "udp 5 x"}; !slices.Equal(e.heard, want) {
				t.Errorf("heard %q, not %q\n%s", e.heard, want, out)
			}
		})
	}
}

// TestShellPings lets the system's ping play a stage of icmp: its size is that of the whole packet.
func TestShellPings(t *testing.T) {
	path, shells := only(t, "ping", "sleep"), only(t, "sh")
	e := &ears{t: t}
	if !e.pings() {
		t.Skip("nobody may listen to pings here")
	}
	text, err := render.Shell(render.Client{Plan: "branch", Door: knock(plans.Stage{Protocol: "icmp", Size: 245}), Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), filepath.Join(shells, "sh")) // #nosec G204 -- found above
	run.Stdin, run.Env = strings.NewReader(text), []string{"PATH=" + path}
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	heard := func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return slices.Contains(e.heard, "ping 245")
	}
	for end := time.Now().Add(30 * time.Second); !heard(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("heard %q", e.heard)
		}
	}
}

// TestShellRefuses: without a host, or without what it takes to send packets, nothing is sent and
// the script says why.
func TestShellRefuses(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	for _, c := range []struct {
		host, argument string
		programs       []string
		code           int
		says           string
	}{
		{"", "", []string{"sleep"}, 64, "name the router"}, {"", "-oX", []string{"sleep"}, 64, "name the router"}, {"", "a b", []string{"sleep"}, 64, "name the router"}, {"", "$(id)", []string{"sleep"}, 64, "name the router"},
		{"127.0.0.1", "", []string{"sleep"}, 1, "neither bash nor nc"},
	} {
		text, err := render.Shell(render.Client{Plan: "branch", Door: knock(tcp(1)), Host: c.host})
		if err != nil {
			t.Fatal(err)
		}
		words := []string{"-s"}
		if c.argument != "" {
			words = append(words, "--", c.argument)
		}
		run := exec.CommandContext(t.Context(), shell, words...) // #nosec G204 -- of the table above
		run.Stdin, run.Env = strings.NewReader(text), []string{"PATH=" + only(t, c.programs...)}
		out, err := run.CombinedOutput()
		exit, _ := errors.AsType[*exec.ExitError](err)
		if exit == nil || exit.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%+v: %v: %s", c, err, out)
		}
	}
}

// TestShellCheck lets shellcheck read scripts of every kind.
func TestShellCheck(t *testing.T) {
	check, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("there is no shellcheck here")
	}
	for _, families := range [][]routeros.Family{nil, {routeros.IPv4}, {routeros.IPv6}} {
		for _, door := range []plans.Door{knock(tcp(1)), knock(udp(1, awkward)), knock(plans.Stage{Protocol: "icmp", Size: 30}), knock(tcp(1), udp(2, ""), plans.Stage{Protocol: "icmp", Size: 300})} {
			text, err := render.Shell(render.Client{Plan: "branch", Door: door, Families: families})
			if err != nil {
				t.Fatal(err)
			}
			run := exec.CommandContext(t.Context(), check, "-e", "SC2016", "-") // #nosec G204 -- found above; a payload may look like a variable
			run.Stdin = strings.NewReader(text)
			if out, err := run.CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, out, text)
			}
		}
	}
}

// TestPowerShell looks at the structure of scripts, and lets PowerShell read them where it is.
func TestPowerShell(t *testing.T) {
	door := knock(tcp(41873), udp(17259, awkward), plans.Stage{Protocol: "icmp", Size: 245, Payload: "pay'load"})
	text := render.PowerShellScript(render.Client{Plan: "branch", Door: door, Host: "192.0.2.1", Families: []routeros.Family{routeros.IPv4}})
	_, calls, _ := strings.Cut(text, "$ping.Dispose() }\n}\n\n")
	want := "Send-Tcp 41873\nStart-Sleep -Milliseconds 200\nSend-Udp 17259 'it''s\"$HOME\"$(id)\\n;%s&<x>`'\nStart-Sleep -Milliseconds 200\nSend-Ping 245 'pay''load'\nWrite-Host "
	if !strings.HasPrefix(calls, want) || !strings.Contains(text, "$families = @('InterNetwork')\n") || !strings.Contains(text, "param([string]$Router = '192.0.2.1')\n") {
		t.Errorf("%s", text)
	}
	// Outside of texts and comments, whatever opens is closed.
	bare := regexp.MustCompile(`(?m)'[^'\n]*'|"[^"\n]*"|#.*$`).ReplaceAllString(text, "")
	var open []rune
	closes := map[rune]rune{')': '(', ']': '[', '}': '{'}
	for _, r := range bare {
		switch {
		case strings.ContainsRune("([{", r):
			open = append(open, r)
		case closes[r] != 0:
			if len(open) == 0 || open[len(open)-1] != closes[r] {
				t.Fatalf("%c closes nothing", r)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("left open: %c", open)
	}
	pwsh, err := exec.LookPath("pwsh")
	if err != nil {
		t.Skip("there is no PowerShell here: only the structure was looked at")
	}
	file := filepath.Join(t.TempDir(), "knock.ps1")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	parse := "$e=$null; [void][System.Management.Automation.Language.Parser]::ParseFile($args[0],[ref]$null,[ref]$e); $e; exit $e.Count"
	if out, err := exec.CommandContext(t.Context(), pwsh, "-NoProfile", "-Command", "& {"+parse+"} '"+file+"'").CombinedOutput(); err != nil { // #nosec G204 -- found above
		t.Errorf("%v: %s", err, out)
	}
}

// TestCannot: what a format has no word for is said, and nothing is written.
func TestCannot(t *testing.T) {
	for _, c := range []struct {
		what string
		make func() (string, error)
	}{
		{"stage 2 is a ping that carries a payload", func() (string, error) {
			return render.Shell(render.Client{Door: knock(tcp(1), plans.Stage{Protocol: "icmp", Size: 300, Payload: "12345678"})})
		}},
		{"stage 1 is a ping, and knockd knows", func() (string, error) {
			return render.Knockd([]render.Client{{Door: knock(plans.Stage{Protocol: "icmp", Size: 300})}})
		}},
		{"stage 1 carries a payload", func() (string, error) {
			return render.Knockd([]render.Client{{Door: knock(udp(1, "12345678"))}})
		}},
	} {
		text, err := c.make()
		cannot, ok := errors.AsType[*render.CannotError](err)
		if !ok || text != "" || !strings.Contains(cannot.Error(), c.what) {
			t.Errorf("%s: %v, %q", c.what, err, text)
		}
	}
}

func readPlan(t *testing.T, text string) plans.Plan {
	t.Helper()
	p, err := plans.Read("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSSH lets OpenSSH read Host blocks.
func TestSSH(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("there is no ssh here")
	}
	p := readPlan(t, "version: 1\nname: p\ndoors: {admin: {knock: [tcp/41873, udp/17259, tcp/52614], trusted: {list: t, for: 1h}, opens: [ssh]}}\nservices: {ports: {ssh: 2222}}\n")
	text, err := render.SSH([]render.SSHHost{
		{Name: "r0001", Address: "192.0.2.1", User: "admin", Plan: p, File: "/plans/branch.yaml", Door: p.Doors[0]},
		{Name: "r0002", Address: "2001:db8::1", Plan: p, File: "/my plans/100% it's.yaml", Door: p.Doors[0], Identity: "r2 of us"},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"r0001": {"hostname 192.0.2.1", "port 2222", "user admin", "proxycommand rosknock knock /plans/branch.yaml --door admin --connect %h:%p --quiet"},
		"r0002": {"hostname 2001:db8::1", `proxycommand rosknock knock '/my plans/100%% it'\''s.yaml' --door admin --connect %h:%p --quiet --identity 'r2 of us'`},
	} {
		out, err := exec.CommandContext(t.Context(), ssh, "-G", "-F", file, name).Output() // #nosec G204 -- found above
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(out), "\n")
		for _, line := range want {
			if !slices.Contains(lines, line) {
				t.Errorf("%s: no %q in\n%s", name, line, out)
			}
		}
	}
	for _, bad := range []render.SSHHost{{Name: "a b", Address: "192.0.2.1", Plan: p, File: "x"}, {Name: "a", Address: "192.0.2.1", Plan: p, File: "x\nHost *"}, {Name: "a*", Address: "192.0.2.1", Plan: p, File: "x"}} {
		if text, err := render.SSH([]render.SSHHost{bad}); err == nil {
			t.Errorf("%+v: %s", bad, text)
		}
	}
}

// pictures are doors of every kind.
func pictures(t *testing.T) []render.Picture {
	t.Helper()
	var out []render.Picture
	for _, name := range []string{"seed.yaml", "branch.yaml", "quarantine.yaml", "minimal.yaml"} {
		text, err := fixtures.Plan(name)
		if err != nil {
			t.Fatal(err)
		}
		p := readPlan(t, string(text))
		out = append(out, render.Picture{Plan: p.Name, Doors: p.Doors}, render.Picture{Plan: p.Name, Doors: p.Doors, Reveal: true})
	}
	p := readPlan(t, "version: 1\nname: two\ndoors:\n  a: {rotate: {users: {alice: \"env:A\", bob: \"env:B\"}}, trusted: {list: l, for: none-static}, opens: [ssh, winbox, api, www, ftp]}\n"+
		"  b: {knock: [{protocol: udp, port: 4711, payload: {secret: \"env:W\"}}], trusted: {list: u, for: none-dynamic}, decoys: [tcp/3391], opens: [tcp/8443]}\n")
	return append(out, render.Picture{Plan: "two", Doors: p.Doors})
}

// TestPictures: pictures are well-formed, show every state and every knock, and no port unless they
// are told to.
func TestPictures(t *testing.T) {
	for _, p := range pictures(t) {
		svg, mermaid := render.Draw(p), render.Mermaid(p)
		decoder := xml.NewDecoder(strings.NewReader(svg))
		var texts bytes.Buffer
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", p.Plan, err, svg)
			}
			switch token := token.(type) {
			case xml.CharData:
				texts.Write(append(token, '\n'))
			case xml.StartElement: // what knows no style sheets draws in black what says no colour itself
				says := slices.ContainsFunc(token.Attr, func(a xml.Attr) bool { return a.Name.Local == "fill" && !strings.Contains(a.Value, "var(") })
				if slices.Contains([]string{"rect", "path", "text"}, token.Name.Local) && !says {
					t.Errorf("%s: an element without a colour of its own: %+v", p.Plan, token)
				}
			}
		}
		edge := regexp.MustCompile(`(?m)^        (\[\*\]|d\d+_\w+) --> (d\d+_\w+)( : \S.*)?$`)
		for _, line := range strings.Split(mermaid, "\n")[2:] {
			if strings.Contains(line, "-->") && !edge.MatchString(line) {
				t.Errorf("%q", line)
			}
		}
		if strings.Count(mermaid, "{") != strings.Count(mermaid, "}") || strings.Contains(svg, "http://") && strings.Count(svg, "http") > 1 {
			t.Errorf("%s\n%s", mermaid, svg)
		}
		for _, d := range p.Doors {
			for _, want := range []string{"door " + d.Name, "outside", "trusted", "knock 1"} {
				if !strings.Contains(texts.String(), want) || !strings.Contains(mermaid, want) {
					t.Errorf("%s: no %q", p.Plan, want)
				}
			}
			if quarantine := strings.Contains(mermaid, "quarantine"); len(p.Doors) == 1 && (quarantine != d.Quarantines() || quarantine != strings.Contains(texts.String(), "quarantine")) {
				t.Errorf("%s: quarantine %t", p.Plan, quarantine)
			}
			for _, s := range append(slices.Clone(d.Knock), d.Decoys...) {
				number := s.Reveal()[strings.Index(s.Reveal(), "/")+1:]
				decoy := slices.Contains(d.Decoys, s)
				if shown := strings.Contains(texts.String(), number); shown != (p.Reveal && !decoy) || shown != strings.Contains(mermaid, number) {
					t.Errorf("%s: a port is shown: %t", p.Plan, shown)
				}
			}
		}
	}
}

// TestEscaped: what means something in XML or to Mermaid is only text. No name that plans allow
// holds any of it; a name of a target might.
func TestEscaped(t *testing.T) {
	d := knock(tcp(1))
	d.Opens = []plans.Target{{Kind: plans.ServiceTarget, Name: `<script>&"';#x : -->`}}
	p := render.Picture{Plan: "p", Doors: []plans.Door{d}}
	if svg := render.Draw(p); strings.Contains(svg, "<script") || !strings.Contains(svg, "&lt;script&gt;") {
		t.Error(svg)
	}
	if mermaid := render.Mermaid(p); strings.ContainsAny(strings.SplitN(mermaid, "may reach ", 2)[1][:20], `<>&"'`) {
		t.Error(mermaid)
	}
}

// TestWindow: what holds a knock that changes says until when it is valid.
func TestWindow(t *testing.T) {
	w := &render.Window{From: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC), Overlap: 10 * time.Minute}
	c := render.Client{Plan: "p", Door: knock(tcp(1)), Window: w}
	shell, _ := render.Shell(c)
	knockd, _ := render.Knockd([]render.Client{c})
	rsc, err := render.Import{Plan: "p", Router: "r", Window: w}.Script()
	for _, text := range []string{shell, knockd, render.PowerShellScript(c), rsc} {
		if err != nil || !strings.Contains(text, "valid from 2026-11-21 12:00 UTC until 2026-11-21 13:00 UTC, and 10m before") {
			t.Error(text, err)
		}
	}
}
