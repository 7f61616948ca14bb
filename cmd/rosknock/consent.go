package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
)

// consent is what a person agreed to for a fleet, after one look at all routers and one question: the
// steps that each router needed then.
type consent struct {
	access

	mu     sync.Mutex
	looks  [][]operate.Result // by router, without what was read and computed
	totals []view.Look
	steps  map[string]bool // see stepsOf
}

// Put implements [flow].
func (c *consent) Put(i int, results ...operate.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.looks) <= i {
		c.looks = append(c.looks, nil)
	}
	for n, r := range results {
		if c.Verbose && r.Changes != nil {
			view.Changes(c.err, r, c.style())
		}
		c.totals = append(c.totals, view.LookOf(r))
		if r.Changes != nil && r.Changes.Changed() {
			c.steps[stepsOf(r, n > 0)] = true
		}
		r.Snapshot, r.Changes, r.Proof, r.Findings = nil, nil, nil, nil
		c.looks[i] = append(c.looks[i], r)
	}
}

// End implements [flow].
func (c *consent) End() error { return nil }

// stepsOf is a digest of the steps of a router. Those of its second plan are computed before the
// first is carried out, so the places of their rows are others later: later leaves places out.
func stepsOf(r operate.Result, later bool) string {
	all := *r.Changes
	if later {
		all.Steps = slices.Clone(all.Steps)
		for i := range all.Steps {
			all.Steps[i].ID, all.Steps[i].Before, all.Steps[i].BeforeText = "", "", ""
		}
	}
	text, err := json.Marshal(state.Steps(change.ChangeSet{Steps: all.Steps}))
	if err != nil {
		return "" // nobody can have agreed to what can't be told
	}
	return fmt.Sprintf("%s %t %x", r.Key, later, sha256.Sum256(text))
}

// agreed reports whether the steps of a router are those that a person agreed to.
func (m *memory) agreed(r operate.Result) bool {
	return m.consent != nil && r.Changes != nil && slices.ContainsFunc([]bool{false, true}, func(later bool) bool {
		key := stepsOf(r, later)
		return key != "" && m.consent[key]
	})
}

// agreeAll looks at all routers of a fleet, shows how many would change and how, and asks once. A
// router that needs other steps when its turn comes is asked about alone. After a no, the results are
// those of the look.
func (e access) agreeAll(ctx context.Context, all []task, how changeFlags, to *results) (bool, error) {
	how.dryRun = true
	c := &consent{access: e, steps: map[string]bool{}}
	look := &results{begin: func(int) ([]flow, error) { return []flow{c}, nil }}
	t := e.fleet(all, "look")
	t.silent = true
	t.over(ctx, look, carried(all, how))
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if len(c.steps) == 0 {
		return true, nil // there is nothing to ask
	}
	ok, err := e.agrees(ctx, nil, func(w io.Writer) { view.Looks(w, c.totals, e.style()) })
	if err != nil {
		return false, err
	}
	if ok {
		e.memory.consent = c.steps
		return true, nil
	}
	e.remark("nothing was changed\n")
	operate.Append(e.desk(router{}), how.command, state.Record{Time: e.now(), Actor: actor(), Command: how.command, Event: state.End, Outcome: string(apply.Skipped)})
	to.start(len(all))
	for i, results := range c.looks {
		to.take(ctx, i, results)
	}
	return false, nil
}
