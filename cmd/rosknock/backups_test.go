package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestBackupPatterns applies the patterns of docs/howto/backups.md to the export of a router that
// holds a plan: nothing of its knock is left, and all rules that do not hold the knock are.
func TestBackupPatterns(t *testing.T) {
	page, err := os.ReadFile("../../docs/howto/backups.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`cfg\.gsub!\(/(.*)/, ''\)`).FindAllStringSubmatch(string(page), -1)
	if len(found) != 3 {
		t.Fatalf("the page has %d patterns", len(found))
	}
	export := exportWithKnock(t)
	kept := export
	for i, pattern := range found {
		if i > 0 && !strings.Contains(string(page), "s/"+pattern[1]+"//mg") {
			t.Errorf("the script for perl has another pattern than %s", pattern[1])
		}
		kept = regexp.MustCompile("(?m)"+pattern[1]).ReplaceAllString(kept, "")
	}
	for _, secret := range []string{"33517", "22860", "41923", "29074", "3391", "30112", "37250"} {
		if !strings.Contains(export, secret) {
			t.Errorf("the export does not hold %s: this test shows nothing", secret)
		}
		if strings.Contains(kept, secret) {
			t.Errorf("%s is left:\n%s", secret, kept)
		}
	}
	for _, rule := range []string{"[rosknock branch/gate/tcp]", "[rosknock branch/jump]", "defconf: drop all not coming from LAN"} {
		if !strings.Contains(kept, rule) {
			t.Errorf("%s is gone:\n%s", rule, kept)
		}
	}
}

// exportWithKnock is what /export prints on a router that holds the plan with decoys.
func exportWithKnock(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text, err := fixtures.Plan("quarantine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(dir, "branch.yaml")
	writeTest(t, plan, string(text))
	var out bytes.Buffer
	e := env{streams: streams{out: &out, err: &out, width: 100}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(string) string { return "" }}
	o := simOptions{listen: "127.0.0.1:0", count: 1, version: "7.20"}
	options, snapshot, err := simulate(access{e, settings{login: login{User: "admin"}}}, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRouter(options, snapshot, o)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.router.Serve(t.Context(), r.listener) }()
	e.getenv = func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "any"}[name] }
	if code := run(t.Context(), e, []string{"apply", plan, "--yes", "-r", "admin@" + r.listener.Addr().String(), "--transport", "api", "--state-dir", filepath.Join(dir, "state")}); code != 0 {
		t.Fatal(out.String())
	}
	return string(rsc.Write(r.router.Snapshot()))
}
