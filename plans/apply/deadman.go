package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// The names of the two scheduler entries. They are the same in every run: a name can exist only
// once, so if two runs arm at the same moment, one of them fails.
const (
	deadMan        = "rosknock-dead-man"
	deadManAtStart = "rosknock-dead-man-at-start"
)

// maxScript is how long a script may be, in bytes. The limit of a scheduler entry is unknown;
// script sources of this size were seen (routeros-facts § 6.3).
const maxScript = 60_000

// scheduled is a dead-man: an entry in the router's scheduler that rolls the changes back if it is
// not removed in time, and a second one that does so when the router reboots meanwhile, since an
// interval alone would then begin again (routeros-facts § 6.2).
type scheduled struct {
	delay       time.Duration
	plan, owner string
	change      string
	script      string
	clock       time.Time
	version     routeros.Version
	adopted     bool // another run has armed it

	ids   []string
	says  string    // the comment of both
	fires time.Time // by this machine's clock
	seen  string    // its last known state, as text
}

func (*scheduled) name() Protection { return DeadMan }

func (g *scheduled) intent() string {
	return fmt.Sprintf("arming the dead-man: the router rolls the changes back in %s unless they are confirmed", routeros.FormatDuration(g.delay))
}

func (g *scheduled) take(ctx context.Context, s Session) (routeros.Snapshot, error) {
	if err := g.armed(ctx, s); err != nil {
		return routeros.Snapshot{}, err
	}
	return s.Snapshot(ctx)
}

func (g *scheduled) armed(ctx context.Context, s Session) error {
	if err := g.tooLong(); err != nil {
		return err
	}
	err := g.arm(ctx, s)
	if not, ok := errors.AsType[*notArmedError](err); ok && !lost(err) && not.left == nil && !g.clock.IsZero() {
		// A router that runs an entry at once, or requires a start time, gets a date and a time.
		err = g.arm(ctx, s, "start-date", g.date(), "start-time", g.clock.Add(g.delay).Format("15:04:05"))
	}
	if not, ok := errors.AsType[*notArmedError](err); ok && !lost(err) {
		return unlessLeft(g.unarmed(ctx, s, not), not.left)
	}
	return err
}

// unlessLeft changes the remedy of a refusal if an entry of the dead-man is left on the router: it
// would run in the middle of the next attempt.
func unlessLeft(err, left error) error {
	if refused, ok := errors.AsType[*ProtectionError](err); ok && left != nil {
		err = &ProtectionError{refused.What, "first remove its remaining entries"}
	}
	return errors.Join(err, left)
}

// unarmed says why a router that has accepted the entries does not run them in time.
func (g *scheduled) unarmed(ctx context.Context, s Session, not *notArmedError) error {
	if what, remedy := modeOff(ctx, s); what != "" {
		return &ProtectionError{"the dead-man can't be armed: " + what, remedy}
	}
	if late, ok := errors.AsType[*untimelyError](not.why); ok {
		return &ProtectionError{"the dead-man can't be armed: " + late.what, late.remedy + "; or " + unprotectedRemedy}
	}
	return &ProtectionError{"the dead-man can't be armed: " + not.why.Error(), "look at the router's scheduler and its log; or " + unprotectedRemedy}
}

// date is when it has to run, in the router's own form and time zone: ISO from 7.10 on
// (routeros-facts § 8).
func (g *scheduled) date() string {
	at := g.clock.Add(g.delay)
	if g.version.AtLeast(7, 10) {
		return at.Format("2006-01-02")
	}
	return strings.ToLower(at.Format("Jan/02/2006"))
}

// adopt continues under a dead-man that exists already, if its next run is known.
func (g *scheduled) adopt(ctx context.Context, s Session, rows []routeros.Attributes) error {
	for _, row := range rows {
		g.ids = append(g.ids, row.Get(".id"))
	}
	if every, err := routeros.ParseDuration(rowNamed(rows, deadMan).Get("interval")); err == nil && every > 0 {
		g.delay = every // chosen when it was armed
	}
	now := time.Now()
	g.fires = now.Add(g.delay)
	results, err := s.Batch(ctx, g.prints())
	if err != nil {
		return err
	}
	err = g.standing(results, now)
	if err == nil || lost(err) {
		return err
	}
	what := "a dead-man is armed on this router, and its change can't be undone under it: " + err.Error()
	if late, ok := errors.AsType[*untimelyError](err); ok {
		what = "a dead-man is armed on this router, and its change can't be undone under it: " + late.what
		if late.soon {
			return &HeldError{what, "wait until it has run, and look at the router with diff then"}
		}
	}
	return &HeldError{what, "when nobody is at work on the router any more, remove what is left of it there with " + removeEntries + ", and run undo again"}
}

// removeEntries is the command for the router's console.
const removeEntries = `/system/scheduler/remove [find where name~"^` + deadMan + `"]`

// Unprotected is the name of the risk of a run without protection.
const Unprotected = "unprotected"

const unprotectedRemedy = "accept the risk with --protect=none --accept-risk=" + Unprotected + ", if you can reach the router in another way"

// notArmedError says that the router accepted the entries but does not run them in time.
type notArmedError struct {
	why  error
	left error // why the entries could not be removed again
}

func (e *notArmedError) Error() string { return e.why.Error() }

func (e *notArmedError) Unwrap() error { return e.why }

// arm adds both entries, and checks that the router is going to run the first.
func (g *scheduled) arm(ctx context.Context, s Session, start ...string) error {
	g.fires, g.says, g.seen = time.Now().Add(g.delay), g.comment(), ""
	first := append([]string{"name", deadMan, "interval", routeros.FormatDuration(g.delay), "policy", "read,write", "comment", g.says, "on-event", g.script}, start...)
	twin := []string{"name", deadManAtStart, "interval", "0s", "start-time", "startup", "policy", "read,write", "comment", g.says, "on-event", g.script}
	for _, pairs := range [][]string{first, twin} {
		reply, err := s.Run(ctx, routeros.NewCommand(routeros.Scheduler.Verb("add"), pairs...))
		if err != nil {
			left := g.withdraw(ctx, s, err)
			return unlessLeft(g.refused(ctx, s, err), left)
		}
		if reply.Ret != "" {
			g.ids = append(g.ids, reply.Ret)
		}
	}
	results, now, err := g.await(ctx, s, func(rows []routeros.Attributes) bool {
		return len(rows) == 2 && rowNamed(rows, deadMan).Get("next-run") != ""
	})
	if err != nil {
		return &notArmedError{err, g.disarm(ctx, s, err)}
	}
	// Both names can exist only once, so the entries that the router shows are those of this run.
	g.know(results[0].Rows)
	if err := g.standing(results, now); err != nil {
		return &notArmedError{err, g.disarm(ctx, s, nil)}
	}
	return nil
}

// comment says who is at work, for people who find the entry, and for an undo that looks for it.
func (g *scheduled) comment() string {
	text := "what is not confirmed is rolled back"
	if g.change != "" {
		text = "change " + g.change + ": " + text
	}
	if g.owner != "" {
		text = fmt.Sprintf("%s is at work since %s, %s", g.owner, time.Now().UTC().Format("2006-01-02 15:04:05 UTC"), text)
	}
	return routeros.Mark{Plan: g.plan, Slot: "dead-man"}.Comment(text)
}

// patience is how long a router may take to show added rows: whether it shows them at once is
// unknown, and other clients wait some seconds (routeros-facts § 15).
const patience = 5 * time.Second

// await reads the entries and the clock until the entries are shown as expected, or patience runs
// out. now is when the last batch was sent.
func (g *scheduled) await(ctx context.Context, s Session, shown func([]routeros.Attributes) bool) (results []api.Result, now time.Time, err error) {
	const pause = time.Second
	for waited := time.Duration(0); ; waited += pause {
		now = time.Now()
		if results, err = s.Batch(ctx, g.prints()); err != nil {
			return nil, now, err
		}
		rows, clock, err := answers(results)
		if err != nil {
			return nil, now, err
		}
		if at, ok := routeros.ReadClock(clock); ok {
			g.clock = at
		}
		if shown(rows) || waited >= patience || !sleep(ctx, pause) {
			return results, now, nil
		}
	}
}

// know adds the ids of rows to those that the router returned: if one were forgotten, its entry
// would stay armed.
func (g *scheduled) know(rows []routeros.Attributes) {
	for _, row := range rows {
		if id := row.Get(".id"); id != "" && !slices.Contains(g.ids, id) {
			g.ids = append(g.ids, id)
		}
	}
}

// withdraw removes the first entry when the second was refused. A row that is not shown yet could
// not be removed either.
func (g *scheduled) withdraw(ctx context.Context, s Session, cause error) error {
	if lost(cause) || len(g.ids) == 0 {
		return nil
	}
	_, _, err := g.await(ctx, s, func(rows []routeros.Attributes) bool { return slices.ContainsFunc(rows, g.mine) })
	if err != nil && lost(err) {
		return fmt.Errorf("the dead-man's first entry could not be removed again: %w", err)
	}
	return g.disarm(ctx, s, nil)
}

// mine reports whether this run has added or adopted a row.
func (g *scheduled) mine(row routeros.Attributes) bool {
	return slices.Contains(g.ids, row.Get(".id")) || g.says != "" && row.Get("comment") == g.says
}

// refused says why an entry could not be added.
func (g *scheduled) refused(ctx context.Context, s Session, err error) error {
	trap, ok := errors.AsType[*api.TrapError](err)
	_, mayNot := errors.AsType[*api.PermissionError](err)
	switch {
	case !ok:
		return err
	case mayNot:
		return denied(g, trap.Message)
	case strings.Contains(trap.Message, "device-mode"):
		what, remedy := modeOff(ctx, s)
		return &ProtectionError{"the dead-man can't be armed: " + cmp.Or(what, trap.Message), cmp.Or(remedy, deviceModeRemedy)}
	}
	// The router's message for a name that is taken is unknown, so the entries are read, whatever
	// the message is.
	others, err := g.others(ctx, s, strings.Contains(trap.Message, "already") || strings.Contains(trap.Message, "exist"))
	switch {
	case err != nil:
		return err
	case len(others) > 0:
		return heldByDeadMan(others)
	}
	return &ProtectionError{"the dead-man can't be armed; the router says: " + trap.Message, "look at its scheduler and its log; or " + unprotectedRemedy}
}

// others are the entries of another dead-man. If the router's message suggests that there is one,
// it may be shown a moment later.
func (g *scheduled) others(ctx context.Context, s Session, sure bool) ([]routeros.Attributes, error) {
	results, _, err := g.await(ctx, s, func(rows []routeros.Attributes) bool {
		return !sure || slices.ContainsFunc(rows, g.foreign)
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(results[0].Rows), g.mine), nil
}

func (g *scheduled) foreign(row routeros.Attributes) bool { return !g.mine(row) }

// modeOff reads which setting of the router's device-mode keeps the scheduler from running.
func modeOff(ctx context.Context, s Session) (what, remedy string) {
	reply, err := s.Run(ctx, routeros.Print(routeros.DeviceMode))
	if err != nil || len(reply.Rows) == 0 {
		return "", ""
	}
	return deviceMode(reply.Rows[0])
}

func armed(ctx context.Context, s Session) ([]routeros.Attributes, error) {
	reply, err := s.Run(ctx, armedEntries())
	return reply.Rows, err
}

// armedEntries reads the dead-man's entries on the router, of this run or of another one, and
// nothing else: other entries can be long.
func armedEntries() routeros.Command {
	return routeros.Print(routeros.Scheduler).Where("name="+deadMan, "name="+deadManAtStart, "#|")
}

// Disarm removes the dead-man that a run has left on the router, if it belongs to this change.
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

// isOf reports whether a dead-man's entries were armed for a change.
func isOf(rows []routeros.Attributes, change string) bool {
	return change != "" && !slices.ContainsFunc(rows, func(row routeros.Attributes) bool {
		return !strings.Contains(row.Get("comment"), "change "+change+": ")
	})
}

func heldByDeadMan(rows []routeros.Attributes) error {
	when, wait := ", but shows no time for it", "look at the router's scheduler"
	for _, row := range rows {
		if next := row.Get("next-run"); next != "" {
			when, wait = fmt.Sprintf(", at %.40s by its clock", next), "wait until then"
		}
	}
	comment := strings.ToValidUTF8(rows[0].Get("comment"), "\uFFFD")
	return &HeldError{
		fmt.Sprintf("a dead-man is armed on this router (%s): another run is at work, or was cut off and the router rolls its changes back%s", comment, when),
		wait + ", or roll them back now with rosknock undo",
	}
}

// check makes sure that enough time is left for a rollback over the session before the router
// starts its own. It uses this machine's clock; the router's is read with [scheduled.standing].
func (g *scheduled) check() error {
	if left := time.Until(g.fires); left < g.margin() {
		return &untimelyError{fmt.Sprintf("the dead-man runs in %s, which is too soon to go on", rounded(left)), "give it more time with --undo-after", true}
	}
	return nil
}

func (g *scheduled) margin() time.Duration { return min(g.delay/4, 30*time.Second) }

func (*scheduled) unroll(context.Context, Session, int) (bool, error) { return false, nil }

// holds: the entries are removed by their ids, so nobody else's can be meant.
func (*scheduled) holds(context.Context, Session) error { return nil }

// ending removes the entries.
func (g *scheduled) ending() []routeros.Command {
	if len(g.ids) == 0 { // pending has found none
		return nil
	}
	return []routeros.Command{routeros.NewCommand(routeros.Scheduler.Verb("remove"), "numbers", strings.Join(g.ids, ","))}
}

// ended: an entry that is not there any more has run, or somebody has removed it.
func (g *scheduled) ended(ctx context.Context, s Session, results []api.Result) error {
	if len(g.ids) == 0 {
		return nil
	}
	err := results[0].Err
	if trap, ok := errors.AsType[*api.TrapError](err); ok && trap.NoSuchItem() {
		return errors.Join(&GoneError{What: "the dead-man is gone from the router's scheduler: it has run, or somebody has removed it"}, g.disarm(ctx, s, nil))
	}
	return err
}

// disarm removes the entries that this run has added, as far as they exist. cause is the reason; if
// it is a lost session, nothing can be done.
func (g *scheduled) disarm(ctx context.Context, s Session, cause error) error {
	if lost(cause) {
		return nil
	}
	var problems []error
	g.ids = slices.DeleteFunc(g.ids, func(id string) bool {
		_, err := s.Run(ctx, routeros.NewCommand(routeros.Scheduler.Verb("remove"), "numbers", id))
		if trap, ok := errors.AsType[*api.TrapError](err); ok && trap.NoSuchItem() {
			return true
		}
		problems = append(problems, err)
		return err == nil
	})
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("the entries %s and %s could not be removed from the router's scheduler (%w): remove them there with %s", deadMan, deadManAtStart, err, removeEntries)
	}
	g.seen = ""
	return nil
}

// pending finds the entries, even if this run could not learn whether they were added. It does not
// mistake another run's for them.
func (g *scheduled) pending(ctx context.Context, s Session) (bool, string, error) {
	now := time.Now()
	results, err := s.Batch(ctx, g.prints())
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		return false, "", err
	}
	results[0].Rows = slices.DeleteFunc(results[0].Rows, g.foreign)
	g.ids = nil
	if len(results[0].Rows) == 0 {
		return false, "", nil
	}
	g.know(results[0].Rows)
	_ = g.standing(results, now) // only to update its last known state: it exists, whatever its state
	return true, "the dead-man is armed", nil
}

// hope says what is last known of the dead-man, and since when.
func (g *scheduled) hope() string {
	switch left := time.Until(g.fires); {
	case len(g.ids) == 0:
		return ""
	case g.seen == "":
		return "; whether the dead-man is armed could not be read"
	case !strings.HasPrefix(g.seen, armedWhenRead):
		return "; " + g.seen
	case left <= 0:
		return "; " + g.seen + ", and should have run since"
	default:
		return fmt.Sprintf("; %s: it rolls the router back in %s", g.seen, rounded(left))
	}
}

func (g *scheduled) horizon() time.Duration {
	return max(0, time.Until(g.fires)) + g.delay/4 + time.Minute
}
