// Package operate carries out one operation on one router: connect, read, compute, prove, ask,
// apply, record.
//
// An [Operation] says what is computed and in which words; [Run] and [Look] are the one way that
// all of them go. What they need of their surroundings is a [Desk]: no terminal and no flag reaches
// this package, so that the same operations can run far from the person who asked for them.
//
//	became := operate.Run(ctx, desk, operate.Options{Actor: "anna"}, operate.ToPlan("apply", p, nil), router)
//	became.Outcome, became.Changes, became.Proof, became.Err
package operate

import (
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// Result is what became of one router.
type Result struct {
	Name     string // as given on the command line or in the inventory
	Key      string // what the state folder knows it by
	Address  string
	Select   string // how a command line names it alone
	Groups   []string
	Tags     []string
	Plan     string             // the name of the plan
	Snapshot *routeros.Snapshot // nil when it could not be read
	Changes  *change.ChangeSet  // nil when there is none
	Parts    []change.Part      // of the change set; nil where [Result.Divide] has not looked
	Proof    *proof.Proof       // of the change set; nil when there is none
	Findings []lint.Finding     // about the plan on this router
	Renewals []lint.Renewal     // of certificates; only of a router that was read [WithAll], or an export
	Applied  *apply.Result      // what was carried out; nil when nothing was begun
	Change   string             // the name of the change in the journal
	Undo     bool               // it rolls a change back
	Removes  bool               // it takes a plan off the router
	Outcome  apply.Outcome      // of a diff: empty, refused or failed
	Took     time.Duration
	Note     string // why nothing was done, where that is no error
	Cut      string // how an export that was read shows that it is not a whole one; "" of others
	Err      error
}

// Became is what became of the router; of a diff, what would become of it.
func (r Result) Became() apply.Outcome {
	if r.Outcome == "" && r.Changes != nil {
		return WouldBe(r.Changes.Changed())
	}
	return r.Outcome
}

// WouldBe is the outcome that an apply of a diff would have.
func WouldBe(changed bool) apply.Outcome {
	if changed {
		return apply.Changed
	}
	return apply.Unchanged
}

// Says is what became of the router, in the words of a line for people.
func (r Result) Says() string {
	if became := r.Became(); r.Outcome != "" || became != apply.Changed {
		return string(became)
	}
	return "to change"
}

// Identity returns the router's own name, if it could be read.
func (r Result) Identity() string {
	if r.Snapshot == nil {
		return ""
	}
	return strings.ToValidUTF8(r.Snapshot.Identity, "\uFFFD")
}

// Version returns the router's version, if it could be read.
func (r Result) Version() string {
	switch {
	case r.Snapshot == nil:
		return ""
	case r.Snapshot.VersionAssumed:
		return "unknown"
	}
	return r.Snapshot.Version.String()
}

// Failed is the router when something failed.
func (r Result) Failed(err error) Result {
	r.Outcome, r.Err = apply.Failed, err
	return r
}

// Refused is the router when the operation was refused.
func (r Result) Refused(err error) Result {
	r.Outcome, r.Err = apply.Refused, err
	return r
}

// Divide finds the parts of the change set, as long as all is there that was read of the router.
func (r *Result) Divide() {
	if r.Snapshot == nil || r.Changes == nil || r.Parts != nil {
		return
	}
	if parts, err := change.PartsOf(*r.Snapshot, *r.Changes); err == nil {
		r.Parts = parts
	}
}

// Done counts the steps that were carried out.
func (r Result) Done() int {
	if r.Applied == nil {
		return 0
	}
	n := 0
	for _, receipt := range r.Applied.Receipts {
		if receipt.Err == nil {
			n++
		}
	}
	return n
}

// Receipt returns the receipt of a step; false where it was not tried.
func (r Result) Receipt(step int) (apply.Receipt, bool) {
	if r.Applied == nil {
		return apply.Receipt{}, false
	}
	at := slices.IndexFunc(r.Applied.Receipts, func(receipt apply.Receipt) bool { return receipt.Index == step })
	if at < 0 {
		return apply.Receipt{}, false
	}
	return r.Applied.Receipts[at], true
}
