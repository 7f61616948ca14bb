package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// carryOut sends the steps. Each is answered before the next is sent, except those that may be sent
// in one batch with the step before them. Before a step that needs ground, the batch before it also
// reads that ground: no write shares a batch with the read that decides about it. The batch of the
// step itself reads it once more.
func (r *run) carryOut(ctx context.Context, s Session) error {
	grounds := grounded(r.states, r.changes.Steps)
	w := &walker{session: s, steps: r.changes.Steps, joins: make([]bool, len(r.changes.Steps)), number: r.part.From, all: len(r.all.Steps)}
	if r.guard.name() == SafeMode { // a router that needs a dead-man is older and may be slow: nothing is sent for which time may run out
		w.joins = joining(r.states, r.changes.Steps)
	}
	for w.more() {
		if ctx.Err() != nil {
			return interrupted(ctx, w.number+w.at, w.all)
		}
		if err := r.guard.check(); err != nil {
			return err
		}
		if r.met.IsZero() && grounds[w.at] {
			r.met = time.Now()
		}
		var g ground
		if end := w.end(); end < len(w.steps) && (grounds[end] || grounds[w.at]) { // before the switch and after it
			g = r.groundAt(end)
		}
		results, err := w.flight(context.WithoutCancel(ctx), g.commands)
		r.received(w)
		if err != nil {
			return err
		}
		if len(g.commands) > 0 {
			if err := r.onGround(w.at, g, results); err != nil {
				return err
			}
		}
	}
	return nil
}

// received records the receipts of a batch.
func (r *run) received(w *walker) {
	for _, receipt := range w.receipts {
		receipt.Index += r.part.From
		r.receive(receipt)
	}
	w.receipts = nil
	r.ids = w.ids
	for i, id := range w.ids {
		r.given[r.part.From+i] = id
	}
	r.result.Left = r.all.Steps[r.part.From+w.at:]
}

// walker sends steps in their order and knows the ids of the rows that they have added.
type walker struct {
	session  Session
	steps    []change.Step
	joins    []bool // which may go with the one before
	number   int    // of the first step, in a change set of all
	all      int
	at       int // the next step
	ids      []string
	receipts []Receipt
}

// mostInFlight is how many steps are sent without waiting: weak routers fail with more
// (routeros-facts § 1.7).
const mostInFlight = 40

func (w *walker) more() bool { return w.at < len(w.steps) }

// end is where the next batch ends.
func (w *walker) end() int {
	end := w.at + 1
	for end < len(w.steps) && end-w.at < mostInFlight && w.joins[end] && !refers(w.steps[end], w.at) {
		end++
	}
	return end
}

// flight sends the next step, or the next few, as one batch. It appends commands that read, and
// returns their answers.
func (w *walker) flight(ctx context.Context, also []routeros.Command) ([]api.Result, error) {
	from, end := w.at, w.end()
	var commands []routeros.Command
	for i := from; i < end; i++ {
		command, err := w.command(ctx, w.steps[i])
		if err != nil {
			return nil, w.receive(i, "", err)
		}
		commands = append(commands, command)
	}
	results, err := w.session.Batch(ctx, append(commands, also...))
	if err != nil {
		return nil, w.receive(from, "", err)
	}
	for i, result := range results[:len(commands)] {
		err := result.Err
		if err == nil && w.steps[from+i].Op == change.Add && result.Ret == "" {
			err = errors.New("the router added a row but did not say which")
		}
		if err := w.receive(from+i, result.Ret, err); err != nil {
			return nil, err
		}
	}
	return results[len(commands):], nil
}

// refers reports whether a step names a row that step n or a later one adds: it has to wait for the
// answer.
func refers(step change.Step, n int) bool {
	for _, id := range []string{step.ID, step.Before} {
		var of int
		if _, err := fmt.Sscanf(id, "+%d", &of); err == nil && of >= n {
			return true
		}
	}
	return false
}

// receive records the receipt of a step.
func (w *walker) receive(i int, id string, err error) error {
	step := w.steps[i]
	w.receipts = append(w.receipts, Receipt{Index: i, Step: step, ID: id, Err: err})
	w.ids = append(w.ids, id)
	w.at = i + 1
	if err != nil {
		return fmt.Errorf("step %d of %d, %s %s: %w", w.number+i+1, max(w.all, len(w.steps)), step.Op, step.Name(), err)
	}
	return nil
}

// command returns the command of a step, with the ids of added rows filled in. The anchor of a move
// is checked right before.
func (w *walker) command(ctx context.Context, step change.Step) (routeros.Command, error) {
	for _, id := range []*string{&step.ID, &step.Before} {
		var of int
		if !strings.HasPrefix(*id, "+") {
			continue
		}
		if _, err := fmt.Sscanf(*id, "+%d", &of); err != nil || of >= len(w.ids) {
			return routeros.Command{}, fmt.Errorf("%s names the row %s, which no step before it adds", step.Name(), *id)
		}
		*id = w.ids[of]
	}
	if step.Op == change.Move {
		if err := present(ctx, w.session, step); err != nil {
			return routeros.Command{}, err
		}
	}
	return Command(step)
}

// present makes sure that the anchor of a move is still there. If it has vanished, the router moves
// the row to the end of the table and reports success (routeros-facts § 2.4).
func present(ctx context.Context, s Session, step change.Step) error {
	if step.Before == "" {
		return nil
	}
	reply, err := s.Run(ctx, routeros.Print(step.Menu))
	if err != nil {
		return err
	}
	for _, row := range reply.Rows {
		if row.Get(".id") == step.Before && !row.Bool("dynamic") {
			return nil
		}
	}
	return fmt.Errorf("the rule %s, before which it has to stand, is gone: somebody else is changing this router; run diff again", step.BeforeText)
}
