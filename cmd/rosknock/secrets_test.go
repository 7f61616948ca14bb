package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSecrets lets a fleet be provisioned, with failures, undone and looked at in every format, and
// then looks for the password and the knock in everything that was said and written. Only the plan,
// the saved changes and the backups hold the knock, for their owner alone; the password is nowhere.
func TestSecrets(t *testing.T) {
	b := newBranches(t, 21, false) // each kind of failure is among the first 61, two of them here
	b.order[3].ill, b.order[13].ill, b.order[4].ill, b.order[5].ill = "trap in the middle", "changed pin", "wrong password", "not enough policy"
	b.write("secret.txt", "planted-password\n")
	file := func(name string) string { return filepath.Join(b.dir, name) }
	var said, aside bytes.Buffer // results are written while others are still under way
	for _, args := range [][]string{
		{"diff", "-v", "--report", file("diff.html"), "--junit", file("diff.xml"), "--metrics", file("diff.prom")},
		{"diff", "-l", "r0000", "--save", file("saved.json")},
		{"diff", "-o", "json"}, {"diff", "-o", "jsonl"}, {"diff", "-o", "csv"}, {"diff", "-o", "markdown"}, {"diff", "-o", "html"}, {"prove", "-o", "json"}, {"audit", "-o", "json"}, {"audit", "-l", "r0001"},
		{"apply", "--yes", "-v", "--timeout", "20s", "--retries", "0", "--report", file("apply.html"), "--junit", file("apply.xml"), "--metrics", file("apply.prom")},
		{"apply", "--yes", "-l", "r0003", "--password-file", file("secret.txt")},
		{"apply", "--yes", "-l", "r0003", "--password-command", "cat " + file("secret.txt")},
		{"diff", "-l", "r0001", "--password-command", "cat " + file("secret.txt") + "; exit 1"},
		{"trusted", "list", "-v"}, {"inventory", "list", "-o", "json"}, {"inventory", "check"}, {"undo", "--yes", "-l", "north"}, {"journal", "-o", "json"}, {"journal"},
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
			if bytes.Contains(text, []byte(secret)) {
				at := bytes.Index(text, []byte(secret))
				t.Errorf("%s tells %s: %q", where, secret, text[max(0, at-80):min(len(text), at+40)])
			}
		}
	}
	knock := []string{"41873", "17259", "52614"}
	tells("the output", said.Bytes(), append(knock, "planted-password")...)
	if !strings.Contains(said.String(), "21 routers: ") || !strings.Contains(said.String(), "reverted") {
		t.Errorf("not much happened:\n%s", said.String())
	}
	files := 0
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
		holder := d.Name() == "branch.yaml" || d.Name() == "saved.json" || strings.Contains(path, "backups")
		if !holder {
			tells(path, text, knock...)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s holds the knock and has the mode %o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil || files < 30 {
		t.Errorf("%d files, %v", files, err)
	}
}
