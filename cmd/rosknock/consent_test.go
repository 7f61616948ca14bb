package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// TestOneQuestion: a fleet is looked at, summed up and asked about once. After a no, nothing is
// changed. A router that needs other steps when its turn comes is asked about alone.
func TestOneQuestion(t *testing.T) {
	first := newSite(t, "7.20", 0)
	fleet := []*site{first, newSite(t, "7.20", 0), newSite(t, "7.20", 0)}
	var list strings.Builder
	list.WriteString("version: 1\ndefaults: {transport: api, plans: [first.yaml]}\nrouters:\n")
	for i, s := range fleet {
		fmt.Fprintf(&list, "  r%d: {address: %q}\n", i+1, s.address)
	}
	file := filepath.Join(first.dir, "fleet.yaml")
	check(t, os.WriteFile(file, []byte(list.String()), 0o600))
	on := func() (n int) {
		for _, s := range fleet {
			for _, r := range s.router.Snapshot().Rules[routeros.Filter] {
				if _, marked := r.Mark(); marked {
					n++
					break
				}
			}
		}
		return n
	}
	asked := func(in io.Reader, args ...string) (int, string) {
		var out bytes.Buffer
		e := env{
			streams: streams{in: in, inTerminal: true, out: &out, err: &out, width: 200}, now: time.Now, dial: new(net.Dialer).DialContext,
			getenv: func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "secret"}[name] },
		}
		code := run(t.Context(), e, append(args, "-i", file, "--state-dir", filepath.Join(first.dir, "state"), "--forks", "1"))
		return code, out.String()
	}

	code, said := asked(strings.NewReader("no\n"), "apply")
	if code != 0 || on() != 0 || strings.Count(said, "[y/N]") != 1 || !strings.Contains(said, "3 routers: 8 to add, 2 to change") && !strings.Contains(said, "3 routers: plan m: 8 to add, 2 to change") ||
		!strings.Contains(said, "  r1, r2, r3\n") || !strings.Contains(said, "carry this out on 3 routers?") {
		t.Fatalf("no: exit code %d, on %d routers\n%s", code, on(), said)
	}

	// While the question stands, somebody changes r2.
	meanwhile := &answer{text: strings.NewReader("yes\nno\n"), meanwhile: func() {
		check(t, fleet[1].router.Admin(routeros.NewCommand("/ip/service/set", "numbers", "telnet", "disabled", "yes")))
	}}
	code, said = asked(meanwhile, "apply")
	if code != 0 || on() != 2 || strings.Count(said, "[y/N]") != 2 || !strings.Contains(said, "r2 needs other steps than those that you agreed to") {
		t.Fatalf("changed meanwhile: exit code %d, on %d routers\n%s", code, on(), said)
	}

	code, said = asked(strings.NewReader("yes\n"), "apply")
	if code != 0 || on() != 3 || strings.Count(said, "[y/N]") != 1 || !strings.Contains(said, "2 routers: nothing to do") || !strings.Contains(said, "carry this out on 1 router?") {
		t.Fatalf("yes: exit code %d, on %d routers\n%s", code, on(), said)
	}
	if code, said = asked(strings.NewReader(""), "apply"); code != 0 || strings.Contains(said, "[y/N]") {
		t.Fatalf("there is nothing to ask: exit code %d\n%s", code, said)
	}
	if code, said = asked(strings.NewReader("yes\n"), "undo"); code != 0 || on() != 0 || strings.Count(said, "[y/N]") != 1 {
		t.Fatalf("undo: exit code %d, on %d routers\n%s", code, on(), said)
	}
}
