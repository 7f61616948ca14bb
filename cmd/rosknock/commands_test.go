package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
)

// TestPlanCommands: what a plan that needs no router would run here runs for who says yes to that
// very command, or has accepted it by name, and for nobody else.
func TestPlanCommands(t *testing.T) {
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	plan := filepath.Join(dir, "theirs.yaml")
	text := "version: 1\nname: theirs\ndoors:\n  a:\n    knock: [{protocol: udp, port: 5617, payload: {secret: \"command:touch " + ran + "; echo Kj8dPq2vXz\"}}, tcp/41873, udp/17259, tcp/52614]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\n"
	check(t, os.WriteFile(plan, []byte(text), 0o600))
	export, err := fixtures.Router("defconf.rsc")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "router.rsc"), export, 0o600))
	offline := []string{"--export", filepath.Join(dir, "router.rsc")}
	for name, c := range map[string]struct {
		args  []string
		never bool // it runs no command whatever is said
	}{
		"diff":                 {append([]string{"diff", plan}, offline...), false},
		"prove":                {append([]string{"prove", plan}, offline...), false},
		"render for a router":  {append([]string{"render", plan, "--format", "rsc", "--reveal"}, offline...), false},
		"render for any":       {[]string{"render", plan, "--format", "rsc", "--reveal"}, false},
		"render for clients":   {[]string{"render", plan, "--format", "shell", "--reveal", "--host", "192.0.2.1"}, false},
		"render of a picture":  {[]string{"render", plan, "--format", "svg"}, true},
		"lint":                 {append([]string{"lint", plan}, offline...), true},
		"lint of the plan":     {[]string{"lint", plan}, true},
		"sequence rate":        {[]string{"sequence", "rate", plan}, true},
		"ssh's configuration":  {[]string{"render", plan, "--format", "ssh-config", "--host", "192.0.2.1"}, true},
		"removal, dry, no one": {[]string{"remove", plan, "--dry-run", "-r", "192.0.2.1"}, true},
	} {
		for _, how := range []struct {
			what   string
			in     string
			accept bool
			runs   bool
		}{{"nobody is there", "", false, false}, {"no", "no\n", false, false}, {"yes", "yes\n", false, true}, {"accepted", "", true, true}} {
			_ = os.Remove(ran)
			args := append(slices.Clone(c.args), "--state-dir", filepath.Join(dir, "state"), "--config", os.DevNull, "--retries", "0", "--password-file", os.DevNull)
			if how.accept {
				args = append(args, "--accept-risk=plan-commands")
			}
			var out bytes.Buffer
			e := env{streams: streams{in: strings.NewReader(how.in), inTerminal: how.in != "", out: &out, err: &out, width: 1000}, now: time.Now, getenv: func(string) string { return "" }, dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, io.EOF
			}}
			code := run(t.Context(), e, args)
			_, err := os.Stat(ran)
			switch {
			case (err == nil) != (how.runs && !c.never):
				t.Errorf("%s, %s: the command ran: %t\n%s", name, how.what, err == nil, out.String())
			case !c.never && !how.runs && (exitCode(code) != exitRefused || !strings.Contains(out.String(), "touch "+ran)):
				t.Errorf("%s, %s: exit code %d\n%s", name, how.what, code, out.String())
			}
		}
	}
}
