package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// carryOut does the steps. Each is answered before the next is sent, except, under safe mode, those that may go in one flight with the step
// before them.
func (r *run) carryOut(ctx context.Context, s Session) error {
	w := &walker{session: s, steps: r.changes.Steps}
	if r.guard.name() == SafeMode {
		w.joins = joiningSteps(r.options.Before, r.changes)
	}
	for w.more() {
		if ctx.Err() != nil {
			return interrupted(ctx, w.at, len(w.steps))
		}
		if err := r.guard.check(); err != nil {
			return err
		}
		err := w.flight(context.WithoutCancel(ctx))
		for _, receipt := range w.receipts[len(r.result.Receipts):] {
			r.result.Receipts = append(r.result.Receipts, receipt)
			r.observe(Event{Done: &receipt})
		}
		r.result.Left = w.steps[w.at:]
		if err != nil {
			return err
		}
	}
	return nil
}

// joiningSteps says of each step whether it may go in one flight with the one before it. Of a flight any part may take effect, so whatever
// part that is, packets have to fare as in one of the states that were proved. They see nothing of rows in a chain that no rule jumps to, and of entries
// in a list that no rule asks for, so these may go together. A service that is switched off is reached by fewer, whatever the rules are
// meanwhile; so that may go with any step before it, and nothing that could count on it goes with it.
func joiningSteps(before routeros.Snapshot, c diff.ChangeSet) []bool {
	states := diff.States(before, c)
	out := make([]bool, len(c.Steps))
	quiet := false
	for i, step := range c.Steps {
		was := quiet
		quiet = unseen(states[i], step)
		out[i] = i > 0 && (was && quiet || step.Op == diff.Disable && step.Menu == routeros.ServiceMenu)
	}
	return out
}

// unseen reports whether no packet fares differently for a step, now and as long as only such steps follow.
func unseen(s routeros.Snapshot, step diff.Step) bool {
	switch {
	case step.Menu.IsRuleTable():
		return (step.Op == diff.Add || step.Op == diff.Remove) && idle(s.Rules[step.Menu], chainOf(step))
	case step.Menu == routeros.AddressList || step.Menu == routeros.AddressList6:
		return step.Op == diff.Add && unasked(s, step.Set.Get("list"))
	}
	return false
}

// unasked reports whether no rule of the router names an address list in a matcher, of whichever family.
func unasked(s routeros.Snapshot, list string) bool {
	for _, rows := range s.Rules {
		for _, r := range rows {
			for _, name := range []string{"src-address-list", "dst-address-list"} {
				if strings.TrimPrefix(r.Attrs.Get(name), "!") == list {
					return false
				}
			}
		}
	}
	return true
}

func chainOf(step diff.Step) string {
	if step.Op == diff.Add {
		return step.Set.Get("chain")
	}
	return step.Was.Get("chain")
}

// idle reports whether no packet comes into a chain: it is none of the router's own and nothing jumps to it.
func idle(rows []routeros.Rule, chain string) bool {
	switch chain {
	case "", "input", "forward", "output", "prerouting", "postrouting", "srcnat", "dstnat":
		return false
	}
	for _, r := range rows {
		if r.Attrs.Get("jump-target") == chain {
			return false
		}
	}
	return true
}

// walker carries steps out in their order and knows the ids of the rows that they have added.
type walker struct {
	session  Session
	steps    []diff.Step
	joins    []bool // which may go with the one before; nil: every step goes alone
	at       int    // the next step
	ids      []string
	receipts []Receipt
}

// mostInFlight bounds how many steps go without waiting: weak routers choke on more (routeros-facts § 1.7).
const mostInFlight = 40

func (w *walker) more() bool { return w.at < len(w.steps) }

// flight carries out the next step, or the next few.
func (w *walker) flight(ctx context.Context) error {
	end := w.at + 1
	for w.joins != nil && end < len(w.steps) && end-w.at < mostInFlight && w.joins[end] && !refers(w.steps[end], w.at) {
		end++
	}
	var commands []routeros.Command
	for i := w.at; i < end; i++ {
		command, err := w.command(ctx, w.steps[i])
		if err != nil {
			return w.receive(i, "", err)
		}
		commands = append(commands, command)
	}
	results, err := w.session.Batch(ctx, commands)
	if err != nil {
		return w.receive(w.at, "", err)
	}
	from := w.at
	for i, result := range results {
		err := result.Err
		if err == nil && w.steps[from+i].Op == diff.Add && result.Ret == "" {
			err = errors.New("the router added a row but did not say which")
		}
		if err := w.receive(from+i, result.Ret, err); err != nil {
			return err
		}
	}
	return nil
}

// refers reports whether a step names a row that is added by step n or later: it has to wait for the answer.
func refers(step diff.Step, n int) bool {
	for _, id := range []string{step.ID, step.Before} {
		var of int
		if _, err := fmt.Sscanf(id, "+%d", &of); err == nil && of >= n {
			return true
		}
	}
	return false
}

// receive files the receipt of a step.
func (w *walker) receive(i int, id string, err error) error {
	step := w.steps[i]
	w.receipts = append(w.receipts, Receipt{Index: i, Step: step, ID: id, Err: err})
	w.ids = append(w.ids, id)
	w.at = i + 1
	if err != nil {
		return fmt.Errorf("step %d of %d, %s %s: %w", i+1, len(w.steps), step.Op, step.Slot, err)
	}
	return nil
}

// command returns the command of a step, with the ids of added rows in place. The anchor of a move is looked at right
// before.
func (w *walker) command(ctx context.Context, step diff.Step) (routeros.Command, error) {
	for _, id := range []*string{&step.ID, &step.Before} {
		var of int
		if !strings.HasPrefix(*id, "+") {
			continue
		}
		if _, err := fmt.Sscanf(*id, "+%d", &of); err != nil || of >= len(w.ids) {
			return routeros.Command{}, fmt.Errorf("%s names the row %s, which no step before it adds", step.Slot, *id)
		}
		*id = w.ids[of]
	}
	if step.Op == diff.Move {
		if err := present(ctx, w.session, step); err != nil {
			return routeros.Command{}, err
		}
	}
	return Command(step)
}

// present makes sure that the row before which another is to be moved is still there. The router takes
// a vanished one for the end of the table, and reports success (routeros-facts § 2.4).
func present(ctx context.Context, s Session, step diff.Step) error {
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
	return fmt.Errorf("the rule %s, before which it belongs, is gone: somebody else is changing this router; run diff again", step.BeforeText)
}
