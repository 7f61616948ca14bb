package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/wire"
)

// hostile is what somebody may put wherever they can write: a formula, a terminal's title, its
// bell and colours, lines that were never written, marks that turn the direction and others that
// nobody sees, bytes that are no text, a cell's end, HTML, a link, code, and no end.
const hostile = "=EVIL\x1b]0;owned\x07\x1b[31m\r\nFORGED\rFORGED\u0085FORGED\u2028FORGED\u202e\u200b\u009b2J\xff\xc3|<img src=x onerror=alert(1)>[x](javascript:alert(1))`x`"

// sly is what of it a text file may hold.
const sly = "=EVIL\u202e\u200b\u2028FORGED\ufeff\u2066|<img src=x onerror=alert(1)>[x](javascript:alert(1))`x`"

// endless is hostile and long.
func endless() string { return hostile + strings.Repeat("W", 12_000) }

// drive is how a command is made to print what others say.
type drive struct {
	lines [][]string
	// mute says why nothing of it comes from others.
	mute string
	// plain says that it is the same in every format: a text, a script, a program.
	plain bool
	// standing runs it after an apply, and may change the router.
	standing bool
}

// driven is how every command of the tree is driven, by its path. Words are as in [printing].
func driven() map[string]drive {
	ours := func(lines ...[]string) drive {
		return drive{lines: lines, plain: true, mute: "it prints the program's own words, and names that were typed"}
	}
	return map[string]drive{
		"rosknock":                   ours([]string{"--help"}),
		"rosknock help":              ours([]string{"help", "apply"}),
		"rosknock manual":            ours([]string{"manual"}),
		"rosknock completion":        ours([]string{"completion", "bash"}),
		"rosknock schema":            ours([]string{"schema"}),
		"rosknock version":           ours([]string{"version"}),
		"rosknock demo":              ours(),                                                              // routers of its own: TestScripts
		"rosknock bootstrap":         ours([]string{"bootstrap", "-r", "rosknock@192.0.2.1", "--remove"}), // what a router says over SSH: TestBootstrap
		"rosknock init":              {plain: true, lines: [][]string{{"init", "--name", "NEW"}, {"init", "--name", "NEW", "--export", "hostile.rsc"}, {"init", "--name", "NEW", "ROUTER"}}},
		"rosknock sequence generate": {mute: "a knock of its own", lines: [][]string{{"sequence", "generate"}}},
		"rosknock __complete":        {plain: true, lines: [][]string{{"__complete", "undo", "--state-dir", "STATE", ""}, {"__complete", "diff", "--state-dir", "STATE", "-r", ""}, {"__complete", "trusted", "list", "-i", "inventory.yaml", "-l", ""}}},
		"rosknock lint":              {lines: [][]string{{"lint", "hostile.yaml"}, {"lint", "sly.yaml"}, {"lint", "first.yaml", "--export", "hostile.rsc"}, {"lint", "first.yaml", "ROUTER"}}},
		"rosknock sequence rate":     {lines: [][]string{{"sequence", "rate", "hostile.yaml"}, {"sequence", "rate", "first.yaml"}}},
		"rosknock import":            {lines: [][]string{{"import", "--export", "hostile.rsc", "--reveal"}, {"import", "ROUTER"}}},
		"rosknock render":            {plain: true, lines: [][]string{{"render", "first.yaml", "--format", "rsc", "--reveal", "ROUTER"}, {"render", "hostile.yaml", "--format", "svg"}}},
		"rosknock diff": {lines: [][]string{
			{"diff", "first.yaml", "ROUTER", "--report", "FILE.html", "--junit", "FILE.xml", "--metrics", "FILE.prom"}, {"diff", "first.yaml", "ROUTER", "-v"},
			{"diff", "first.yaml", "--export", "hostile.rsc"}, {"diff", "hostile.yaml", "ROUTER"}, {"diff", "-i", "hostile-inventory.yaml"}, {"diff", "second.yaml", "ROUTER", "ROUTER"},
		}},
		"rosknock prove": {lines: [][]string{{"prove", "first.yaml", "ROUTER"}}},
		"rosknock apply": {lines: [][]string{{"apply", "first.yaml", "ROUTER", "ASK"}, {"apply", "--changes", "hostile-changes.json", "--yes"},
			{"apply", "--changes", "hostile-changes.json", "--yes", "--transport", "api", "--accept-risk=foreign-changes"}, {"apply", "--changes", "hostile-risk.json", "--yes", "--accept-risk=foreign-changes"},
			{"apply", "--changes", "hostile-command.json", "--yes", "--transport", "api", "--accept-risk=foreign-changes"}, {"apply", "--changes", "hostile-way.json", "--yes"}, {"apply", "first.yaml", "--yes", "ROUTER", "-v"}}},
		"rosknock undo":   {standing: true, lines: [][]string{{"undo", "ROUTER", "ASK"}, {"undo", "--yes", "ROUTER"}}},
		"rosknock remove": {standing: true, lines: [][]string{{"remove", "first.yaml", "ROUTER", "ASK"}}},
		"rosknock rotate": {lines: [][]string{{"rotate", "rotating.yaml", "ROUTER", "ASK"}}},
		"rosknock audit": {lines: [][]string{{"audit", "ROUTER", "--report", "FILE.html", "--junit", "FILE.xml", "--sarif", "FILE.sarif", "--metrics", "FILE.prom", "--max-exposure", "nobody", "--exit-code"},
			{"audit", "ROUTER", "ROUTER"}, {"audit", "--export", "hostile.rsc"}, {"audit", "--export", "hostile.rsc", "--report", "FILE.html", "--sarif", "FILE.sarif"}}},
		"rosknock test":             {lines: [][]string{{"test", "tests.yaml", "ROUTER", "--junit", "FILE.xml"}, {"test", "tests.yaml", "ROUTER", "ROUTER"}, {"test", "tests.yaml", "--export", "hostile.rsc"}, {"test", "sly-tests.yaml", "ROUTER"}}},
		"rosknock trace":            {lines: [][]string{{"trace", "tcp", "203.0.113.9", ":22", "--in", "ether1", "ROUTER"}, {"trace", "tcp", "203.0.113.9", ":22", "--in", hostile, "ROUTER"}}},
		"rosknock knock":            {lines: [][]string{{"knock", "hostile.yaml", "127.0.0.1"}, {"knock", "first.yaml", "127.0.0.1", "--delay", "1ms", "--stage-wait", "1ms", "--door", hostile}}},
		"rosknock trusted list":     {standing: true, lines: [][]string{{"trusted", "list", "ROUTER"}}},
		"rosknock trusted add":      {standing: true, lines: [][]string{{"trusted", "add", "203.0.113.9", "--for", "1h", "ROUTER"}, {"trusted", "add", hostile, "--for", "1h", "ROUTER"}}},
		"rosknock trusted revoke":   {standing: true, lines: [][]string{{"trusted", "revoke", "203.0.113.9", "ROUTER"}, {"trusted", "revoke", hostile, "ROUTER"}}},
		"rosknock trusted watch":    {standing: true, lines: [][]string{{"trusted", "watch", "--for", "20ms", "ROUTER"}}},
		"rosknock inventory list":   {lines: [][]string{{"inventory", "list", "-i", "hostile-inventory.yaml"}, {"inventory", "list", "-i", "sly-inventory.yaml"}, {"inventory", "list", "-i", "inventory.yaml"}}},
		"rosknock inventory check":  {lines: [][]string{{"inventory", "check", "ROUTER"}, {"inventory", "check", "ROUTER", "ROUTER"}}},
		"rosknock inventory accept": {plain: true, lines: [][]string{{"inventory", "accept", "ROUTER"}, {"inventory", "accept", hostile, "-i", "inventory.yaml"}, {"inventory", "accept", "-r", hostile}}},
		"rosknock inventory import": {plain: true, lines: [][]string{{"inventory", "import", "hosts.ini"}}},
		"rosknock journal":          {standing: true, lines: [][]string{{"journal"}, {"journal", "--verify"}}},
		"rosknock sim":              {plain: true, lines: [][]string{{"sim", "--listen", "127.0.0.1:0", "--load", "hostile.rsc", "-v", "PACKETS"}}},
	}
}

// desk is a folder and a router that are full of what somebody else wrote.
type hostileDesk struct {
	t      *testing.T
	dir    string
	router *sim.Router
	fault  atomic.Pointer[sim.Fault]
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	told   map[string]bool // commands that printed some of it
}

// hostileExport is a router's export: names, comments, lists and knocks by somebody else.
func hostileExport() string {
	long, name, other := routeros.Quote(endless()), routeros.Quote(hostile), routeros.Quote(hostile+"2")
	return `# 2026-11-20 04:15:00 by RouterOS 7.20
/interface bridge
add name=bridge1
/interface list
add name=` + name + `
/interface list member
add interface=bridge1 list=` + name + `
/interface wireguard
add name=` + other + ` listen-port=13231
/ip address
add address=192.168.10.1/24 interface=bridge1
add address=203.0.113.2/30 interface=ether1
/ip firewall address-list
add list=` + name + ` address=203.0.113.7 comment=` + long + `
/ip firewall filter
add chain=input connection-state=established,related comment=` + long + `
add action=drop chain=input connection-state=invalid
add action=accept chain=input in-interface-list=` + name + ` protocol=tcp dst-port=23
add action=accept chain=input in-interface=` + other + ` protocol=tcp dst-port=23 comment=` + name + `
add action=accept chain=input src-address-list=` + other + ` protocol=tcp dst-port=22,8291
add action=add-src-to-address-list address-list=` + other + ` address-list-timeout=1h chain=input dst-port=22222 protocol=tcp src-address-list=` + name + `
add action=add-src-to-address-list address-list=` + name + ` address-list-timeout=10s chain=input dst-port=33333 protocol=tcp
add action=accept chain=input content=` + name + ` protocol=tcp dst-port=4321
add action=accept chain=forward connection-state=established,related
/system identity
set name=` + long + `
`
}

func newHostileDesk(t *testing.T) *hostileDesk {
	t.Helper()
	d := &hostileDesk{t: t, dir: t.TempDir(), told: map[string]bool{}}
	t.Setenv("XDG_CONFIG_HOME", d.dir)
	version := routeros.Version{Major: 7, Minor: 20}
	d.router = sim.New(sim.Options{
		Version: version, Board: endless(), Serial: hostile, Users: []sim.User{{Name: "admin", Password: "secret"}, {Name: hostile}},
		Fault: func(q sim.Request) sim.Action {
			if f := d.fault.Load(); f != nil {
				return (*f)(q)
			}
			return sim.Action{}
		},
	})
	snapshot, _ := rsc.Read([]byte(hostileExport())).Snapshot(rsc.Options{Version: version})
	check(t, d.router.Load(snapshot))
	d.dial = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go d.router.ServeConn(t.Context(), far)
		return near, nil
	}
	const gate = "allow: {addresses: [127.0.0.1, 192.0.2.2]}\ngate: {services: [ssh, winbox, api]}\nservices: {disable: [telnet]}\nfirewall: {families: [ipv4]}\n"
	const trusts = "    trusted: {list: t, for: 1h}\n    opens: [ssh]\n"
	hosts, err := fixtures.Plan("seed.yaml")
	check(t, err)
	for name, text := range map[string]string{
		"first.yaml":             "version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/41873, udp/17259, tcp/52614]\n" + trusts + gate,
		"second.yaml":            string(hosts),
		"rotating.yaml":          "version: 1\nname: r\ndoors:\n  a:\n    rotate: {secret: env:ROTATING, every: 1h, overlap: 10m}\n" + trusts + gate,
		"hostile.yaml":           "version: 1\nname: \"" + strings.ToValidUTF8(yamlText(hostile), "?") + "\"\n" + hostile + ": 1\n",
		"hostile-inventory.yaml": "version: 1\nrouters:\n  \"" + yamlText(hostile) + "\": {address: 192.0.2.2, user: \"" + yamlText(hostile) + "\"}\n  " + hostile + ": 2\n",
		"sly.yaml":               "version: 1\nname: \"" + sly + "\"\n\"" + sly + "\": 1\ndoors: {" + sly + ": {knock: [" + sly + "], opens: [" + sly + "]}}\n",
		"sly-inventory.yaml":     "version: 1\nrouters:\n  \"" + sly + "\": {address: \"" + sly + "\", user: \"" + sly + "\", groups: [\"" + sly + "\"], plans: [\"" + sly + "\"], tls-pin: \"" + sly + "\"}\n",
		"tests.yaml":             "version: 1\ntests:\n  - {name: a, reaches: [ssh, icmp], expect: drop}\n  - {name: \"=EVIL|<b>\", packet: tcp 203.0.113.9 :22, in: \"EVIL|<b>\", expect: accept}\n",
		"sly-tests.yaml":         "version: 1\n\"" + sly + "\": 1\ntests: [{name: \"" + sly + "\", packet: \"" + sly + "\", from: \"" + sly + "\", reaches: [\"" + sly + "\"], expect: \"" + sly + "\"}]\n",
		"inventory.yaml":         "version: 1\nrouters:\n  r1: {address: 192.0.2.2, user: \"=EVIL\"}\n",
		"hosts.ini":              "[r]\n\"" + sly + "\" ansible_host=192.0.2.1 ansible_user=\"" + sly + "\"\nr2 ansible_host=\"" + sly + "\" evil=" + sly + "\nr3 ansible_host=192.0.2.3 note=\"" + sly + "\" word=EVIL\n",
		"hostile.rsc":            hostileExport() + "/" + hostile + "\nadd name=\x1b]0;owned\x07\n",
	} {
		check(t, os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600))
	}
	theirs, err := state.NewKey([]byte(hostile))
	check(t, err)
	saved := state.Saved{
		Actor: hostile, Plan: hostile, PlanDigest: hostile,
		Routers: []state.SavedRouter{{
			Key: hostile, Name: hostile, Address: "192.0.2.2:8728", User: hostile, Transport: "api", SSHJump: hostile, Password: hostile, Identity: hostile, Serial: hostile, Version: hostile, Snapshot: hostile, Rows: []state.Text{hostile},
		}},
	}
	check(t, state.Save(filepath.Join(d.dir, "hostile-changes.json"), saved, theirs))
	saved.Accepted, saved.Routers[0].SSHJump, saved.Routers[0].Key = []string{hostile}, "", "-/192.0.2.2:8728"
	check(t, state.Save(filepath.Join(d.dir, "hostile-risk.json"), saved, theirs))
	saved.Accepted, saved.Plan = nil, "version: 1\nname: m\ndoors:\n  a:\n    knock: [{protocol: udp, port: 5617, payload: {secret: \"command:"+yamlText(hostile)+"\"}}, tcp/41873]\n"+trusts
	check(t, state.Save(filepath.Join(d.dir, "hostile-command.json"), saved, theirs))
	saved.Routers[0].Transport = hostile
	check(t, state.Save(filepath.Join(d.dir, "hostile-way.json"), saved, theirs))
	text := strings.ToValidUTF8(hostile, "?") // which JSON gives back
	folder, err := state.Open(filepath.Join(d.dir, "state"))
	check(t, err)
	for i, event := range []string{state.Begin, state.End, state.Note, state.RunBegin, state.Begin, state.End, state.TakeOver} {
		check(t, folder.Append(state.Record{
			Event: event, RouterKey: []string{"", text + "/" + text}[i%2], TakenBy: []string{"", text}[i/6], Actor: text, Command: text, Router: text, Address: text, Identity: text + endless()[len(hostile):], Plan: text, Change: []string{text, "20261120-041500-aaaa"}[i/4], Error: text, Run: text,
			Outcome: []string{text, "changed"}[i/4], Accepted: []string{text}, Steps: 1, Time: time.Now(),
		}))
	}
	return d
}

// run runs a command line, and returns what it wrote.
func (d *hostileDesk) run(line []string, format string) (out, said string) {
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	e := env{streams: streams{width: 80, in: strings.NewReader("")}, now: time.Now, dial: d.dial, getenv: func(name string) string {
		return map[string]string{"ROSKNOCK_PASSWORD": "secret", "ROTATING": "3f9a1c77e0b2d4589f21a6c07d3be845"}[name]
	}}
	var args []string
	routers := 0
	for _, word := range line {
		switch {
		case word == "ROUTER":
			routers++
			args = append(args, "-r", "192.0.2."+[]string{"", "2", "3"}[routers], "--transport", "api", "--retries", "0")
		case word == "NEW":
			args = append(args, "new", "--file", filepath.Join(d.t.TempDir(), "new.yaml"))
		case word == "ASK":
			e.inTerminal, e.in = true, strings.NewReader("no\n")
		case word == "STATE":
			args = append(args, filepath.Join(d.dir, "state"))
		case word == "PACKETS":
			args = append(args, "--packets")
			e.in = io.MultiReader(strings.NewReader("tcp 203.0.113.7 :22 --in bridge1\n"+hostile+"\n"), readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }))
		case slices.Contains([]string{".yaml", ".rsc", ".ini", ".json", ".html", ".xml", ".prom", ".sarif"}, filepath.Ext(word)):
			args = append(args, filepath.Join(d.dir, word))
		default:
			args = append(args, word)
		}
	}
	if line[0] != "__complete" && line[0] != "help" {
		args = append(args, "-o", format, "--state-dir", filepath.Join(d.dir, "state"))
	}
	var stdout, stderr bytes.Buffer
	e.out, e.err = &stdout, &stderr
	run(ctx, e, args)
	return stdout.String(), stderr.String()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// drive runs a command line in a format and looks at all that it wrote.
func (d *hostileDesk) drive(path string, c drive, line []string, format string) {
	d.t.Helper()
	out, said := d.run(line, format)
	d.told[path] = d.told[path] || strings.Contains(strings.ToLower(out+said), "evil")
	for what, text := range map[string]string{"standard output": out, "standard error": said} {
		if why := unfit(text); why != "" {
			d.t.Errorf("%s -o %s: %s: %s", strings.Join(line, " "), format, what, why)
		}
	}
	if why := badly(format, out); why != "" && !c.plain && !slices.Contains(line, "--verify") {
		d.t.Errorf("%s -o %s: %s", strings.Join(line, " "), format, why)
	}
	for _, name := range []string{"FILE.html", "FILE.xml", "FILE.prom", "FILE.sarif"} {
		if text, err := os.ReadFile(filepath.Join(d.dir, name)); err == nil && slices.Contains(line, name) {
			if why := unfit(string(text)); why != "" {
				d.t.Errorf("%s -o %s: %s: %s", strings.Join(line, " "), format, name, why)
			}
		}
	}
}

// longest is how many characters a line for people has at most, however long names are; a table's
// cells for programs and JSON may have more.
const longest = 9000

// unfit says what a text has in it that must never reach a terminal.
func unfit(text string) string {
	if !utf8.ValidString(text) {
		return "it is no UTF-8"
	}
	at := strings.IndexFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Bidi_Control))
	})
	if at >= 0 {
		return "it has a character in it that must not be: " + quoted(text, at)
	}
	if at := forged().FindStringIndex(text); at != nil {
		return "it has a line that somebody else wrote: " + quoted(text, at[0])
	}
	return ""
}

func forged() *regexp.Regexp { return regexp.MustCompile(`(?m)^[\s"|]*FORGED`) }

func quoted(text string, at int) string {
	return strconv.Quote(text[max(0, at-60):min(len(text), at+40)])
}

// badly says what is wrong with a result as what it claims to be.
func badly(format, out string) string {
	switch format {
	case "json", "jsonl":
		if format == "jsonl" {
			for line := range strings.Lines(out) {
				if !json.Valid([]byte(line)) {
					return "a line is no JSON: " + quoted(line, 0)
				}
			}
		}
		for d := json.NewDecoder(strings.NewReader(out)); ; {
			var one json.RawMessage
			switch err := d.Decode(&one); {
			case err == io.EOF:
				return ""
			case err != nil:
				return "this is no JSON: " + err.Error()
			}
		}
	case "csv":
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil {
			return "this is no CSV: " + err.Error()
		}
		for _, row := range rows {
			for _, cell := range row {
				if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "+") || strings.HasPrefix(cell, "-") || strings.HasPrefix(cell, "@") {
					return "a cell is a formula: " + quoted(cell, 0)
				}
			}
		}
	case "markdown":
		escape := regexp.MustCompile(`\\.`)
		borders := 0
		for line := range strings.Lines(out) {
			plain := escape.ReplaceAllString(line, "")
			text, title := strings.CutPrefix(plain, "- **") // of a list above the table
			if title {
				plain = strings.Replace(text, "**", "", 1)
			}
			if strings.ContainsAny(plain, "<>`[]*") {
				return "a cell holds more than text: " + quoted(line, 0)
			}
			if title || plain == "\n" {
				borders = 0
				continue
			}
			if n := strings.Count(plain, "|"); borders != 0 && n != borders {
				return "a line has too many cells: " + quoted(line, 0)
			} else if borders = n; n < 2 {
				return "this is no table: " + quoted(line, 0)
			}
		}
	case "html":
		if strings.Contains(out, "<img") {
			return "the page holds HTML of somebody else"
		}
	default:
		for line := range strings.Lines(out) {
			if utf8.RuneCountInString(line) > longest {
				return "a line has no end: " + quoted(line, 0)
			}
		}
	}
	return ""
}

// TestHostile lets every command, in every format, print what somebody else wrote into every place
// where they can write: on the router, in an export, a plan, an inventory, saved changes, the
// journal. A command that is not driven here, or prints none of it, fails.
func TestHostile(t *testing.T) {
	d := newHostileDesk(t)
	check(t, d.router.AdminAs(hostile, routeros.NewCommand("/system/identity/print")))
	all := driven()
	var paths []string
	formats := map[string][]string{} // of a command
	everyCommand(newRoot(env{}), func(c *cobra.Command) {
		formats[c.CommandPath()] = outputsOf(c)
		if _, known := all[c.CommandPath()]; !known && !c.HasSubCommands() {
			t.Errorf("%s is not driven: say in driven how it prints what others wrote", c.CommandPath())
		}
	})
	for path := range all {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	drive := func(path, format string) {
		if c := all[path]; slices.Contains(formats[path], format) && !c.plain || format == "text" {
			for _, line := range c.lines {
				d.drive(path, c, line, format)
			}
		}
	}
	for _, format := range []string{"text", "json", "jsonl", "csv", "markdown", "html"} {
		for _, standing := range []bool{false, true} {
			if standing {
				d.apply()
			}
			for _, path := range paths {
				if all[path].standing == standing && path != "rosknock apply" {
					drive(path, format)
				}
			}
		}
		d.run([]string{"remove", "first.yaml", "--yes", "ROUTER", "--accept-risk", "exposure"}, "text")
		drive("rosknock apply", format)
		d.run([]string{"remove", "first.yaml", "--yes", "ROUTER", "--accept-risk", "exposure"}, "text")
	}
	d.refuse(paths, all)
	for _, path := range paths {
		if all[path].mute == "" && !d.told[path] {
			t.Errorf("%s printed nothing of what others wrote", path)
		}
	}
}

// apply brings the router to the plan, and somebody hostile into its trusted list.
func (d *hostileDesk) apply() {
	d.t.Helper()
	if out, said := d.run([]string{"apply", "first.yaml", "--yes", "ROUTER"}, "text"); !strings.Contains(said, "step 1 of") {
		d.t.Fatal("nothing was applied: ", out, said)
	}
	check(d.t, d.router.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", "t", "address", "203.0.113.77", "timeout", "1h", "comment", endless())))
}

// yamlText is a text between double quotes in YAML.
func yamlText(text string) string {
	return strings.Trim(strconv.QuoteToASCII(text), `"`)
}

// refuse lets everything fail in every way in which the other side has a word: at the login, at
// the first command, at the first write, before any login, and in whatever a row of it says.
func (d *hostileDesk) refuse(paths []string, all map[string]drive) {
	online := func(format string) {
		for _, path := range paths {
			for _, line := range all[path].lines {
				if slices.Contains(line, "ROUTER") {
					d.drive(path, all[path], line, format)
				}
			}
		}
	}
	for _, at := range []string{"/print", "/add"} {
		fault := sim.Fault(func(q sim.Request) sim.Action {
			if strings.HasSuffix(q.Words[0], at) {
				return sim.Action{Kind: sim.Trap, Message: endless()}
			}
			return sim.Action{}
		})
		d.fault.Store(&fault)
		online("text")
	}
	d.fault.Store(nil)
	router := d.dial
	d.dial = func(context.Context, string, string) (net.Conn, error) { return answering("!fatal", endless()), nil }
	for _, format := range []string{"text", "json", "jsonl", "csv", "markdown"} {
		online(format)
	}
	d.dial = func(context.Context, string, string) (net.Conn, error) {
		return answering(endless(), "="+endless()), nil
	}
	online("text")
	for _, banner := range []string{"SSH-2.0-" + hostile + "\r\n", hostile + "\r\n", "SSH-1.0-" + endless() + "\r\n"} {
		d.dial = func(context.Context, string, string) (net.Conn, error) { return greeting(banner), nil }
		d.drive("rosknock", drive{}, []string{"inventory", "check", "ROUTER", "--ssh-jump", "gate.example.net", "--timeout", "1s"}, "text")
	}
	for _, names := range columns() {
		d.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := router(ctx, network, address)
			return d.rewritten(conn, names), err
		}
		for _, line := range [][]string{{"audit", "ROUTER"}, {"diff", "first.yaml", "ROUTER"}, {"trusted", "list", "ROUTER"}, {"trusted", "revoke", "203.0.113.77", "ROUTER"}, {"inventory", "check", "ROUTER"}} {
			d.drive("rosknock", drive{}, line, "text")
		}
	}
	d.dial = router
}

// answering is a router that says one sentence to whatever it is asked.
func answering(words ...string) net.Conn {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		requests, replies := wire.NewReader(far, wire.DefaultLimits()), wire.NewWriter(far)
		if _, err := requests.Read(); err == nil && replies.Write(words...) == nil {
			_ = replies.Flush()
		}
		_, _ = requests.Read()
	}()
	return near
}

// greeting is a host that greets, and says no more.
func greeting(text string) net.Conn {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		_, _ = io.WriteString(far, text)
	}()
	return near
}

// columns are attributes of rows that this program reads, those together that do not keep each
// other from being read.
func columns() [][]string {
	return [][]string{
		{"version"}, {"name", "board-name", "comment", "certificate"}, {"list", "timeout", "creation-time", "status"}, {"chain", "action", "protocol"}, {"dst-port", "in-interface", "port", "listen-port"},
		{"address", "interface", "type", "prefix"}, {"policy", "group", "via", "user", "mode", "current"}, {"date", "time", "time-zone-name", "next-run", "dynamic", "disabled", ".id"},
	}
}

// rewritten is a connection to a router that has something hostile in every cell of some columns.
func (d *hostileDesk) rewritten(conn net.Conn, columns []string) net.Conn {
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(conn, far); conn.Close() }()
	go func() {
		defer far.Close()
		replies, out := wire.NewReader(conn, wire.DefaultLimits()), wire.NewWriter(far)
		for {
			sentence, err := replies.Read()
			if err != nil {
				return
			}
			for i, word := range sentence {
				if _, rest, _ := strings.Cut(word, "="); slices.Contains(columns, strings.SplitN(rest, "=", 2)[0]) {
					sentence[i] = "=" + strings.SplitN(rest, "=", 2)[0] + "=" + endless()
				}
			}
			if out.Write(sentence...) != nil || out.Flush() != nil {
				return
			}
		}
	}()
	return near
}
