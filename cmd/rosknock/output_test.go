package main

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
)

// fullDisk takes so many bytes and no more.
type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	if n < len(p) {
		return n, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
	}
	return n, nil
}

// printing is a command line of every command that writes a result, by the command's path;
// NAME.yaml and NAME.rsc are files of the folder.
func printing() map[string][]string {
	return map[string][]string{
		"rosknock bootstrap":         {"bootstrap", "-r", "rosknock@192.0.2.1", "--remove"},
		"rosknock init":              {"init", "--name", "NEW"},
		"rosknock import":            {"import", "--export", "wild.rsc", "--reveal"},
		"rosknock lint":              {"lint", "seed.yaml"},
		"rosknock sequence generate": {"sequence", "generate"},
		"rosknock sequence rate":     {"sequence", "rate", "seed.yaml"},
		"rosknock render":            {"render", "seed.yaml", "--format", "svg"},
		"rosknock diff":              {"diff", "first.yaml", "ROUTER"},
		"rosknock prove":             {"prove", "first.yaml", "ROUTER"},
		"rosknock apply":             {"apply", "first.yaml", "--yes", "ROUTER"},
		"rosknock undo":              {"undo", "--yes", "ROUTER"},
		"rosknock remove":            {"remove", "first.yaml", "--yes", "ROUTER"},
		"rosknock rotate":            {"rotate", "rotating.yaml", "--yes", "ROUTER"},
		"rosknock audit":             {"audit", "ROUTER"},
		"rosknock test":              {"test", "tests.yaml", "ROUTER"},
		"rosknock trace":             {"trace", "tcp", "203.0.113.9", ":22", "--in", "ether1", "ROUTER"},
		"rosknock knock":             {"knock", "first.yaml", "127.0.0.1", "--delay", "1ms", "--stage-wait", "1ms"},
		"rosknock trusted list":      {"trusted", "list", "ROUTER"},
		"rosknock trusted add":       {"trusted", "add", "203.0.113.9", "--for", "1h", "ROUTER"},
		"rosknock trusted revoke":    {"trusted", "revoke", "203.0.113.9", "ROUTER"},
		"rosknock inventory list":    {"inventory", "list", "ROUTER"},
		"rosknock inventory check":   {"inventory", "check", "ROUTER"},
		"rosknock inventory accept":  {"inventory", "accept", "ROUTER"},
		"rosknock inventory import":  {"inventory", "import", "hosts.ini"},
		"rosknock journal":           {"journal"},
		"rosknock schema":            {"schema"},
		"rosknock version":           {"version"},
		"rosknock completion":        {"completion", "bash"},
		"rosknock manual":            {"manual"},
		"rosknock help":              {"help", "apply"},
		"rosknock demo":              {"demo"},
		"rosknock":                   {"--help"},
		"rosknock __complete":        {"__complete", "ap"},
		"rosknock sim":               nil, // goes on without a reader: TestSignals
		"rosknock trusted watch":     nil, // writes what happens: TestWatchUnread
	}
}

// TestUnwritten: whatever writes a result, in whatever format, a result that can't be written whole
// gives exit code 1 and a message, and what was to be done is done all the same.
func TestUnwritten(t *testing.T) {
	lines := printing()
	everyCommand(newRoot(env{}), func(c *cobra.Command) {
		if _, known := lines[c.CommandPath()]; !known && !c.HasSubCommands() {
			t.Errorf("%s is not looked at", c.CommandPath())
		}
	})
	for path, line := range lines {
		if line == nil {
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			shown := 0
			for _, format := range []string{"text", "json", "jsonl", "csv", "markdown", "html"} {
				whole := newUnread(t, line)
				var all bytes.Buffer
				code := whole.run(&all, format)
				if code == int(exitUsage) || all.Len() == 0 {
					continue // there is no such format
				}
				shown++
				rooms := []int{all.Len() / 2}
				if format == "text" {
					rooms = append(rooms, 0, 1)
				}
				for _, room := range rooms {
					u := newUnread(t, line)
					got := u.run(&fullDisk{room}, format)
					if said := u.said.String(); got != int(exitFailed) || strings.Count(said, "standard output: no space left on device: the result is cut off: ") != 1 {
						t.Errorf("-o %s, room for %d bytes of %d: exit code %d (%d with room), %s", format, room, all.Len(), got, code, said)
					}
					if u.left() != whole.left() {
						t.Errorf("-o %s: it leaves %s, and with room %s", format, u.left(), whole.left())
					}
				}
			}
			if shown == 0 {
				t.Error("nothing was written")
			}
		})
	}
}

// unread is a command line with a router and a folder of its own.
type unread struct {
	site *site
	line []string
	said bytes.Buffer
}

func newUnread(t *testing.T, line []string) *unread {
	t.Helper()
	u := &unread{site: newSite(t, "7.20", 0), line: line}
	rotating := "version: 1\nname: r\ndoors:\n  a:\n    rotate: {secret: env:ROTATING, every: 1h, overlap: 10m}\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\n" +
		"allow: {addresses: [127.0.0.1]}\ngate: {services: [ssh, winbox, api]}\nfirewall: {families: [ipv4]}\n"
	seed, err := fixtures.Plan("seed.yaml")
	check(t, err)
	wild, err := fixtures.Router("wild/r01-official.rsc")
	check(t, err)
	for name, text := range map[string]string{"seed.yaml": string(seed), "wild.rsc": string(wild), "rotating.yaml": rotating, "hosts.ini": "[r]\nr1 ansible_host=192.0.2.1\n",
		"tests.yaml": "version: 1\ntests: [{name: t, reaches: [ssh, winbox], expect: drop}, {name: u, from: LAN, reaches: [ssh], expect: accept}]\n"} {
		check(t, os.WriteFile(filepath.Join(u.site.dir, name), []byte(text), 0o600))
	}
	switch line[0] {
	case "undo", "remove", "trusted", "journal":
		if code := u.site.rosknock("apply", "first.yaml", "--yes"); code != 0 {
			t.Fatal(u.site.out.String())
		}
	}
	return u
}

// run runs the command line with such an output.
func (u *unread) run(out io.Writer, format string) int {
	var args []string
	for _, word := range u.line {
		switch {
		case word == "ROUTER":
			args = append(args, "-r", u.site.address, "--transport", "api")
		case word == "NEW":
			args = append(args, "new", "--file", filepath.Join(u.site.dir, "new.yaml"))
		case strings.HasSuffix(word, ".yaml"), strings.HasSuffix(word, ".rsc"), strings.HasSuffix(word, ".ini"):
			args = append(args, filepath.Join(u.site.dir, word))
		default:
			args = append(args, word)
		}
	}
	if u.line[0] != "__complete" && u.line[0] != "help" {
		args = append(args, "-o", format, "--state-dir", filepath.Join(u.site.dir, "state"))
	}
	e := env{streams: streams{in: strings.NewReader(""), out: out, err: &u.said, width: 80}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string {
		return map[string]string{"ROSKNOCK_PASSWORD": "secret", "ROTATING": strings.Repeat("5f0c2a9e7b41d836", 4)}[name]
	}}
	return run(u.site.t.Context(), e, args)
}

// left is what is seen on the router and in the folder afterwards.
func (u *unread) left() string {
	own, _ := u.site.rules()
	var names []string
	entries, _ := os.ReadDir(u.site.dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return own + "\n" + strings.Join(names, " ")
}

// TestWatchUnread: a watch that nobody reads ends with the first change, on whichever router.
func TestWatchUnread(t *testing.T) {
	s, other := newSite(t, "7.20", 0), newSite(t, "7.20", 0)
	for _, one := range []*site{s, other} {
		if code := one.rosknock("apply", "first.yaml", "--yes"); code != 0 {
			t.Fatal(one.out.String())
		}
	}
	said, err := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		e := env{streams: streams{in: strings.NewReader(""), out: &fullDisk{}, err: err, width: 80}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string {
			return map[string]string{"ROSKNOCK_PASSWORD": "secret"}[name]
		}}
		ended <- run(t.Context(), e, s.args("trusted", "watch", "-r", other.address))
		err.Close()
	}()
	var lines []string
	for scan := bufio.NewScanner(said); scan.Scan(); {
		if lines = append(lines, scan.Text()); strings.Contains(scan.Text(), s.address+": following") {
			check(t, s.router.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", "t", "address", "192.0.2.1", "timeout", "1h")))
		}
	}
	if code := <-ended; code != int(exitFailed) || !strings.Contains(lines[len(lines)-1], "standard output: no space left on device") || strings.Contains(strings.Join(lines, "\n"), "not followed") {
		t.Errorf("%d, %s", code, strings.Join(lines, "\n"))
	}
}
