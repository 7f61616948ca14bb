// Package change is the value that rosknock computes, prints, saves, proves, applies and undoes: a
// [ChangeSet], its steps, and what they make of a snapshot.
//
// A change set carries the digest of the snapshot that it was computed from. [Rehearse] carries it
// out on a copy, [Arrange] puts steps into an order in which every state between two of them is
// safe, [PartsOf] finds the parts that go under a protection of their own, and [Foreign] says what
// a change made of other people's rows. Package diff computes change sets. Nothing in here talks to
// a router.
package change

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
)

// Op is the kind of a step.
type Op string

// The kinds of step. Their texts are the "op" of the JSON output.
const (
	Add     Op = "add"
	Set     Op = "set"
	Move    Op = "move"
	Remove  Op = "remove"
	Enable  Op = "enable"
	Disable Op = "disable"
)

// Step is one command to the router.
type Step struct {
	Op   Op
	Menu routeros.Menu
	// ID is the row that the step changes; empty for Add. +N is the row that step N of the same change
	// set adds, counted from 0; so it may be in Before.
	ID string
	// Slot is what the row is for, in the words of its mark: branch/admin/stage-2. Of a service it is
	// the service's name.
	Slot string
	// Before is the id of the row before which Add and Move put theirs; empty for the end of the
	// table. It is always a row that stood there when the change set was computed, ours or not, and
	// never moves.
	Before string
	// BeforeText describes Before for people.
	BeforeText string
	// Set is what Add and Set write. An empty value clears a comment; of a rule, a Set of one
	// attribute with an empty value takes that attribute away.
	Set routeros.Attributes
	// Was is what the row held before, as far as the step changes it; of Remove the whole row.
	Was routeros.Attributes
	// Why says in a few words what the step is for.
	Why string
}

// ChangeSet is the ordered steps from one snapshot to one rule set.
type ChangeSet struct { //nolint:revive // a change set is the word for it, and Set is an operation
	// Snapshot is the digest of the snapshot that the steps start from.
	Snapshot string
	// Plan is the digest of the plan.
	Plan string
	// Steps are in the order in which they have to be carried out. Empty: the router is as the
	// plan wants it.
	Steps []Step
	// Notes are remarks about the router that change nothing: a family that it doesn't have,
	// foreign rules inside our chain.
	Notes []string
}

// Changed reports whether there is anything to do.
func (c ChangeSet) Changed() bool { return len(c.Steps) > 0 }

// Menus lists the menus that the steps touch, each once, in the order of the steps.
func (c ChangeSet) Menus() []routeros.Menu {
	var menus []routeros.Menu
	for _, step := range c.Steps {
		if !slices.Contains(menus, step.Menu) {
			menus = append(menus, step.Menu)
		}
	}
	return menus
}

// Part returns the steps of a part as a change set of its own. Rows that they add are named anew,
// and those of earlier steps by the ids that the router has given them since. The digest of where
// it starts is left to the caller.
func (c ChangeSet) Part(p Part, given map[int]string) ChangeSet {
	ids := map[string]string{}
	for i, id := range given {
		ids[added(i)] = id
	}
	for i := p.From; i < p.To; i++ {
		ids[added(i)] = added(i - p.From)
	}
	out := c
	out.Snapshot, out.Steps = "", make([]Step, 0, p.To-p.From)
	for _, step := range c.Steps[p.From:p.To] {
		out.Steps = append(out.Steps, step.renamed(ids))
	}
	return out
}
