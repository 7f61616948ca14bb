package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
)

// TestSecrets lets a fleet be provisioned, with failures, undone and looked at in every format, and
// then looks for the password and the knock in everything that was said and written. Only the plan,
// the saved changes and the backups hold the knock, for their owner alone; the password is nowhere.
func TestSecrets(t *testing.T) {
	b := newBranches(t, 21, false) // each kind of failure is among the first 61, two of them here
	b.order[3].ill, b.order[13].ill, b.order[4].ill, b.order[5].ill = "trap in the middle", "changed pin", "wrong password", "not enough policy"
	b.write("secret.txt", "planted-password\n")
	b.write("tests.yaml", secretTests)
	b.write("wrong-tests.yaml", strings.Replace(secretTests, "knock: admin", "knock: admn", 1))
	b.write("accept.yaml", "version: 1\naccept:\n  - {finding: L34, reason: small}\n  - {exposure: ssh, reason: known, routers: [\"r*\"]}\n")
	b.write("wrong-accept.yaml", "version: 1\naccept:\n  - {finding: L34, place: doors.admin.knock}\n  - {exposure: 7}\n")
	file := func(name string) string { return filepath.Join(b.dir, name) }
	var said, aside bytes.Buffer // results are written while others are still under way
	for _, args := range [][]string{
		{"diff", "-v", "--report", file("diff.html"), "--junit", file("diff.xml"), "--metrics", file("diff.prom")},
		{"diff", "-l", "r0000", "--save", file("saved.json")},
		{"diff", "-o", "json"}, {"diff", "-o", "jsonl"}, {"diff", "-o", "csv"}, {"diff", "-o", "markdown"}, {"diff", "-o", "html"}, {"prove", "-o", "json"}, {"audit", "-o", "json"}, {"audit", "-l", "r0001"},
		{"audit", "-o", "html", "--report", file("audit.html"), "--junit", file("audit.xml"), "--sarif", file("audit.sarif"), "--metrics", file("audit.prom")},
		{"apply", "--yes", "-v", "--timeout", "20s", "--retries", "0", "--report", file("apply.html"), "--junit", file("apply.xml"), "--metrics", file("apply.prom")},
		{"apply", "--yes", "-l", "r0003", "--password-file", file("secret.txt")},
		{"apply", "--yes", "-l", "r0003", "--password-command", "cat " + file("secret.txt")},
		{"diff", "-l", "r0001", "--password-command", "cat " + file("secret.txt") + "; exit 1"},
		{"trusted", "list", "-v"}, {"inventory", "list", "-o", "json"}, {"inventory", "check"}, {"undo", "--yes", "-l", "north"}, {"journal", "-o", "json"}, {"journal"},
		{"test", file("tests.yaml"), "-v", "--junit", file("tests.xml")}, {"test", file("tests.yaml"), "-o", "json"}, {"test", file("tests.yaml"), "-o", "jsonl"},
		{"test", file("tests.yaml"), "-o", "csv"}, {"test", file("tests.yaml"), "-o", "markdown"}, {"test", file("tests.yaml"), "-l", "r0001"}, {"test", file("wrong-tests.yaml")},
		{"audit", "-o", "json", "--accept", file("accept.yaml")}, {"audit", "-v", "--accept", file("accept.yaml"), "--exit-code", "--max-exposure", "nobody"},
		{"audit", "-o", "csv", "--accept", file("accept.yaml")}, {"audit", "--accept", file("wrong-accept.yaml")},
		{"lint", file("branch.yaml")}, {"lint", file("branch.yaml"), "-o", "json"}, {"lint", file("branch.yaml"), "-o", "csv"},
		{"render", file("branch.yaml"), "--format", "ssh-config"}, {"render", file("branch.yaml"), "--format", "svg", "-l", "r0001"}, {"render", file("branch.yaml"), "--format", "rsc", "-l", "r0001", "-v"},
	} {
		b.out.Reset()
		b.err.Reset()
		e := env{streams: streams{out: &said, err: &aside, width: 100}, now: time.Now, dial: b.dial, getenv: func(name string) string {
			return map[string]string{"ROSKNOCK_PASSWORD": "planted-password"}[name]
		}}
		run(b.ctx, e, append(args, "-i", file("fleet.yaml"), "--state-dir", file("state"), "--timeout", "20s", "--retries", "0"))
		_, _ = aside.WriteTo(&said)
	}
	tells := func(where string, text []byte, secrets ...string) {
		for _, secret := range secrets {
			word := regexp.MustCompile(`(^|\D)` + secret + `(\D|$)`) // no part of a time
			if at := word.FindIndex(text); at != nil {
				t.Errorf("%s tells %s: %q", where, secret, text[max(0, at[0]-80):min(len(text), at[1]+40)])
			}
		}
	}
	knock := []string{"41873", "17259", "52614"}
	tells("the output", said.Bytes(), append(knock, "planted-password")...)
	if !strings.Contains(said.String(), "21 routers: ") || !strings.Contains(said.String(), "reverted") {
		t.Errorf("not much happened:\n%s", said.String())
	}
	files, wellTested := 0, false
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "secret.txt" {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tells(path, text, "planted-password")
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.Name() == "tests.xml" {
			wellTested = strings.Contains(string(text), "<failure") && strings.Contains(string(text), "after the knock")
		}
		holder := d.Name() == "branch.yaml" || d.Name() == "saved.json" || strings.Contains(path, "backups")
		if !holder {
			tells(path, text, knock...)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s holds the knock and has the mode %o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil || files < 30 || !wellTested {
		t.Errorf("%d files, %v, tested: %v", files, err, wellTested)
	}
}

// secretTests hold tests that do not hold, so that packets and rules are shown; the stages of the knock
// are among their ports.
const secretTests = `version: 1
plan: branch.yaml
tests:
  - {name: after the knock, from: stranger, reaches: [ssh, winbox, tcp/41000-42000], after: {knock: admin}, expect: drop}
  - {name: before the knock, from: stranger, reaches: [ssh], expect: accept}
  - {name: every port, packet: "tcp stranger :1-65535", expect: reject}
  - {name: every udp port, packet: "udp any :1-65535", expect: reject}
  - {name: half of it, packet: "tcp 203.0.113.9 :40000-60000", expect: forward}
`

// TestSecretsOfInit: init draws a knock and writes it into the plan alone, which only its owner can
// read; nothing that it says tells it.
func TestSecretsOfInit(t *testing.T) {
	for _, flags := range [][]string{{}, {"--stages", "7"}, {"--chance", "0.0001"}, {"--name", "branch"}} {
		dir := t.TempDir()
		plan := filepath.Join(dir, "new.yaml")
		var said bytes.Buffer
		for _, more := range [][]string{{"--file", plan}, {"--file", plan}, {"--file", filepath.Join(dir, "none", "new.yaml")}} {
			e := env{streams: streams{out: &said, err: &said, width: 100}, now: time.Now, getenv: func(string) string { return "" }}
			run(t.Context(), e, slices.Concat([]string{"init"}, flags, more))
		}
		text, err := os.ReadFile(plan)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(plan)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		p, err := plans.Read(plan, text)
		if err != nil || len(p.Doors) != 1 || len(p.Doors[0].Knock) < 3 {
			t.Fatal(p, err)
		}
		beside, err := os.ReadDir(dir)
		if err != nil || len(beside) != 3 {
			t.Errorf("%v, %v", beside, err)
		}
		all := said.String()
		for _, f := range beside {
			if text, _ := os.ReadFile(filepath.Join(dir, f.Name())); f.Name() != "new.yaml" {
				all += string(text)
			}
		}
		for _, stage := range p.Doors[0].Knock {
			number := strconv.Itoa(int(max(stage.Port, stage.Size)))
			if regexp.MustCompile(`\b` + number + `\b`).MatchString(all) {
				t.Errorf("%v: %s is told:\n%s", flags, number, all)
			}
		}
	}
}
