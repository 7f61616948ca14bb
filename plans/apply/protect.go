package apply

import (
	"context"
	"errors"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Protection is what rolls the router back when nobody can reach it any more. The texts are those
// of --protect.
type Protection string

// The protections.
const (
	Auto     Protection = "auto"      // safe mode if the router has it, otherwise a dead-man
	SafeMode Protection = "safe-mode" // the router's own, over the API from 7.18 on
	DeadMan  Protection = "dead-man"  // an entry of the router's scheduler that rolls the changes back
	None     Protection = "none"
)

// Protections lists them.
func Protections() []Protection { return []Protection{Auto, SafeMode, DeadMan, None} }

// mostUnderSafeMode is how many steps fit into one safe mode: the router remembers 100 changes. At
// the next one it leaves safe mode silently and without undoing anything (routeros-facts § 6.1).
const mostUnderSafeMode = 80

// ProtectionError says why the requested protection is not possible on a router. Exit code 4.
type ProtectionError struct{ What, Remedy string }

// Error implements error.
func (e *ProtectionError) Error() string { return e.What + ": " + e.Remedy }

// HeldError says that somebody else is at work on the router. Exit code 4.
type HeldError struct{ What, Remedy string }

// Error implements error.
func (e *HeldError) Error() string { return e.What + ": " + e.Remedy }

// guard is a protection in use.
type guard interface {
	name() Protection
	intent() string
	// take arms it, and reads the router under it for the first time.
	take(ctx context.Context, s Session) (routeros.Snapshot, error)
	// prints are the commands that show whether it is in place, and standing judges the answers:
	// nil while it is in place, and in time. A *[GoneError] says that it is not in place any more.
	prints() []routeros.Command
	standing(results []api.Result, now time.Time) error
	// check returns an error when time is short, by this machine's clock.
	check() error
	// unroll rolls everything back at once, if the protection can; steps is how many the router has
	// executed.
	unroll(ctx context.Context, s Session, steps int) (done bool, err error)
	// holds reads, where ending could end somebody else's protection, whether it is still in place: a
	// *[GoneError] says that it is not. ending are the commands that end it, and ended judges the
	// answers; they begin with those to ending. A *[GoneError] says that it was not in place any more.
	holds(ctx context.Context, s Session) error
	ending() []routeros.Command
	ended(ctx context.Context, s Session, results []api.Result) error
	// pending reports whether it is still in place, seen from another session; why is the reason as
	// text.
	pending(ctx context.Context, s Session) (held bool, why string, err error)
	// hope says what the protection will still do when nothing else works.
	hope() string
	// horizon is the time after which the router has rolled back by itself.
	horizon() time.Duration
}

// release ends a protection. A *[GoneError] says that it was not in place any more.
func release(ctx context.Context, s Session, g guard) error {
	if err := g.holds(ctx, s); err != nil {
		return err
	}
	commands := g.ending()
	if len(commands) == 0 {
		return nil
	}
	results, err := s.Batch(ctx, commands)
	if err != nil {
		return err
	}
	return g.ended(ctx, s, results)
}

// guardFor chooses the protection of a change that starts from a snapshot.
func guardFor(o Options, before routeros.Snapshot, c change.ChangeSet) (guard, error) {
	switch o.Protect {
	case SafeMode:
		return &safeMode{steps: len(c.Steps), login: o.Login}, nil
	case None:
		return unguarded{}, nil
	case DeadMan:
	default:
		if before.Version.AtLeast(7, 18) && len(c.Steps) <= mostUnderSafeMode {
			return &safeMode{steps: len(c.Steps), login: o.Login}, nil
		}
	}
	text, err := undo.Script(before, c, o.Plan, []string{deadMan, deadManAtStart})
	return &scheduled{delay: o.Delay, plan: o.Plan, owner: o.Owner, change: o.Change, clock: before.Clock, version: before.Version, script: text}, err
}

// Vacant returns a *[HeldError] if somebody else is at work on a router. [Run] checks this itself.
// Callers use Vacant before they compute anything, since a router in the middle of another change
// is in an intermediate state.
func Vacant(ctx context.Context, s Session, v routeros.Version) error {
	_, err := vacant(ctx, s, Options{Before: routeros.Snapshot{Version: v}})
	return err
}

// vacant makes sure that nobody else is at work on the router, with either protection. It returns
// the dead-man's entries that may be adopted.
func vacant(ctx context.Context, s Session, o Options) ([]routeros.Attributes, error) {
	results, err := s.Batch(ctx, vacancy(o.Before.Version))
	if err != nil {
		return nil, err
	}
	return atWork(results, o)
}

// seesOthers reports whether the first batch of a run shows by itself whether somebody else is at work,
// so that nobody has to look before. The take of safe mode and the clearing do.
func seesOthers(o Options, parts []change.Part, guards []guard) bool {
	if o.Adopt != "" || !parts[0].Met {
		return o.Adopt == ""
	}
	return guards[0].name() == SafeMode && o.Before.Version.AtLeast(7, 18)
}

// vacancy are the commands that show whether somebody else is at work.
func vacancy(v routeros.Version) []routeros.Command {
	commands := []routeros.Command{armedEntries()}
	if v.AtLeast(7, 18) {
		commands = append(commands, routeros.Print(routeros.SafeMode))
	}
	return commands
}

// atWork judges the answers to [vacancy]. The error says who is at work; the rows are the
// dead-man's entries that may be adopted.
func atWork(results []api.Result, o Options) ([]routeros.Attributes, error) {
	if results[0].Err != nil {
		return nil, results[0].Err
	}
	if len(results) > 1 {
		held, why, err := holder(results[1])
		switch _, none := errors.AsType[*api.UnknownMenuError](err); {
		case none:
		case err != nil:
			return nil, err
		case held:
			return nil, &HeldError{why, stale}
		}
	}
	rows := results[0].Rows
	if len(rows) == 0 || isOf(rows, o.Adopt) {
		return rows, nil
	}
	return nil, heldByDeadMan(rows)
}

const stale = "wait until they have finished, or ask them; when their session has died, the router notices within nine minutes and rolls their changes back"

// unguarded is no protection.
type unguarded struct{}

func (unguarded) name() Protection { return None }
func (unguarded) intent() string   { return "continuing without protection" }
func (unguarded) take(ctx context.Context, s Session) (routeros.Snapshot, error) {
	return s.Snapshot(ctx)
}
func (unguarded) prints() []routeros.Command                             { return nil }
func (unguarded) standing([]api.Result, time.Time) error                 { return nil }
func (unguarded) check() error                                           { return nil }
func (unguarded) unroll(context.Context, Session, int) (bool, error)     { return false, nil }
func (unguarded) holds(context.Context, Session) error                   { return nil }
func (unguarded) ending() []routeros.Command                             { return nil }
func (unguarded) ended(context.Context, Session, []api.Result) error     { return nil }
func (unguarded) hope() string                                           { return "" }
func (unguarded) horizon() time.Duration                                 { return time.Minute }
func (unguarded) pending(context.Context, Session) (bool, string, error) { return false, "", nil }
