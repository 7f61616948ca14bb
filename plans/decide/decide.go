// Package decide computes what a plan changes on one router, proves it, and looks for findings: one
// pure function, [Inputs.Decide], of one value that holds all that the function sees.
//
// A fleet is often set up from one template, so that many of its routers are alike in all that a
// decision reads. [Shared] computes what is alike once. It finds equal inputs by a digest of the whole
// value, so nothing that a decision reads can be left out of the comparison by mistake: what must
// not be compared, such as the router's name, is not in the value.
//
//	shared := decide.NewShared()
//	decision := shared.Decide(decide.See(plan, snapshot, session))
package decide

import (
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// Inputs is all that a decision sees. [See] makes it.
type Inputs struct {
	Plan    plans.Plan // with all its knocks
	Router  routeros.Snapshot
	Session change.Management
}

// Decision is the change set of a router with its proof, and findings. It may be shared: nothing in
// it may be changed. Appending to its slices makes new ones.
type Decision struct {
	Changes  *change.ChangeSet // nil where there is none, see Err
	Proof    *proof.Proof      // of the change set; nil where there is none
	Findings []lint.Finding    // about the plan on this router
	// Err is why there is no change set, or why it must not be carried out: a *[change.RefusalError],
	// or what failed.
	Err error
}

// See returns what a decision sees of a router: all that was read, except what tells routers apart
// and decides nothing. Those are name, serial number, board and up-time; who is logged in; when
// entries of address lists were made; the two ends of connections to services; and the clock, where
// neither a rule nor the plan asks for the time. The snapshot stays as it is.
func See(p plans.Plan, s routeros.Snapshot, session change.Management) Inputs {
	s.Identity, s.Serial, s.Board, s.Arch, s.Uptime, s.Active = "", "", "", "", 0, nil
	if !asksTime(p, s) && !s.Clock.IsZero() {
		s.Clock = someTime()
	}
	s.Services = withoutEnds(s.Services)
	s.Entries = withoutCreation(s.Entries)
	return Inputs{Plan: p, Router: s, Session: session}
}

// someTime is the time on the router where no rule asks for it. Entries of address lists end so long
// after it as the router says.
func someTime() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

// asksTime reports whether the time of day may decide anything.
func asksTime(p plans.Plan, s routeros.Snapshot) bool {
	timed := func(d plans.Door) bool { return d.Rotate != nil || d.Window != 0 || len(d.Hours) > 0 }
	if slices.ContainsFunc(p.Doors, timed) {
		return true
	}
	for _, rules := range s.Rules {
		if slices.ContainsFunc(rules, func(r routeros.Rule) bool { return r.Attrs.Has("time") }) {
			return true
		}
	}
	return false
}

// withoutEnds leaves out what tells one connection to a service from another.
func withoutEnds(rows []routeros.Service) []routeros.Service {
	isConnection := func(s routeros.Service) bool { return s.Connection }
	if !slices.ContainsFunc(rows, isConnection) {
		return rows
	}
	rows = slices.Clone(rows)
	for i := range rows {
		if rows[i].Connection {
			rows[i].ID, rows[i].Local, rows[i].Remote = "", "", ""
		}
	}
	return rows
}

// withoutCreation leaves out when entries were made.
func withoutCreation(tables map[routeros.Menu][]routeros.ListEntry) map[routeros.Menu][]routeros.ListEntry {
	if tables == nil {
		return nil
	}
	out := make(map[routeros.Menu][]routeros.ListEntry, len(tables))
	for menu, rows := range tables {
		if slices.ContainsFunc(rows, func(e routeros.ListEntry) bool { return e.Created != "" }) {
			rows = slices.Clone(rows)
			for i := range rows {
				rows[i].Created = ""
			}
		}
		out[menu] = rows
	}
	return out
}

// Decide computes the steps to the plan with their proof, and the findings.
func (in Inputs) Decide() Decision {
	want, changes, err := in.steps()
	if err != nil {
		return Decision{Err: err}
	}
	proved := proof.Prove(in.Router, want, changes, in.Session)
	changes.Notes = slices.Concat(changes.Notes, proved.Notes, in.Router.ListNotes())
	return Decision{
		Changes: &changes, Proof: &proved, Findings: slices.Concat(lint.Plan(in.Plan), lint.Both(in.Plan, in.Router)), Err: proved.Err(),
	}.sealed()
}

// Steps computes the steps to the plan alone.
func (in Inputs) Steps() (change.ChangeSet, error) {
	_, changes, err := in.steps()
	changes.Steps, changes.Notes = slices.Clip(changes.Steps), slices.Clip(changes.Notes)
	return changes, err
}

// steps computes what the plan wants of the router in the end, and the steps to it.
func (in Inputs) steps() (want compile.RuleSet, changes change.ChangeSet, err error) {
	sets, err := compile.Through(in.Plan, in.Router)
	if err != nil {
		return want, changes, err
	}
	changes, err = diff.ComputeThrough(in.Router, sets, in.Session)
	return sets[len(sets)-1], changes, err
}

// sealed cuts off the room behind all slices, so that who appends to one writes into memory of
// their own.
func (d Decision) sealed() Decision {
	d.Changes.Steps, d.Changes.Notes = slices.Clip(d.Changes.Steps), slices.Clip(d.Changes.Notes)
	p := d.Proof
	p.Failures, p.Accepted, p.Doors = slices.Clip(p.Failures), slices.Clip(p.Accepted), slices.Clip(p.Doors)
	p.Overrides, p.Peers, p.Opens, p.Notes = slices.Clip(p.Overrides), slices.Clip(p.Peers), slices.Clip(p.Opens), slices.Clip(p.Notes)
	d.Findings = slices.Clip(d.Findings)
	return d
}

// own returns the decision with a change set and a proof of its own, so that their fields may be set.
func (d Decision) own() Decision {
	if d.Changes != nil {
		changes := *d.Changes
		d.Changes = &changes
	}
	if d.Proof != nil {
		proved := *d.Proof
		d.Proof = &proved
	}
	return d
}
