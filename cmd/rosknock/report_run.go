package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
)

// page reports whether a run has a page.
func (a reportFiles) page(e access) bool { return a.report != "" || e.Output == "html" }

// page is the report of a run.
func (e access) page(sink view.Sink, run changeRun, of *results, began time.Time) (flow, error) {
	sources := e.changeSources(run) // as they are when the run begins
	p := view.Reporting{Would: run.would(), Replays: run.line.replays(e, run), Reach: whoReaches}
	return view.ReportOf(sink, p, func(plans []string) view.Run {
		out := e.ran(run.command, began, plans)
		out.ID, out.Sources, out.Facts, out.Undo = e.runName(run, of), sources, e.runFacts(run), e.wayBack(run, of)
		return out
	})
}

// wayBack is how all that a run did, or would do, is rolled back; of an undo there is none: another
// undo would roll back an earlier change.
func (e access) wayBack(run changeRun, of *results) []page.Try {
	about := "roll back what this run did on these routers"
	if run.would() {
		about = "after the change: roll it back on these routers"
	}
	turned := slices.Contains(slices.Collect(maps.Values(of.turned)), true)
	if run.command == undoing || !turned || len(e.routers)+len(e.inventories) == 0 {
		return nil
	}
	return []page.Try{{About: about, Command: "rosknock undo" + e.selectingTurned(of) + e.reaching()}}
}

// runName is the name of a run in the journal. What changes no router has none of its own: its page
// gets one, and the journal says who made it.
func (e access) runName(run changeRun, of *results) string {
	if of.run != "" || !run.would() {
		return of.run
	}
	of.run = state.NewRun(e.now())
	record := state.Record{Time: e.now(), Actor: actor(), Command: run.command, Event: state.Note, Run: of.run, Routers: of.total}
	operate.Append(e.desk(router{}), of.run, record)
	return of.run
}

// runFacts are how a run goes, as far as it was said.
func (e access) runFacts(run changeRun) []page.Fact {
	var out []page.Fact
	add := func(name string, values ...string) {
		if text := strings.Join(values, ", "); text != "" {
			out = append(out, page.Fact{Name: name, Value: text})
		}
	}
	add("Routers", e.routers...)
	add("Limit", e.limits...)
	if run.dryRun {
		add("Dry run", "nothing was changed")
	}
	for _, one := range []struct{ flag, name string }{
		{"window", "Window"}, {"waves", "Waves"}, {"pause", "Pause between waves"}, {"max-fail", "Stops after failures"}, {"resume", "Continues"},
		{"protect", "Protection"}, {"undo-after", "Dead-man after"},
	} {
		add(one.name, run.line.values[one.flag]...)
	}
	if run.line.values["verify-knock"] != nil {
		add("Knocks", "played before the change was confirmed")
	}
	if e.said["forks"] > byDefault {
		add("Forks", strconv.Itoa(e.pace.forks))
	}
	add("Risks accepted by name", e.accept...)
	if run.command != "diff" && run.line.values["protect"] == nil {
		add("Protection", string(apply.Auto))
	}
	return out
}

// keyed is the digest of a file that may hold a knock, made with the key of the state folder, or
// nothing where that can't be used.
func (e access) keyed(text []byte) string {
	dir, err := e.State()
	if err != nil {
		return ""
	}
	known, err := dir.Fingerprint(text)
	if err != nil {
		return ""
	}
	return "keyed:" + known
}

// changeSources are the files that a run reads. Their digests are keyed: plans hold knocks, and
// exports, saved changes and the variables of an inventory may.
func (e access) changeSources(run changeRun) []page.Source {
	var out []page.Source
	add := func(what, name string, text []byte, read bool) {
		s := page.Source{What: what, Name: name}
		if read {
			s.Digest = e.keyed(text)
		}
		out = append(out, s)
	}
	file := func(what, name string, most int64) {
		text, ok := again(name, most)
		add(what, name, text, ok)
	}
	for _, name := range run.line.planFiles(e) {
		if text, ok := e.memory.plans[name]; ok {
			add("Plan file", name, text, true)
		} else {
			file("Plan file", name, maxPlan)
		}
	}
	for _, name := range run.line.values["changes"] {
		file("Saved changes", name, maxSavedChanges)
	}
	for _, name := range e.inventories {
		file("Inventory", name, maxInventory)
	}
	for _, name := range run.line.values["export"] {
		file("Export", name, maxExport)
	}
	return out
}

// maxSavedChanges is more than any file of saved changes that a digest is made of.
const maxSavedChanges = 256 << 20
