package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Rows that no packet meets are removed without protection: they make no difference, and an undo
// script that restores hundreds of them would be too long for a router. Before each batch, an
// answer has to show that no packet meets them, that they are still the plan's, and that nobody
// else is at work.

// clear removes the rows that an earlier run has left in chains that are to be built; false ends
// the run.
func (r *run) clear(ctx context.Context, s Session, part change.Part) bool {
	r.doing("removing unused rules")
	begun := false
	now, results, err := s.SnapshotWith(ctx, vacancy(r.options.Before.Version)...)
	if err == nil {
		_, err = atWork(results, r.options)
	}
	if err == nil && now.Digest() != r.all.Snapshot {
		err = &MovedError{"somebody else has changed the router since these steps were computed: nothing was done; run it again"}
	}
	if err == nil {
		begun = true
		err = r.remove(ctx, s, part.From, part.To)
	}
	if err == nil {
		r.before, err = s.Snapshot(context.WithoutCancel(ctx))
	}
	if err == nil {
		return true
	}
	r.result.Outcome, r.result.Err = Refused, err
	if len(r.result.Receipts) > 0 || begun && lost(err) {
		r.result.Outcome = Failed
		r.result.Err = fmt.Errorf("no rule that packets meet was changed, but some unused rules may be gone: run it again: %w", err)
	}
	return false
}

// sweep removes the rows that no packet meets any more, and checks that nothing is left to do.
func (r *run) sweep(ctx context.Context, s Session, from int) {
	firm := context.WithoutCancel(ctx) // the rules that packets meet are confirmed: there is nothing to roll back
	if from < len(r.all.Steps) {
		r.doing("removing rules that are not used any more")
	}
	err := r.sweepAll(firm, s, from)
	if err == nil {
		return
	}
	r.result.Outcome = Failed
	if r.box.elsewhere != nil {
		r.result.Outcome = Unknown
	}
	if left := len(r.result.Left); left > 0 {
		r.result.Err = fmt.Errorf("the change is active, but some unused rules or list entries (%d) could not be removed: run it again: %w", left, err)
		return
	}
	r.result.Err = fmt.Errorf("every step was done and confirmed, but then: %w; look at the router with diff", err)
}

// sweepPatience is how long a sweep tries to replace a lost session.
const sweepPatience = 2 * time.Minute

// sweepAll sweeps, over further sessions when one is lost.
func (r *run) sweepAll(ctx context.Context, s Session, from int) error {
	ctx, cancel := context.WithTimeout(ctx, sweepPatience)
	defer cancel()
	var err error
	for try, pause := 0, time.Second; try < 4; try++ {
		if r.box.further != nil {
			s = r.box.further
		}
		if err = r.sweepOnce(ctx, s, from); err == nil {
			return nil
		}
		if _, held := errors.AsType[*HeldError](err); held {
			return err
		}
		for lost(err) && r.options.Dial != nil && !r.box.redialled(ctx) {
			if r.box.elsewhere != nil {
				return r.box.elsewhere
			}
			if !sleep(ctx, pause) {
				return err
			}
			pause = min(2*pause, 15*time.Second)
		}
	}
	return err
}

func (r *run) sweepOnce(ctx context.Context, s Session, from int) error {
	if from < len(r.all.Steps) {
		if err := r.remove(ctx, s, from, len(r.all.Steps)); err != nil {
			return err
		}
	} else if r.result.After != nil {
		return r.wanted(*r.result.After)
	}
	now, err := s.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("the router could not be read again: %w", err)
	}
	r.result.After = &now
	return r.wanted(now)
}

func (r *run) wanted(now routeros.Snapshot) error {
	if r.options.Wanted == nil {
		return nil
	}
	return r.options.Wanted(now)
}

// remove executes steps that remove rows which no packet meets. It skips rows that are gone
// already, or that belong to somebody else by now.
func (r *run) remove(ctx context.Context, s Session, from, to int) error {
	steps := r.all.Steps[from:to]
	asks := idleness(steps)
	commands := append(vacancy(r.options.Before.Version), asks.commands...)
	results, err := s.Batch(ctx, commands)
	for at := 0; ; {
		if err != nil {
			return err
		}
		if at == len(steps) {
			return nil
		}
		if _, err := atWork(results[:len(commands)-len(asks.commands)], r.options); err != nil {
			return err
		}
		now, err := asks.read(results[len(commands)-len(asks.commands):])
		if err != nil {
			return err
		}
		end := min(at+mostInFlight, len(steps))
		var flight []routeros.Command
		sent := map[int]int{} // the positions of the sent steps in the batch
		for i := at; i < end; i++ {
			row, there := change.FindRow(now, steps[i].Menu, steps[i].ID)
			if !there || !owned(row, r.options.Plan) {
				continue
			}
			if !change.Unmet(now, steps[i]) {
				return &HeldError{fmt.Sprintf("packets meet %s again: somebody else is changing this router", steps[i].Name()), "look at the router with diff"}
			}
			command, err := Command(steps[i])
			if err != nil {
				return err
			}
			sent[i], flight = len(flight), append(flight, command)
		}
		var answers []api.Result
		if answers, err = s.Batch(ctx, append(flight, commands...)); err != nil {
			return err
		}
		for i := at; i < end; i++ { // in their order: the rest is counted from the last
			if k, is := sent[i]; is {
				if trap, ok := errors.AsType[*api.TrapError](answers[k].Err); answers[k].Err != nil && (!ok || !trap.NoSuchItem()) {
					return fmt.Errorf("step %d of %d, %s %s: %w", from+i+1, len(r.all.Steps), steps[i].Op, steps[i].Name(), answers[k].Err)
				}
			}
			r.receive(Receipt{Index: from + i, Step: steps[i]})
		}
		at, results = end, answers[len(flight):]
	}
}

// receive records a receipt, once for each step.
func (r *run) receive(receipt Receipt) {
	if slices.ContainsFunc(r.result.Receipts, func(o Receipt) bool { return o.Index == receipt.Index && o.Err == nil }) {
		return
	}
	r.result.Receipts = append(r.result.Receipts, receipt)
	r.result.Left = r.all.Steps[receipt.Index+1:]
	r.observe(Event{Done: &receipt})
}

// idle is what is read to check that no packet meets certain rows.
type idle struct {
	commands []routeros.Command
}

// idleness reads the rows that steps remove, and every rule that could send packets to them or
// match their list.
func idleness(steps []change.Step) idle {
	queries := map[routeros.Menu][]string{}
	ask := func(menu routeros.Menu, query string) {
		if !slices.Contains(queries[menu], query) {
			queries[menu] = append(queries[menu], query)
		}
	}
	for _, step := range steps {
		if step.Menu.IsRuleTable() {
			ask(step.Menu, "action=jump")
			if chain := step.Was.Get("chain"); strings.HasPrefix(chain, "rosknock-") {
				ask(step.Menu, "chain="+chain)
			} else {
				ask(step.Menu, "comment="+step.Was.Get("comment"))
			}
			continue
		}
		list := step.Was.Get("list")
		ask(step.Menu, "list="+list)
		for _, f := range routeros.Families() {
			for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
				ask(menu, "action=jump")
				for _, name := range []string{"src-address-list=", "dst-address-list="} {
					ask(menu, name+list)
					ask(menu, name+"!"+list)
				}
			}
		}
	}
	var out idle
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw(), f.AddressList()} {
			words := queries[menu]
			if len(words) == 0 {
				continue
			}
			for range len(words) - 1 {
				words = append(words, "#|")
			}
			out.commands = append(out.commands, routeros.Print(menu).Where(words...))
		}
	}
	return out
}

// read makes a snapshot from the answers. A menu that the router does not have sends no packet
// anywhere.
func (d idle) read(results []api.Result) (routeros.Snapshot, error) {
	s := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{}, Entries: map[routeros.Menu][]routeros.ListEntry{}}
	for i, result := range results {
		menu := d.commands[i].Menu()
		if _, none := errors.AsType[*api.UnknownMenuError](result.Err); none {
			continue
		}
		if result.Err != nil {
			return s, fmt.Errorf("%s could not be read: %w", menu, result.Err)
		}
		for _, row := range result.Rows {
			if menu.IsRuleTable() {
				s.Rules[menu] = append(s.Rules[menu], routeros.ReadRule(row))
			} else {
				s.Entries[menu] = append(s.Entries[menu], routeros.ReadListEntry(row))
			}
		}
	}
	return s, nil
}
