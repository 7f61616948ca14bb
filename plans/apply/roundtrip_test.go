package apply_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
)

// roundTrip is a plan on a table, of a version, in a layout.
type roundTrip struct {
	table, version, plan string
	layout               plans.Layout
}

func (r roundTrip) String() string {
	return fmt.Sprintf("%s/%s/%s/%s", r.table, r.version, strings.TrimSuffix(r.plan, ".yaml"), r.layout)
}

// strangersTables are real exports of many kinds from the shared material: home routers and long
// tables, jump chains, lists, raw rules, IPv6, and some on which most plans are refused.
func strangersTables() []string {
	return []string{"001.rsc", "003.rsc", "006.rsc", "010.rsc", "021.rsc", "027.rsc", "032.rsc", "045.rsc", "055.rsc", "073.rsc"}
}

// TestRoundTrip: for each plan of the fixtures, in each layout, on each version, on the default
// configuration and on foreign tables: apply and undo, apply and remove restore the old state byte
// for byte. Refusals are counted, and listed with their reasons. Without ROSKNOCK_MATRIX it is a
// fixed share; with it, as for [TestMatrix].
func TestRoundTrip(t *testing.T) {
	files, err := filepath.Glob("../../fixtures/plans/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no plans: %v", err)
	}
	versions := []string{"6.49", "7.14", "7.20", "7.24"}
	stride := matrixStride(t, 0)
	var all []roundTrip
	for i, table := range append([]string{"defconf"}, strangersTables()...) {
		for j, file := range files {
			for k, layout := range []plans.Layout{plans.Chain, plans.Inline} {
				for l, version := range versions {
					share := l == (i+j+k)%4 && (i == 0 || (i+j+k)%7 == 0)
					if stride > 0 {
						share = (i*88+j*8+k*4+l)%stride == 0
					}
					if share {
						all = append(all, roundTrip{table, version, filepath.Base(file), layout})
					}
				}
			}
		}
	}
	dir, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	trips := map[string]int{}
	refused := map[string][]string{}
	for _, r := range all {
		t.Run(r.String(), func(t *testing.T) {
			for name, why := range r.travel(t, dir) {
				if trips[name]++; why != nil {
					trips[name+" refused"]++
					reason := name + " refused: " + reasonOf(why)
					refused[reason] = append(refused[reason], r.String())
				}
			}
		})
	}
	for _, reason := range slices.Sorted(maps.Keys(refused)) {
		t.Logf("%d %s\n\t%s", len(refused[reason]), reason, strings.Join(refused[reason], " "))
	}
	t.Logf("%d cases: %d applied, %d undone and %d removed again", len(all), trips["apply"]-trips["apply refused"], trips["undo"]-trips["undo refused"], trips["remove"]-trips["remove refused"])
	if applied := trips["apply"] - trips["apply refused"]; applied*3 < len(all) {
		t.Errorf("only %d of %d were applied: the tables do not suit the test", applied, len(all))
	}
}

// reasonOf is a refusal without the details of one router.
func reasonOf(err error) string {
	if refused, ok := errors.AsType[*change.RefusalError](err); ok {
		return refused.Risk
	}
	return regexp.MustCompile(`[0-9]+`).ReplaceAllString(err.Error(), "N")
}

// travel goes there and back twice. It returns what was tried, with the reason where it was
// refused.
func (r roundTrip) travel(t *testing.T, dir state.Dir) map[string]error {
	b := newBench(t, r.version, r.export(t))
	before := b.read()
	p := r.readPlan(t, before)
	tried := map[string]error{}
	done, backup, err := b.put(p, dir)
	if tried["apply"] = err; err != nil {
		b.same(before, "refused")
		return tried
	}
	if tried["undo"] = b.wayBack(backup); tried["undo"] == nil {
		b.same(before, "undone")
	} else { // for the second journey the router begins anew
		b = newBench(t, r.version, r.export(t))
		before = b.read()
	}
	again, _, err := b.put(p, dir)
	if err != nil || len(again.Steps) != len(done.Steps) {
		t.Fatalf("a second time %d steps, and the first time %d: %v", len(again.Steps), len(done.Steps), err)
	}
	if tried["remove"] = b.without(p, before, again, dir); tried["remove"] == nil {
		b.same(before, "removed")
	}
	return tried
}

// export is the table, as a router of the version would have it.
func (r roundTrip) export(t *testing.T) []byte {
	text := defconf(t, r.version)
	if r.table != "defconf" {
		var err error
		if text, err = os.ReadFile(filepath.Join(shared(t, "corpus", "exports"), r.table)); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := routeros.ParseVersion(r.version); err == nil && (v.Major < 7 || v.AtLeast(7, 21)) {
		text = regexp.MustCompile(` hw-offload=\S+`).ReplaceAll(text, nil)
	}
	return text
}

// readPlan is the plan in its layout. An interface list that the router does not have is left out,
// as its operator would.
func (r roundTrip) readPlan(t *testing.T, s routeros.Snapshot) plans.Plan {
	p := readPlan(t, r.plan)
	p.Firewall.Layout = r.layout
	p.Allow.InterfaceLists = slices.DeleteFunc(p.Allow.InterfaceLists, func(list string) bool { return !s.HasInterfaceList(list) })
	if bogons := p.Firewall.Bogons; bogons != nil && slices.ContainsFunc(bogons.InterfaceLists, func(list string) bool { return !s.HasInterfaceList(list) }) {
		bogons.InterfaceLists = []string{"all"}
	}
	return p
}

func (b bench) read() routeros.Snapshot {
	b.t.Helper()
	s, err := b.session.Snapshot(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// carry applies a proved change set, or says why it was refused.
func (b bench) carry(now routeros.Snapshot, c change.ChangeSet, plan string, wanted func(routeros.Snapshot) error) error {
	b.t.Helper()
	result := apply.Run(b.t.Context(), b.session, c, apply.Options{Before: now, Plan: plan, Wanted: wanted})
	switch {
	case result.Outcome == apply.Refused && result.Err != nil:
		b.same(now, "refused by the run")
		return result.Err
	case result.Outcome != apply.Changed || result.Err != nil:
		b.t.Fatalf("%s: %v", result.Outcome, result.Err)
	}
	return nil
}

// put applies the plan to the router, and keeps what undo needs.
func (b bench) put(p plans.Plan, dir state.Dir) (change.ChangeSet, state.Backup, error) {
	b.t.Helper()
	changes := func(s routeros.Snapshot) (change.ChangeSet, compile.RuleSet, error) {
		sets, err := compile.Through(p, s)
		if err != nil {
			return change.ChangeSet{}, compile.RuleSet{}, err
		}
		c, err := diff.ComputeThrough(s, sets, change.Management{})
		return c, sets[len(sets)-1], err
	}
	now := b.read()
	c, want, err := changes(now)
	if err == nil {
		err = proof.Prove(now, want, c, change.Management{}).Err()
	}
	if err != nil {
		return c, state.Backup{}, err
	}
	backup := state.NewBackup(now, c)
	backup.Change, backup.Address, backup.Plan = "20261121-041500-3fa9", "r", p.Name
	if err := dir.SaveBackup(backup); err != nil {
		b.t.Fatal(err)
	}
	if err := b.carry(now, c, p.Name, func(after routeros.Snapshot) error {
		rest, _, err := changes(after)
		if err == nil && rest.Changed() {
			err = fmt.Errorf("left to do: %s %s", rest.Steps[0].Op, rest.Steps[0].Slot)
		}
		return err
	}); err != nil {
		return c, state.Backup{}, err
	}
	backup, err = dir.LoadBackup(backup.Address, backup.Change)
	if err != nil {
		b.t.Fatal(err)
	}
	return c, backup, nil
}

// wayBack rolls the change of a backup back.
func (b bench) wayBack(backup state.Backup) error {
	b.t.Helper()
	now := b.read()
	before, done := undo.Carried(now, backup.Before(), backup.Changes())
	back, err := undo.Changes(now, before, done, backup.Plan)
	if err != nil {
		return err
	}
	if err := proof.Way(now, before, backup.Plan, back, change.Management{}).Err(); err != nil {
		return err
	}
	return b.carry(now, back, backup.Plan, func(after routeros.Snapshot) error {
		if left := undo.Left(after, before, done, backup.Plan); len(left) > 0 {
			return fmt.Errorf("left: %q", left)
		}
		return nil
	})
}

// without removes the plan, with what the journal would know about the state before it.
func (b bench) without(p plans.Plan, before routeros.Snapshot, done change.ChangeSet, dir state.Dir) error {
	b.t.Helper()
	touched, err := dir.Touched(before, done, p.Name)
	if err != nil {
		b.t.Fatal(err)
	}
	records := []state.Record{{Event: state.Begin, Command: "apply", Address: "r", Plan: p.Name, Change: "c", Installs: true, Touched: touched}}
	want := func(s routeros.Snapshot) compile.RuleSet {
		return remove.RuleSet(p, s, remove.Options{Origin: state.Origin(records, "r", p.Name)})
	}
	session := change.Management{Accepted: []string{proof.Exposure}} // that is what a removal is for
	now := b.read()
	c, err := diff.Compute(now, want(now), session)
	if err == nil {
		err = proof.Prove(now, want(now), c, session).Err()
	}
	if err != nil {
		return err
	}
	return b.carry(now, c, p.Name, func(after routeros.Snapshot) error {
		rest, err := diff.Compute(after, want(after), session)
		if err == nil && rest.Changed() {
			err = fmt.Errorf("left to do: %s %s", rest.Steps[0].Op, rest.Steps[0].Slot)
		}
		return err
	})
}

// same checks that the router is as before: every row of every menu, with ids, order and spelling.
func (b bench) same(before routeros.Snapshot, when string) {
	b.t.Helper()
	was, is := everything(before), everything(b.read())
	if slices.Equal(was, is) {
		return
	}
	for _, line := range was {
		if !slices.Contains(is, line) {
			b.t.Errorf("%s: gone is %s", when, line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			b.t.Errorf("%s: new is %s", when, line)
		}
	}
	if !b.t.Failed() {
		b.t.Errorf("%s: the rows are in another order", when)
	}
}
