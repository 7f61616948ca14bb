package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPasswordInTarget: a password that is written with a router or a user is refused, and no part
// of it comes out, whatever it is made of.
func TestPasswordInTarget(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for _, args := range [][]string{
		{"-r", "admin:hunter2@192.0.2.1"}, {"-r", "admin:hunter2@192.0.2.1:8729"}, {"-r", "admin:hun@ter2@192.0.2.1"}, {"-r", "admin:hun:ter2@h"},
		{"-r", "admin:hunter2@bad host"}, {"-r", "admin:hunter2@h:99999"}, {"-r", "admin:hunter2"}, {"-r", "admin:hunter2@"}, {"-r", "admin:hunter2@[2001:db8::1]"},
		{"-r", "192.0.2.1", "--user", "admin:hunter2"}, {"-r", "ok@192.0.2.1", "-r", "admin:hunter2@192.0.2.2"},
	} {
		for _, command := range [][]string{{"diff", "../../fixtures/plans/seed.yaml"}, {"trusted", "list"}, {"audit"}, {"apply", "../../fixtures/plans/seed.yaml", "--yes"}} {
			var out bytes.Buffer
			e := env{streams: streams{in: strings.NewReader(""), out: &out, err: &out}, getenv: func(string) string { return "" }, now: time.Now}
			code := run(t.Context(), e, append(command, args...))
			text := out.String()
			if code != int(exitUsage) || strings.Contains(text, "hun") || strings.Contains(text, "ter2") || !strings.Contains(text, "•••••") {
				t.Errorf("%s %s: %d, %s", command, args, code, text)
			}
		}
	}
	var out bytes.Buffer
	e := env{streams: streams{in: strings.NewReader(""), out: &out, err: &out}, getenv: func(string) string { return "" }, now: time.Now}
	if code := run(t.Context(), e, []string{"knock", "../../fixtures/plans/branch.yaml", "admin:hunter2@192.0.2.1"}); code != int(exitUsage) || strings.Contains(out.String(), "hunter2") {
		t.Errorf("knock: %d, %s", code, out.String())
	}
	for text, want := range map[string]string{"192.0.2.1:99999": "192.0.2.1:99999", "2001:db8::zz": "2001:db8::zz", "a b": "a b"} {
		if got := maskedTarget(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// TestSameRouterTwice: a router that is named twice is done once, and in an inventory, where the
// two have names of their own, it is a mistake with both places. Another way makes another router.
func TestSameRouterTwice(t *testing.T) {
	e := env{memory: new(memory), getenv: func(string) string { return "" }}
	keys := func(s settings) (string, error) {
		routers, err := access{e, s}.routersOf()
		var out []string
		for _, r := range routers {
			out = append(out, r.key())
		}
		return strings.Join(out, " "), err
	}
	for _, test := range []struct{ routers, want, mistake string }{
		{"r r", "-/r:8729", ""}, {"r a@r r:8729", "", "--router admin@r and a@r are one router"}, {"r R. r:8729", "-/r:8729", ""},
		{"r r:8728", "-/r:8729 -/r:8728", ""}, {"2001:db8::1 [2001:DB8:0::1]:8729", "-/[2001:db8::1]:8729", ""}, {"a@r a@r", "-/r:8729", ""},
	} {
		got, err := keys(settings{login: login{User: "admin", Transport: "api-ssl"}, routers: strings.Fields(test.routers), typed: map[string]bool{}})
		if got != test.want || (err != nil) != (test.mistake != "") || err != nil && !strings.Contains(err.Error(), test.mistake) {
			t.Errorf("%s: %q, %v", test.routers, got, err)
		}
	}
	file := filepath.Join(t.TempDir(), "fleet.yaml")
	for _, test := range []struct{ a, b, jump, limit, want, mistake string }{
		{"address: r", "address: r", "", "", "", ":3:6: the router -/b has the address of -/a (" + file + ":2:14)"},
		{"address: r", "address: r, site: x", "", "", "", ":3:6: the router x/b"},
		{"address: r", "address: \"R.:8729\"", "", "", "", "reached the same way"},
		{"address: 2001:db8::1", "address: \"[2001:db8:0::1]\"", "", "", "", "reached the same way"},
		{"address: r, ssh-jump: a@j", "address: r, ssh-jump: \"a@J:22\"", "", "", "", "reached the same way"},
		{"address: r, ssh-jump: a@j", "address: r", "", "", "-/a -/b", ""},
		{"address: r, ssh-jump: a@j", "address: r", "", "b", "-/b", ""},
		{"address: r, ssh-jump: a@j", "address: r, ssh-jump: a@k", "", "", "-/a -/b", ""},
		{"address: r, ssh-jump: a@j", "address: r, ssh-jump: \"a@j,a@k\"", "", "", "-/a -/b", ""},
		{"address: r, ssh-jump: a@j", "address: r, ssh-jump: a@k", "a@typed", "", "", "reached the same way"},
		{"address: r", "address: r, transport: api", "", "", "-/a -/b", ""},
		{"address: r", "address: r", "", "b", "-/b", ""},
	} {
		writeTest(t, file, "version: 1\nrouters: {a: {"+test.a+"},\n  b: {"+test.b+"}}\n")
		s := settings{login: login{User: "admin", Transport: "api-ssl", SSHJump: test.jump}, inventories: []string{file}, typed: map[string]bool{"ssh-jump": test.jump != ""}}
		if test.limit != "" {
			s.limits = []string{test.limit}
		}
		got, err := keys(s)
		if got != test.want || (err != nil) != (test.mistake != "") || err != nil && !strings.Contains(err.Error(), test.mistake) {
			t.Errorf("%s; %s: %q, %v", test.a, test.b, got, err)
		}
	}
}
