package render_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/render"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

func fixture(t *testing.T, plan, router string) (plans.Plan, routeros.Snapshot) {
	t.Helper()
	text, err := fixtures.Plan(plan)
	if err != nil {
		t.Fatal(err)
	}
	export, err := fixtures.Router(router)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(export).Snapshot(rsc.Options{})
	return readPlan(t, string(text)), s
}

func changesFor(p plans.Plan, s routeros.Snapshot) (change.ChangeSet, error) {
	rs, err := compile.Compile(p, s)
	if err != nil {
		return change.ChangeSet{}, err
	}
	return diff.Compute(s, rs, change.Management{})
}

// TestGolden holds artefacts against those that were looked at. ROSKNOCK_UPDATE=1 writes them anew.
func TestGolden(t *testing.T) {
	p, s := fixture(t, "inline.yaml", "defconf.rsc")
	c, err := changesFor(p, s)
	if err != nil {
		t.Fatal(err)
	}
	i := render.Import{Plan: p.Name, Router: "defconf.rsc", Before: s, Changes: c, Remarks: []string{"It was made for RouterOS 7.20."}}
	small, _ := fixture(t, "minimal.yaml", "defconf.rsc")
	quarantine, _ := fixture(t, "quarantine.yaml", "defconf.rsc")
	client := render.Client{Plan: small.Name, Door: small.Doors[0], Host: "192.0.2.1", Families: small.Firewall.Families}
	picture := render.Picture{Plan: quarantine.Name, Doors: quarantine.Doors}
	plain := func(text string) func() (string, error) { return func() (string, error) { return text, nil } }
	for name, write := range map[string]func() (string, error){
		"render.rsc": i.Script, "render-undo.rsc": i.UndoScript,
		"render.sh":   func() (string, error) { return render.Shell(client) },
		"render.ps1":  plain(render.PowerShellScript(client)),
		"render.cmd":  plain(render.Cmd()),
		"render.html": func() (string, error) { return render.Page([]render.Client{client}) },
		"render.json": func() (string, error) { return render.KnockOnPorts([]render.Client{client}) },
		"render.conf": func() (string, error) { return render.Knockd([]render.Client{client}) },
		"render.ssh": func() (string, error) {
			return render.SSH([]render.SSHHost{{Name: "r0001", Address: "192.0.2.1", User: "admin", Plan: small, File: "/plans/minimal.yaml", Door: small.Doors[0]}})
		},
		"render.mmd": plain(render.Mermaid(picture)), "render.svg": plain(render.Draw(picture)),
	} {
		got, err := write()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("../../fixtures/golden", name)
		if os.Getenv("ROSKNOCK_UPDATE") != "" {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != got {
			t.Errorf("%s is out of date (%v): look at it, and run ROSKNOCK_UPDATE=1 go test ./plans/render", name, err)
		}
	}
}

// TestTwins: where the rule before which others have to go can't be told from another one, no
// script is written; what tells it is used where there is anything.
func TestTwins(t *testing.T) {
	p := readPlan(t, "version: 1\nname: p\ndoors: {a: {knock: [tcp/41873, udp/17259], trusted: {list: t, for: 1h}, opens: [ssh]}}\nfirewall: {families: [ipv4]}\n")
	for table, want := range map[string]string{
		"add action=drop chain=input\nadd action=drop chain=input":                                                        "",
		"add action=drop chain=input comment=x\nadd action=drop chain=input":                                              `place-before=[find chain="input" comment="x"]`,
		"add action=drop chain=input protocol=tcp\nadd action=drop chain=input protocol=udp\nadd action=drop chain=input": `place-before=[find chain="input" comment="" protocol="tcp"]`,
		"add action=drop chain=input\nadd action=accept chain=input\nadd action=drop chain=forward":                       `place-before=[find chain="input" comment="" action="drop"]`,
	} {
		s, _ := rsc.Read([]byte("/ip firewall filter\n" + table + "\n")).Snapshot(rsc.Options{})
		c, err := changesFor(p, s)
		if err != nil {
			t.Fatal(err)
		}
		text, err := render.Import{Plan: "p", Router: "r", Before: s, Changes: c}.Script()
		refused, ok := errors.AsType[*change.RefusalError](err)
		if ok != (want == "") || ok && !strings.Contains(refused.Error(), "has an identical twin, so no script can name it: give it a comment of its own") || !strings.Contains(text, want) {
			t.Errorf("%s\n%v\n%s", table, err, text)
		}
	}
}
