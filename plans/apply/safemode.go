package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// safeMode is the router's own protection, bound to the session. Another administrator can take it
// over at any moment, and roll back or keep what was done under it (routeros-facts § 6.1).
type safeMode struct {
	steps int
	login string              // the router's user of this session
	taken routeros.Attributes // the router's answer about it right after it was taken
	seen  map[string]bool     // the actions of the router's history before; nil when it can't be read
}

func (*safeMode) name() Protection { return SafeMode }
func (*safeMode) intent() string   { return "taking safe mode" }

// take takes safe mode and reads, in the same batch, what the router shows about it: that is what
// it looks like while it is ours. The batch also tells whether somebody else is at work, before and
// after the take. The router refuses the take while somebody else holds safe mode. Where another
// run's dead-man is armed, safe mode is released at once; nothing was done under it.
func (g *safeMode) take(ctx context.Context, s Session) (routeros.Snapshot, error) {
	if err := g.tooMany(); err != nil {
		return routeros.Snapshot{}, err
	}
	take := routeros.NewCommand(routeros.SafeMode.Verb("take"), "on-error", "abort")
	shows := routeros.Print(routeros.SafeMode)
	now, results, err := s.SnapshotWith(ctx, shows, take, shows, armedEntries(), routeros.Print(routeros.History))
	if results == nil { // the session was lost
		return now, err
	}
	if taken := results[1].Err; taken != nil {
		return now, g.refused(taken, results[2])
	}
	if held, why, _ := holder(results[0]); held { // it is not known to be ours
		return now, &HeldError{why, stale}
	}
	if err := g.took(results[2]); err != nil {
		return now, err
	}
	if results[4].Err == nil {
		g.seen = map[string]bool{}
		for _, row := range results[4].Rows {
			g.seen[row.Get(".id")] = true
		}
	}
	if err == nil {
		_, err = atWork([]api.Result{results[3], results[0]}, Options{})
	}
	if err != nil {
		err = errors.Join(err, release(ctx, s, g))
	}
	return now, err
}

// took keeps what the router shows of safe mode right after it was taken.
func (g *safeMode) took(shown api.Result) error {
	held, why, err := holder(shown)
	switch {
	case err != nil:
		return fmt.Errorf("safe mode was taken, but the router does not say who holds it: %w", err)
	case !held:
		return &GoneError{What: "safe mode was taken, and is not held any more: somebody else released it or rolled it back"}
	case !g.ofLogin(shown.Rows[0]):
		return &HeldError{why, stale}
	}
	g.taken = shown.Rows[0]
	return nil
}

// refused says why safe mode could not be taken; row is what the router shows about it.
func (g *safeMode) refused(err error, row api.Result) error {
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
	if held, why, _ := holder(row); held { // only for a better message
		return &HeldError{why, stale}
	}
	return &ProtectionError{"safe mode can't be taken; the router says: " + trap.Message, "try again, or use --protect=dead-man"}
}

// ofLogin reports whether a row of safe mode may belong to this session's login, as far as it
// shows.
func (g *safeMode) ofLogin(row routeros.Attributes) bool {
	user := row.Get("user")
	return user == "" || g.login == "" || user == g.login
}

func (*safeMode) check() error { return nil }

// unroll rolls everything back, if this session still holds safe mode and nobody else has changed
// anything under it: the router unrolls safe mode of any holder, with everybody's changes.
func (g *safeMode) unroll(ctx context.Context, s Session, steps int) (bool, error) {
	results, err := s.Batch(ctx, []routeros.Command{routeros.Print(routeros.SafeMode), routeros.Print(routeros.History)})
	if err != nil {
		return false, err
	}
	ours := g.standing(results[:1], time.Now()) == nil && g.seen != nil && results[1].Err == nil
	if !ours || g.othersActed(results[1].Rows, steps) {
		return false, nil
	}
	_, err = s.Run(ctx, routeros.NewCommand(routeros.SafeMode.Verb("unroll")))
	return err == nil, err
}

// standing: of the columns about the holder of safe mode, only the names are known, not the format
// of their values. So the values are compared, not parsed. If safe mode was released and taken
// again by the same login, it looks the same.
func (g *safeMode) standing(results []api.Result, _ time.Time) error {
	held, _, err := holder(results[0])
	if err != nil {
		return fmt.Errorf("what the router says of safe mode could not be read: %w", err)
	}
	if !held {
		return &GoneError{What: "safe mode is not held any more: somebody else released it or rolled it back"}
	}
	row := results[0].Rows[0]
	if row.Equal(g.taken) && g.ofLogin(row) {
		return nil
	}
	by := holderName(row)
	return &GoneError{What: "safe mode is held by " + by + " now", By: by}
}

// othersActed reports whether the router's history has actions that this run did not do: of another
// user, or more than its own.
func (g *safeMode) othersActed(rows []routeros.Attributes, steps int) bool {
	fresh := 0
	for _, row := range rows {
		if g.seen[row.Get(".id")] {
			continue
		}
		fresh++
		if by := row.Get("by"); by != "" && g.login != "" && by != g.login {
			return true
		}
	}
	return fresh > steps
}

// holds: release also works on another holder's safe mode (routeros-facts § 6.1), so an answer has to
// show right before it whose safe mode it is.
func (g *safeMode) holds(ctx context.Context, s Session) error {
	results, err := s.Batch(ctx, g.prints())
	if err != nil {
		return err
	}
	return g.standing(results, time.Now())
}

// ending keeps the changes.
func (*safeMode) ending() []routeros.Command {
	return []routeros.Command{routeros.NewCommand(routeros.SafeMode.Verb("release"))}
}

func (*safeMode) ended(_ context.Context, _ Session, results []api.Result) error {
	return results[0].Err
}

func (*safeMode) prints() []routeros.Command {
	return []routeros.Command{routeros.Print(routeros.SafeMode)}
}

// pending: it does not wait for safe mode that somebody else holds. Another session sees other
// columns than the holder's session, so only those that name the holder count.
func (g *safeMode) pending(ctx context.Context, s Session) (held bool, why string, err error) {
	results, err := s.Batch(ctx, g.prints())
	if err != nil {
		return false, "", err
	}
	held, why, err = holder(results[0])
	if held && g.taken != nil && holderName(results[0].Rows[0]) != holderName(g.taken) {
		return false, why, nil
	}
	return held, why, err
}

// holder reads who holds safe mode.
func holder(result api.Result) (held bool, why string, err error) {
	if result.Err != nil || len(result.Rows) == 0 || !result.Rows[0].Bool("enabled") {
		return false, "", result.Err
	}
	return true, "safe mode is held by " + holderName(result.Rows[0]), nil
}

func holderName(row routeros.Attributes) string {
	name := "user " + row.Get("user")
	if row.Get("user") == "" {
		name = "somebody"
	}
	if owner := row.Get("owner"); owner != "" {
		name += " over " + owner
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

func (*safeMode) hope() string {
	return "; the router rolls it back when it sees that this session has ended, if this session still holds safe mode"
}

// horizon: the router drops a vanished session after the TCP time-out of nine minutes
// (routeros-facts § 6.1).
func (*safeMode) horizon() time.Duration { return 10 * time.Minute }
