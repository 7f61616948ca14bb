package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// The names of the two scheduler entries. They are the same in every run: a name can be there once only, so that of two runs
// that arm at the same moment one fails.
const (
	deadMan        = "rosknock-dead-man"
	deadManAtStart = "rosknock-dead-man-at-start"
)

// maxScript is how long a script may be; how much a scheduler entry takes is unknown, script sources of this size were seen
// (routeros-facts § 6.3).
const maxScript = 60_000

// scheduled is a dead-man: an entry in the router's scheduler that takes the changes back when nobody has removed it in time, and
// its twin that does so when the router starts anew meanwhile, since an interval alone would begin again then
// (routeros-facts § 6.2).
type scheduled struct {
	delay       time.Duration
	plan, owner string
	change      string
	script      string
	clock       time.Time
	version     routeros.Version
	adopted     bool // another run has armed it

	ids   []string
	fires time.Time // by this machine's clock
}

func (*scheduled) name() Protection { return DeadMan }

func (g *scheduled) intent() string {
	return fmt.Sprintf("arming the dead-man: the router takes the changes back in %s unless they are confirmed", routeros.FormatDuration(g.delay))
}

// comment says who is at work, for those who find the entry, and for an undo that looks for it.
func (g *scheduled) comment() string {
	text := "what is not confirmed is taken back"
	if g.change != "" {
		text = "change " + g.change + ": " + text
	}
	if g.owner != "" {
		text = fmt.Sprintf("%s is at work since %s, %s", g.owner, time.Now().UTC().Format("2006-01-02 15:04:05 UTC"), text)
	}
	return routeros.Mark{Plan: g.plan, Slot: "dead-man"}.Comment(text)
}

// isOf reports whether a dead-man's entries were armed for a change.
func isOf(rows []routeros.Attributes, change string) bool {
	return change != "" && !slices.ContainsFunc(rows, func(row routeros.Attributes) bool {
		return !strings.Contains(row.Get("comment"), "change "+change+": ")
	})
}

func (g *scheduled) take(ctx context.Context, s Session) (routeros.Snapshot, error) {
	if err := g.armed(ctx, s); err != nil {
		return routeros.Snapshot{}, err
	}
	return s.Snapshot(ctx)
}

func (g *scheduled) armed(ctx context.Context, s Session) error {
	if len(g.script) > maxScript {
		return &ProtectionError{
			fmt.Sprintf("the way back is a script of %d bytes, more than a router is known to take (%d)", len(g.script), maxScript),
			"change less at once, for example one address family after the other",
		}
	}
	err := g.arm(ctx, s)
	if _, not := errors.AsType[*notArmedError](err); not && !g.clock.IsZero() {
		// A router that runs an entry at once, or wants to be told when, gets a date and a time.
		err = g.arm(ctx, s, "start-date", g.date(), "start-time", g.clock.Add(g.delay).Format("15:04:05"))
	}
	if not, ok := errors.AsType[*notArmedError](err); ok {
		return errors.Join(&ProtectionError{not.what, "set the device-mode so that the scheduler works, or name the risk with --protect=none --accept-risk=" + Unprotected}, not.left)
	}
	return err
}

// date is when it has to run, in the router's own form and time zone: ISO from 7.10 on (routeros-facts § 8).
func (g *scheduled) date() string {
	at := g.clock.Add(g.delay)
	if g.version.AtLeast(7, 10) {
		return at.Format("2006-01-02")
	}
	return strings.ToLower(at.Format("Jan/02/2006"))
}

// adopt goes on under a dead-man that is there already.
func (g *scheduled) adopt(rows []routeros.Attributes) error {
	for _, row := range rows {
		g.ids = append(g.ids, row.Get(".id"))
	}
	g.fires = time.Now().Add(g.delay)
	if left, ok := timeLeft(rows, g.clock); ok {
		g.fires = time.Now().Add(left)
	}
	if err := g.check(); err != nil {
		return &HeldError{err.Error(), "wait until it has run, and look at the router with diff then"}
	}
	return nil
}

// Unprotected is the name of the risk of going without protection.
const Unprotected = "unprotected"

// notArmedError says that the router took the entry and will not run it.
type notArmedError struct {
	what string
	left error // why the entry could not be removed again
}

func (e *notArmedError) Error() string { return e.what }

// arm adds both entries, and looks whether the router is going to run the first.
func (g *scheduled) arm(ctx context.Context, s Session, start ...string) error {
	g.fires = time.Now().Add(g.delay)
	first := append([]string{"name", deadMan, "interval", routeros.FormatDuration(g.delay), "policy", "read,write", "comment", g.comment(), "on-event", g.script}, start...)
	twin := []string{"name", deadManAtStart, "interval", "0s", "start-time", "startup", "policy", "read,write", "comment", g.comment(), "on-event", g.script}
	for _, pairs := range [][]string{first, twin} {
		reply, err := s.Run(ctx, routeros.NewCommand(routeros.Scheduler.Verb("add"), pairs...))
		if err != nil {
			return errors.Join(g.refused(ctx, s, err), g.disarm(ctx, s, err))
		}
		g.ids = append(g.ids, reply.Ret)
	}
	rows, err := armed(ctx, s)
	if err != nil {
		return err
	}
	g.ids = nil
	for _, row := range rows {
		g.ids = append(g.ids, row.Get(".id"))
	}
	at := slices.IndexFunc(rows, func(row routeros.Attributes) bool { return row.Get("name") == deadMan })
	if at >= 0 && len(rows) == 2 && rows[at].Get("next-run") != "" {
		if left, ok := timeLeft(rows, g.now(ctx, s)); !ok || left > 0 && left <= g.delay+time.Minute {
			return nil
		}
	}
	return &notArmedError{"the router took the dead-man into its scheduler, but does not say that it will run it", g.disarm(ctx, s, nil)}
}

// now is the router's clock.
func (g *scheduled) now(ctx context.Context, s Session) time.Time {
	reply, err := s.Run(ctx, routeros.Print(routeros.Clock))
	if err != nil || len(reply.Rows) == 0 {
		return time.Time{}
	}
	at, _ := parseMoment(reply.Rows[0].Get("date") + " " + reply.Rows[0].Get("time"))
	return at
}

// timeLeft is how long it is until the first of the entries runs, by the router's clock; ok is false when it can't be told.
func timeLeft(rows []routeros.Attributes, now time.Time) (time.Duration, bool) {
	for _, row := range rows {
		if row.Get("name") == deadMan {
			next, ok := parseMoment(row.Get("next-run"))
			return next.Sub(time.Date(now.Year(), now.Month(), now.Day(), now.Hour(), now.Minute(), now.Second(), 0, time.UTC)), ok && !now.IsZero()
		}
	}
	return 0, false
}

// parseMoment reads a date and time as the router prints them, in its own time zone.
func parseMoment(text string) (time.Time, bool) {
	for _, form := range []string{"2006-01-02 15:04:05", "Jan/02/2006 15:04:05"} {
		if at, err := time.Parse(form, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// refused says why an entry could not be added.
func (g *scheduled) refused(ctx context.Context, s Session, err error) error {
	trap, ok := errors.AsType[*api.TrapError](err)
	_, denied := errors.AsType[*api.PermissionError](err)
	switch {
	case !ok:
		return err
	case denied:
		return &ProtectionError{"the dead-man can't be armed: " + trap.Message, "give the user's group the policies read and write"}
	case strings.Contains(trap.Message, "device-mode"):
		return &ProtectionError{"the dead-man can't be armed: " + deviceMode(ctx, s), "set the device-mode to advanced, or clear the flag, at the device; or name the risk with --protect=none --accept-risk=" + Unprotected}
	case strings.Contains(trap.Message, "such name"):
		if rows, err := armed(ctx, s); err == nil && len(rows) > 0 {
			return heldByDeadMan(rows)
		}
	}
	return &ProtectionError{"the dead-man can't be armed: " + trap.Message, "name the risk with --protect=none --accept-risk=" + Unprotected + " if you can get at the router otherwise"}
}

func deviceMode(ctx context.Context, s Session) string {
	reply, err := s.Run(ctx, routeros.Print(routeros.DeviceMode))
	switch {
	case err != nil || len(reply.Rows) == 0:
		return "the router's device-mode does not allow the scheduler"
	case reply.Rows[0].Bool("flagged"):
		return "the device is flagged: something was changed on it that should not have been, and it adds no scheduler entries"
	}
	return "the device-mode " + reply.Rows[0].Get("mode") + " switches the scheduler off"
}

// armedEntries asks for the dead-man's entries on the router, whoever armed them, and for nothing else: other entries can be long.
func armedEntries() routeros.Command {
	return routeros.Print(routeros.Scheduler).Where("name="+deadMan, "name="+deadManAtStart, "#|")
}

func armed(ctx context.Context, s Session) ([]routeros.Attributes, error) {
	reply, err := s.Run(ctx, armedEntries())
	return reply.Rows, err
}

// Disarm removes the dead-man that a run has left on the router, when it is the one of this change.
func Disarm(ctx context.Context, s Session, change string) error {
	rows, err := armed(ctx, s)
	switch {
	case err != nil || len(rows) == 0:
		return err
	case !isOf(rows, change):
		return heldByDeadMan(rows)
	}
	g := &scheduled{}
	for _, row := range rows {
		g.ids = append(g.ids, row.Get(".id"))
	}
	return g.disarm(ctx, s, nil)
}

func heldByDeadMan(rows []routeros.Attributes) error {
	when := ""
	for _, row := range rows {
		if next := row.Get("next-run"); next != "" {
			when = ", at " + next + " by its clock"
		}
	}
	comment := strings.ToValidUTF8(rows[0].Get("comment"), "\uFFFD")
	return &HeldError{
		fmt.Sprintf("a dead-man is armed on this router (%s): another run is at work, or was cut off and the router takes its changes back%s", comment, when),
		"wait until then, or take them back now with rosknock undo",
	}
}

// check leaves enough time to take back by hand what was done, before the router does so at the same moment.
func (g *scheduled) check() error {
	if left := time.Until(g.fires); left < g.margin() {
		return fmt.Errorf("the dead-man runs in %s, which is too soon to go on: give it more time with --undo-after", left.Round(time.Second))
	}
	return nil
}

func (g *scheduled) margin() time.Duration { return min(g.delay/4, 30*time.Second) }

func (*scheduled) unroll(context.Context, Session, int) (bool, error) { return false, nil }

// release removes the entries. One that is not there any more has run: then the changes are gone.
func (g *scheduled) release(ctx context.Context, s Session) error {
	_, err := s.Run(ctx, routeros.NewCommand(routeros.Scheduler.Verb("remove"), "numbers", strings.Join(g.ids, ",")))
	if trap, ok := errors.AsType[*api.TrapError](err); ok && trap.NoSuchItem() {
		return errors.Join(errors.New("the dead-man has run already"), g.disarm(ctx, s, nil))
	}
	return err
}

// disarm removes what there is of the entries that this run has added. cause is why, when it is a lost session nothing can be done.
func (g *scheduled) disarm(ctx context.Context, s Session, cause error) error {
	if lost(cause) {
		return nil
	}
	var problems []error
	for _, id := range g.ids {
		_, err := s.Run(ctx, routeros.NewCommand(routeros.Scheduler.Verb("remove"), "numbers", id))
		if trap, ok := errors.AsType[*api.TrapError](err); !ok || !trap.NoSuchItem() {
			problems = append(problems, err)
		}
	}
	g.ids = nil
	return errors.Join(problems...)
}

// pending finds the entries, also those of which this run could not learn whether they were added.
func (g *scheduled) pending(ctx context.Context, s Session) (bool, string, error) {
	rows, err := armed(ctx, s)
	if err != nil || len(rows) == 0 {
		return false, "", err
	}
	g.ids = nil
	for _, row := range rows {
		g.ids = append(g.ids, row.Get(".id"))
	}
	return true, "the dead-man is armed", nil
}

func (g *scheduled) hope() string {
	if len(g.ids) == 0 {
		return ""
	}
	return fmt.Sprintf("; the dead-man is still armed and takes it back in %s", time.Until(g.fires).Round(time.Second))
}

func (g *scheduled) horizon() time.Duration {
	return max(0, time.Until(g.fires)) + g.delay/4 + time.Minute
}
