package view_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/change"
	run "github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// member is a router with three steps; some of it depends on its number.
func member(i int) operate.Result {
	return operate.Result{
		Name: fmt.Sprintf("r%04d", i+1), Address: fmt.Sprintf("10.0.%d.%d:8729", i/250, i%250+1),
		Snapshot: &routeros.Snapshot{Identity: fmt.Sprintf("gw-%d", i), Version: routeros.Version{Major: 7, Minor: 20}},
		Changes: &change.ChangeSet{Steps: []change.Step{
			{Op: change.Add, Menu: routeros.Filter, Slot: "p/gate", Before: fmt.Sprintf("*%X", i+1), BeforeText: fmt.Sprintf(`"drop" (*%X)`, i+1), Set: routeros.MakeAttributes("chain", "input", "action", "drop")},
			{Op: change.Add, Menu: routeros.Filter6, Slot: "p/gate", Set: routeros.MakeAttributes("chain", "input", "action", "drop")},
			{Op: change.Disable, Menu: routeros.ServiceMenu, ID: "*0", Slot: "telnet", Set: routeros.MakeAttributes("disabled", "true")},
			{Op: change.Disable, Menu: routeros.ServiceMenu, ID: "*1", Slot: "ftp", Set: routeros.MakeAttributes("disabled", "true")},
		}},
		Proof: &proof.Proof{States: 4, Classes: float64(1000 + i)},
	}
}

// edited is a router with one thing changed.
func edited(i int, edit func(r *operate.Result)) operate.Result {
	r := member(i)
	edit(&r)
	return r
}

func stepOf(r *operate.Result, n int) *change.Step { return &r.Changes.Steps[n] }

// TestGroups: what routers that are told together may differ in, and what they may not.
func TestGroups(t *testing.T) {
	tests := []struct {
		name     string
		edit     func(r *operate.Result)
		together bool
		says     string // of the router that differs
	}{
		{"the id of a row", func(r *operate.Result) { stepOf(r, 2).ID = "*7" }, true, ""},
		{"the router's own address", func(r *operate.Result) {
			stepOf(r, 0).Set = stepOf(r, 0).Set.With("dst-address", strings.TrimSuffix(r.Address, ":8729"))
		}, false, `dst-address="its address"`},
		{"how many classes of packets there are", func(r *operate.Result) { r.Proof.Classes = 5 }, true, ""},
		{"the text of a step", func(r *operate.Result) { stepOf(r, 0).Set = stepOf(r, 0).Set.With("action", "reject") }, false, "action=reject"},
		{"what was there before", func(r *operate.Result) {
			stepOf(r, 3).Op, stepOf(r, 3).Was = change.Set, routeros.MakeAttributes("disabled", "x")
		}, false, "(was x)"},
		{"an address of somebody else", func(r *operate.Result) { stepOf(r, 0).Set = stepOf(r, 0).Set.With("src-address", "192.0.2.9") }, false, "192.0.2.9"},
		{"a value like an id", func(r *operate.Result) { stepOf(r, 0).Set = stepOf(r, 0).Set.With("content", "(*9)") }, false, `content="(*9)"`},
		{"a note", func(r *operate.Result) { r.Changes.Notes = []string{"no IPv6 here"} }, false, "note: no IPv6 here"},
		{"a risk", func(r *operate.Result) {
			r.Proof.Accepted = []proof.Failure{{Risk: "lose-session", What: "this session ends"}}
		}, false, "accepted by name (lose-session)"},
		{"a verdict", func(r *operate.Result) {
			r.Proof.Failures = []proof.Failure{{Promise: proof.Promises()[0], What: "it is open"}}
		}, false, "proof: fails"},
		{"a promise that could not be checked", func(r *operate.Result) {
			r.Proof.Unasked = map[proof.Promise]string{proof.Promises()[1]: "nobody knows"}
		}, false, "nobody knows"},
		{"one row in place of two", func(r *operate.Result) { stepOf(r, 3).ID = "*0" }, false, "ftp"},
		{"one step fewer", func(r *operate.Result) { r.Changes.Steps = r.Changes.Steps[:3] }, false, "without 1 step:\n   4 ~ disable /ip/service ftp"},
		{"the order", func(r *operate.Result) {
			s := r.Changes.Steps
			s[2], s[3] = s[3], s[2]
		}, false, "without 1 step"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := string(written(t, "text", view.Style{Width: 120}, changesOf("diff", 4), member(0), member(1), member(2), edited(3, test.edit)))
			if got := strings.Contains(text, "4 steps, the same on 4 routers: r0001–r0004\n"); got != test.together {
				t.Errorf("together: %t\n%s", got, text)
			}
			if !test.together && !strings.Contains(text, "4 steps, the same on 3 routers: r0001–r0003\n") {
				t.Errorf("the others are not together:\n%s", text)
			}
			if !strings.Contains(text, test.says) {
				t.Errorf("no %q in\n%s", test.says, text)
			}
		})
	}
}

// TestGroupsOwnAddress: routers that write their own address do the same.
func TestGroupsOwnAddress(t *testing.T) {
	var all []operate.Result
	for i := range 3 {
		all = append(all, edited(i, func(r *operate.Result) {
			stepOf(r, 0).Set = stepOf(r, 0).Set.With("dst-address", strings.TrimSuffix(r.Address, ":8729"))
		}))
	}
	text := string(written(t, "text", view.Style{Width: 120}, changesOf("diff", 3), all...))
	for _, want := range []string{"the same on 3 routers", `dst-address="its address"`, "their own addresses (its address)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestGroupsMasked: routers with other knocks are told together while the knocks are masked, and that
// is said.
func TestGroupsMasked(t *testing.T) {
	var all []operate.Result
	for i := range 3 {
		all = append(all, edited(i, func(r *operate.Result) {
			stepOf(r, 0).Slot, stepOf(r, 0).Set = "p/d/stage-1", routeros.MakeAttributes("chain", "input", "dst-port", fmt.Sprint(54320+i))
		}))
	}
	masked := string(written(t, "text", view.Style{Width: 120}, changesOf("diff", 3), all...))
	if !strings.Contains(masked, "the same on 3 routers") || !strings.Contains(masked, "knocks (masked)") || strings.Contains(masked, "5432") {
		t.Error(masked)
	}
	if shown := string(written(t, "text", view.Style{Width: 120, Reveal: true}, changesOf("diff", 3), all...)); strings.Contains(shown, "the same on") {
		t.Error(shown)
	}
}

// thousand is a fleet of which some can't be reached, some are refused, and some were not begun.
func thousand() []operate.Result {
	var all []operate.Result
	for i := range 1000 {
		all = append(all, edited(i, func(r *operate.Result) {
			switch {
			case i == 12 || i == 500:
				*r = operate.Result{Name: r.Name, Address: r.Address, Outcome: apply.Failed, Err: errors.New(r.Address + ": connection refused: enable the service api-ssl on the router")}
			case i == 700:
				r.Outcome, r.Err = apply.Refused, errors.New("the proof fails")
			case i >= 990:
				*r = operate.Result{Name: r.Name, Address: r.Address, Outcome: apply.Skipped, Err: &run.NotBegunError{Why: errors.New("interrupted")}}
			case i%100 == 5:
				r.Changes.Steps = r.Changes.Steps[:3]
			}
		}))
	}
	return all
}

// TestThousand: a thousand routers go on a screen or two, the failures first.
func TestThousand(t *testing.T) {
	for _, width := range []int{60, 80, 120, 1 << 16} {
		text := written(t, "text", view.Style{Width: width}, changesOf("diff", 1000), thousand()...)
		if n := bytes.Count(text, []byte("\n")); n >= 100 {
			t.Errorf("%d columns: %d lines\n%s", width, n, text)
		}
		flat := strings.Join(strings.Fields(string(text)), " ")
		last := -1
		for _, want := range []string{
			"2 routers: r0013, r0501 failed: connection refused", "r0701", "10 routers were not begun: interrupted: r0991–r1000",
			"4 steps, the same on 977 routers", "10 differ from these 977", "without 1 step:", "1000 routers:",
		} {
			at := strings.Index(flat, want)
			if at < last || at < 0 {
				t.Errorf("%d columns: no %q in its place in\n%s", width, want, text)
			}
			last = at
		}
	}
}

// TestGroupsMarkdown: a table for a ticket has equal change sets once, and says who has them.
func TestGroupsMarkdown(t *testing.T) {
	fewer := edited(3, func(r *operate.Result) { r.Changes.Steps = r.Changes.Steps[:3] })
	failed := operate.Result{Name: "r0005", Outcome: apply.Failed, Err: errors.New("no answer")}
	text := string(written(t, "markdown", view.Style{Width: 80}, changesOf("diff", 5), member(0), member(1), member(2), fewer, failed))
	for _, want := range []string{
		"- **4 steps, the same on 3 routers:** r0001–r0003\n- **1 differs:** r0004, without 1 step\n\n| router |", "| --- |\n| r0005 | failed |", "| r0001–r0003 |  | 4 | disable |", "| r0004 |  | 3 | disable |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n != 13 {
		t.Errorf("%d lines\n%s", n, text)
	}
}

// shuts says that a change shuts twenty services.
func shuts(r operate.Result) *audit.Comparison {
	if r.Changes == nil {
		return nil // it was not read
	}
	var c audit.Comparison
	for i := range 20 {
		r := audit.Reach{Name: fmt.Sprint("service-", i), Kind: audit.Service, Protocol: "tcp", Ports: fmt.Sprint(1000 + i), Family: routeros.IPv4, State: routeros.ServerOn}
		c.After.Reach = append(c.After.Reach, r)
		r.By = []audit.By{{Who: audit.Anyone, Detail: []string{"ether1"}}}
		c.Before.Reach = append(c.Before.Reach, r)
	}
	return &c
}

// TestThousandOnPage: what equal routers share is on the page once, also with one that was refused,
// and the page stays small.
func TestThousandOnPage(t *testing.T) {
	all := thousand()
	for i := range all {
		if all[i].Err == nil {
			all[i].Outcome, all[i].Change, all[i].Select = apply.Changed, "20260314-150926-3fa9", "-i fleet.yaml -l "+all[i].Name
		}
	}
	text := written(t, "text", view.Style{Width: 80}, func(sink view.Sink) *view.Flow[operate.Result] {
		replays := view.Replays{Again: "rosknock prove", Access: " --state-dir state", Ports: func(string) string { return "branch.yaml" }, Undo: true}
		f, err := view.ReportOf(sink, view.Reporting{Reach: shuts, Replays: replays}, func(plans []string) view.Run { return view.Run{Command: "apply", Plans: plans} })
		if err != nil {
			t.Fatal(err)
		}
		return f
	}, all...)
	if len(text) >= 2_000_000 {
		t.Errorf("%d bytes", len(text))
	} else {
		t.Logf("%d bytes", len(text))
	}
	for want, n := range map[string]int{
		`<details class="router"`: 1000, `<details class="shared"`: 2, "4 steps, the same on 978 routers</h3>": 1, "3 steps, the same on 10 routers</h3>": 1,
		`<a href="#c1">4 steps, the same on 978 routers</a>`: 978, "before &#34;drop&#34; (row 1)": 0, "r0991": 3, `<table class="reach`: 3, "rosknock undo": 988 - 1,
	} {
		if got := bytes.Count(text, []byte(want)); n > 0 && got != n {
			t.Errorf("%d times %s, not %d", got, want, n)
		}
	}
}
