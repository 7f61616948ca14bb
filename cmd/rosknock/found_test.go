package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// TestFoundInventory: the inventory of the working folder is taken where nothing names a router, and
// said so first. A change of its routers wants a person who says yes.
func TestFoundInventory(t *testing.T) {
	s := newSite(t, "7.20", 0)
	t.Chdir(s.dir)
	check(t, os.WriteFile(foundInventory, fmt.Appendf(nil, "version: 1\ndefaults: {transport: api}\nrouters:\n  r1: {address: %q, plans: [first.yaml]}\n", s.address), 0o600))
	const says = "no router is named, so the routers are those of inventory.yaml in this folder"
	for _, test := range []struct {
		line, answer string
		code         exitCode
		says         string
		own          bool // the plan is on the router then
	}{
		{line: "diff", says: says},
		{line: "apply --dry-run", says: says},
		{line: "apply", code: exitUsage, says: "use --yes"},
		{line: "apply --yes", code: exitUsage, says: "name it with -i inventory.yaml, in ROSKNOCK_INVENTORY or in the settings"},
		{line: "apply --yes", answer: "yes\n", code: exitUsage, says: "name it with -i inventory.yaml"},
		{line: "apply", answer: "no\n", says: "carry this out on r1?"},
		{line: "apply", answer: "yes\n", says: says, own: true},
		{line: "trusted add 203.0.113.9 --for 1h", code: exitUsage, says: "name it with -i inventory.yaml", own: true},
		{line: "trusted add 203.0.113.9 --for 1h", answer: "no\n", says: "trusted add 203.0.113.9 on 1 router of inventory.yaml? [y/N] nothing was changed", own: true},
		{line: "trusted list", says: "nobody", own: true},
		{line: "trusted add 203.0.113.9 --for 1h", answer: "yes\n", says: "203.0.113.9 is trusted", own: true},
		{line: "trusted revoke 203.0.113.9", code: exitUsage, says: "name it with -i inventory.yaml", own: true},
		{line: "trusted revoke 203.0.113.9", answer: "yes\n", says: "1 list entry removed", own: true},
		{line: "trusted revoke 203.0.113.9 -i inventory.yaml", says: "r1", own: true},
		{line: "rotate --yes", code: exitUsage, says: "name it with -i inventory.yaml", own: true},
		{line: "remove --yes", code: exitUsage, says: "name it with -i inventory.yaml", own: true},
		{line: "undo --yes", code: exitUsage, says: "name it with -i inventory.yaml", own: true},
		{line: "import --adopt --yes --out p.yaml", code: exitUsage, says: "name it with -i inventory.yaml", own: true},
		{line: "knock first.yaml", code: exitUsage, says: "no host", own: true},
		{line: "undo --yes -i inventory.yaml", says: "changed"},
		{line: "apply --yes -i inventory.yaml", says: "changed", own: true},
	} {
		var out bytes.Buffer
		e := env{
			streams: streams{in: strings.NewReader(test.answer), inTerminal: test.answer != "", out: &out, err: &out, width: 1000}, now: time.Now, dial: new(net.Dialer).DialContext,
			getenv: func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "secret"}[name] },
		}
		args := append(strings.Fields(test.line), "--state-dir", filepath.Join(s.dir, "state"), "--config", os.DevNull)
		code := run(t.Context(), e, args)
		own := slices.ContainsFunc(s.router.Snapshot().Rules[routeros.Filter], func(r routeros.Rule) bool { _, marked := r.Mark(); return marked })
		if code != int(test.code) || !strings.Contains(out.String(), test.says) || own != test.own {
			t.Fatalf("%s (%q): exit code %d, want %d and %q; the plan is there: %t\n%s", test.line, test.answer, code, test.code, test.says, own, out.String())
		}
		if code == 0 && !strings.Contains(test.line, "-i") && !strings.HasPrefix(out.String(), says) {
			t.Errorf("%s does not say first which inventory it takes:\n%s", test.line, out.String())
		}
	}
}
