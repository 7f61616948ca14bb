package apply

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Protection is what brings the router back when nobody can reach it any more. The texts are those of --protect.
type Protection string

// The protections.
const (
	Auto     Protection = "auto"      // safe mode where the router has it, else a dead-man
	SafeMode Protection = "safe-mode" // the router's own, over the API from 7.18 on
	DeadMan  Protection = "dead-man"  // an entry of the router's scheduler that takes the changes back
	None     Protection = "none"
)

// Protections lists them.
func Protections() []Protection { return []Protection{Auto, SafeMode, DeadMan, None} }

// mostUnderSafeMode is how many steps go under one safe mode: the router remembers 100 changes, and leaves safe mode without
// a word and without undoing anything at the next (routeros-facts § 6.1).
const mostUnderSafeMode = 80

// ProtectionError says why a router can't be protected as it was asked. Exit code 4.
type ProtectionError struct{ What, Remedy string }

// Error implements error.
func (e *ProtectionError) Error() string { return e.What + ": " + e.Remedy }

// HeldError says that somebody else is at work on the router. Exit code 4.
type HeldError struct{ What, Remedy string }

// Error implements error.
func (e *HeldError) Error() string { return e.What + ": " + e.Remedy }

// guard is a protection at work.
type guard interface {
	name() Protection
	intent() string
	// take puts it in place.
	take(ctx context.Context, s Session) error
	// read reads the router under it for the first time.
	read(ctx context.Context, s Session) (routeros.Snapshot, error)
	// check says that time is short.
	check() error
	// unroll takes back everything at once, where the protection can.
	unroll(ctx context.Context, s Session) (done bool, err error)
	// release gives it up.
	release(ctx context.Context, s Session) error
	// pending reports whether it is still in place, seen from another session; why says so in words.
	pending(ctx context.Context, s Session) (held bool, why string, err error)
	// hope says what the protection does yet when nothing else works.
	hope() string
	// horizon is after what time the router has come back by itself.
	horizon() time.Duration
}

// guardFor chooses the protection.
func guardFor(o Options, c diff.ChangeSet) guard {
	switch o.Protect {
	case SafeMode:
		return &safeMode{steps: len(c.Steps)}
	case None:
		return unguarded{}
	case DeadMan:
	default:
		if o.Before.Version.AtLeast(7, 18) && len(c.Steps) <= mostUnderSafeMode {
			return &safeMode{steps: len(c.Steps)}
		}
	}
	names := []string{deadMan, deadManAtStart}
	return &scheduled{
		delay: o.Delay, plan: o.Plan, owner: o.Owner, change: o.Change, clock: o.Before.Clock, version: o.Before.Version,
		script: undo.Script(o.Before, c, o.Plan, names),
	}
}

// Vacant says whether somebody else is at work on a router: the error is a *[HeldError] then. [Run] looks itself; who wants to know
// before he computes anything asks here, since a router in the middle of another change reads strangely.
func Vacant(ctx context.Context, s Session, v routeros.Version) error {
	_, err := vacant(ctx, s, Options{Before: routeros.Snapshot{Version: v}})
	return err
}

// vacancy is what has to be read to see whether somebody else is at work.
func vacancy(v routeros.Version) []routeros.Command {
	commands := []routeros.Command{armedEntries()}
	if v.AtLeast(7, 18) {
		commands = append(commands, routeros.Print(routeros.SafeMode))
	}
	return commands
}

// vacant makes sure that nobody else is at work on the router, in whichever way they protect
// themselves. It returns the dead-man's entries that may be adopted.
func vacant(ctx context.Context, s Session, o Options) ([]routeros.Attributes, error) {
	results, err := s.Batch(ctx, vacancy(o.Before.Version))
	if err != nil {
		return nil, err
	}
	return atWork(results, o)
}

// atWork reads the answers to [vacancy]. The error says who is at work; the rows are the dead-man's
// entries that may be adopted.
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

// safeMode is the router's own protection, bound to the session.
type safeMode struct {
	steps int
	taken routeros.Attributes // what the router says of it right after it was taken
}

func (*safeMode) name() Protection { return SafeMode }
func (*safeMode) intent() string   { return "taking safe mode" }

func (g *safeMode) take(ctx context.Context, s Session) error {
	if err := g.tooMany(); err != nil {
		return err
	}
	_, err := s.Run(ctx, routeros.NewCommand(routeros.SafeMode.Verb("take"), "on-error", "abort"))
	if err == nil || lost(err) {
		return err
	}
	if _, none := errors.AsType[*api.UnknownMenuError](err); none {
		return noSafeMode()
	}
	trap, ok := errors.AsType[*api.TrapError](err)
	if !ok {
		return err
	}
	if _, mayNot := errors.AsType[*api.PermissionError](err); mayNot {
		return denied(g, trap.Message)
	}
	held, why, _ := g.pending(ctx, s) // what it says is a courtesy
	if !held {
		return &ProtectionError{"safe mode can't be taken; the router says: " + trap.Message, "try again, or use --protect=dead-man"}
	}
	return &HeldError{why + " (the router says: " + trap.Message + ")", stale}
}

// read learns in the same flight what the router says of the hold.
func (g *safeMode) read(ctx context.Context, s Session) (routeros.Snapshot, error) {
	now, results, err := s.SnapshotWith(ctx, routeros.Print(routeros.SafeMode))
	if err != nil {
		return now, err
	}
	if len(results[0].Rows) > 0 {
		g.taken = results[0].Rows[0]
	}
	return now, results[0].Err
}

func (*safeMode) check() error { return nil }

// unroll undoes everything, if the hold is still ours: it may have ended without a word, when other people's changes were too many for
// it, and be somebody else's by now.
func (g *safeMode) unroll(ctx context.Context, s Session) (bool, error) {
	if ours, err := g.ours(ctx, s); err != nil || !ours {
		return false, err
	}
	_, err := s.Run(ctx, routeros.NewCommand(routeros.SafeMode.Verb("unroll")))
	return err == nil, err
}

// release keeps what was done. It too works on anybody's hold (routeros-facts § 6.1), so it looks whose it is.
func (g *safeMode) release(ctx context.Context, s Session) error {
	if ours, err := g.ours(ctx, s); err != nil || !ours {
		return err
	}
	_, err := s.Run(ctx, routeros.NewCommand(routeros.SafeMode.Verb("release")))
	return err
}

// ours reports whether safe mode is held as it was right after it was taken. Of the columns that tell who holds it, only the names are
// known, not what they say; so they are compared, not read.
func (g *safeMode) ours(ctx context.Context, s Session) (bool, error) {
	row, err := safeModeRow(ctx, s)
	return err == nil && row.Equal(g.taken), err
}

// safeModeRow is what the router says of safe mode.
func safeModeRow(ctx context.Context, s Session) (routeros.Attributes, error) {
	reply, err := s.Run(ctx, routeros.Print(routeros.SafeMode))
	if err != nil || len(reply.Rows) == 0 {
		return nil, err
	}
	return reply.Rows[0], nil
}

func (*safeMode) pending(ctx context.Context, s Session) (held bool, why string, err error) {
	reply, err := s.Run(ctx, routeros.Print(routeros.SafeMode))
	return holder(api.Result{Reply: reply, Err: err})
}

// holder reads who holds safe mode.
func holder(result api.Result) (held bool, why string, err error) {
	if result.Err != nil || len(result.Rows) == 0 || !result.Rows[0].Bool("enabled") {
		return false, "", result.Err
	}
	row := result.Rows[0]
	why = "safe mode is held by " + cmp.Or(row.Get("user"), "somebody")
	if owner := row.Get("owner"); owner != "" {
		why += " over " + owner
	}
	return true, strings.ToValidUTF8(why, "\uFFFD"), nil
}

func (*safeMode) hope() string {
	return "; the router takes it back when it sees that this session has ended"
}

// horizon: a session that vanished is given up after the TCP time-out of nine minutes (routeros-facts § 6.1).
func (*safeMode) horizon() time.Duration { return 10 * time.Minute }

// unguarded is no protection.
type unguarded struct{}

func (unguarded) name() Protection                    { return None }
func (unguarded) intent() string                      { return "going on without protection" }
func (unguarded) take(context.Context, Session) error { return nil }
func (unguarded) read(ctx context.Context, s Session) (routeros.Snapshot, error) {
	return s.Snapshot(ctx)
}
func (unguarded) check() error                                           { return nil }
func (unguarded) unroll(context.Context, Session) (bool, error)          { return false, nil }
func (unguarded) release(context.Context, Session) error                 { return nil }
func (unguarded) hope() string                                           { return "" }
func (unguarded) horizon() time.Duration                                 { return time.Minute }
func (unguarded) pending(context.Context, Session) (bool, string, error) { return false, "", nil }
