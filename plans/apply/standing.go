package apply

import (
	"fmt"
	"slices"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// prints are the commands that show the state of the dead-man, in one batch: next-run means nothing
// without the clock at that moment.
func (*scheduled) prints() []routeros.Command {
	return []routeros.Command{armedEntries(), routeros.Print(routeros.Clock)}
}

// armedWhenRead is how a report of an armed dead-man begins.
const armedWhenRead = "the dead-man was armed when it was last read"

// tolerance is how much later than expected a dead-man may run: clocks drift, and are corrected by
// seconds.
const tolerance = time.Minute

// untimelyError says that the dead-man does not run when it should, or that its next run is
// unknown. soon: it runs before there is time for anything else.
type untimelyError struct {
	what, remedy string
	soon         bool
}

func (e *untimelyError) Error() string { return e.what + ": " + e.remedy }

// standing judges the answers to prints, which was sent at the moment now. It returns nil if both
// entries are armed and the first runs neither too soon nor too late. The error is a *GoneError
// when the dead-man has run or somebody has removed it. A time that is shorter than expected is
// believed: the router's clock went forward. A time that is longer by more than a minute is not
// what was armed: the clock went back, and the router's rollback would come late. An answer that
// can't be read never counts as good.
func (g *scheduled) standing(results []api.Result, now time.Time) error {
	rows, clock, err := answers(results)
	if err != nil {
		return err
	}
	if err := g.there(rows); err != nil {
		g.seen = "the dead-man was not armed any more when it was last read"
		return err
	}
	g.seen = "the dead-man was there when it was last read, but its next run is unknown"
	read := reading{next: rowNamed(rows, deadMan).Get("next-run"), clock: clock}
	left, err := read.left(g.fires.Sub(now))
	if err != nil {
		return err
	}
	if at := now.Add(left); at.Before(g.fires) {
		g.fires = at
	}
	g.seen = armedWhenRead + ", at " + clock.Get("time") + " by the router's clock"
	if left < g.margin() {
		return &untimelyError{fmt.Sprintf("the dead-man runs in %s, which is too soon to go on (%s)", rounded(left), read), "give it more time with --undo-after", true}
	}
	return nil
}

// answers are the rows of the dead-man's entries and the row of the clock.
func answers(results []api.Result) (rows []routeros.Attributes, clock routeros.Attributes, err error) {
	if len(results) != 2 {
		return nil, nil, fmt.Errorf("%d answers to the 2 commands that read the dead-man", len(results))
	}
	for _, result := range results {
		if result.Err != nil {
			return nil, nil, fmt.Errorf("the dead-man can't be read: %w", result.Err)
		}
	}
	if len(results[1].Rows) > 0 {
		clock = results[1].Rows[0]
	}
	return results[0].Rows, clock, nil
}

func rowNamed(rows []routeros.Attributes, name string) routeros.Attributes {
	if at := slices.IndexFunc(rows, func(row routeros.Attributes) bool { return row.Get("name") == name }); at >= 0 {
		return rows[at]
	}
	return nil
}

// there reports whether both entries exist as this run has added or adopted them, and have not run
// yet. An entry that has run without removing itself shows how often.
func (g *scheduled) there(rows []routeros.Attributes) error {
	gone := 0
	for _, name := range []string{deadMan, deadManAtStart} {
		row := rowNamed(rows, name)
		runs := row.Get("run-count")
		switch {
		case row == nil:
			gone++
		case len(g.ids) > 0 && !slices.Contains(g.ids, row.Get(".id")):
			return &GoneError{What: "the dead-man is gone from the router's scheduler, and another one is armed: somebody else is at work"}
		case row.Bool("disabled"):
			return &GoneError{What: "the dead-man's entry " + name + " is disabled: somebody has switched it off"}
		case runs != "" && runs != "0":
			return &GoneError{What: "the dead-man's entry " + name + " has run already, and is still there"}
		}
	}
	switch gone {
	case 0:
		return nil
	case 1:
		return &GoneError{What: "one of the dead-man's two entries is gone from the router's scheduler: somebody has removed it, or it is running"}
	}
	return &GoneError{What: "the dead-man is gone from the router's scheduler: it has run, or somebody has removed it"}
}

// reading is what the router shows about the time that is left.
type reading struct {
	next  string
	clock routeros.Attributes
}

func (r reading) String() string {
	next := "no next-run"
	if r.next != "" {
		next = fmt.Sprintf("next-run %.40q", r.next)
	}
	return fmt.Sprintf("%s, clock %.40q", next, r.clock.Get("date")+" "+r.clock.Get("time"))
}

// left is how long it is until the dead-man runs, by the router's clock; expected is how long it
// should be.
func (r reading) left(expected time.Duration) (time.Duration, error) {
	const setClock = "set the router's clock, and look at its scheduler"
	clock, ok := routeros.ReadClock(r.clock)
	if !ok {
		return 0, &untimelyError{fmt.Sprintf("the dead-man's next run is unknown: the router's clock can't be read (%s)", r), setClock, false}
	}
	if r.next == "" {
		return 0, &untimelyError{fmt.Sprintf("the router does not say that it will run the dead-man (%s)", r), "look at its scheduler and its log", false}
	}
	left, ok := timeLeft(r.next, clock, expected)
	switch {
	case !ok:
		return 0, &untimelyError{fmt.Sprintf("the dead-man's next run is unknown: its form can't be read (%s)", r), "report this form of next-run", false}
	case left < 0:
		return 0, &untimelyError{fmt.Sprintf("the dead-man should have run already (%s)", r), setClock, true}
	case left > max(0, expected)+tolerance:
		return 0, &untimelyError{fmt.Sprintf("the dead-man runs in %s, %s later than it should: the router's clock was set back (%s)", rounded(left), rounded(left-expected), r),
			"wait until the clock is right, or set it, and run this again", false}
	}
	return left, nil
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Second) }

// timeLeft is how long it is from the router's clock to next-run; negative when that has passed.
// Both are local times. If the UTC offset changes between them, their difference is not the time to
// wait. There may be routers that print the next run with its future offset, and routers that print
// it with the present one. So if a change of the offset is due before the dead-man, both are
// considered, and the earlier one that has not passed counts. (Without such a change, an extra hour
// means that the clock was set back.) A local time that the clock skips counts as reached when the
// clock jumps over it. Without a date, a time that has passed means tomorrow: a waiting entry has
// not run.
func timeLeft(nextRun string, clock time.Time, expected time.Duration) (time.Duration, bool) {
	wall := time.Date(clock.Year(), clock.Month(), clock.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC)
	next, ok := routeros.ParseMoment(nextRun, wall)
	if !ok {
		return 0, false
	}
	shown := next.Sub(wall)
	readings := []time.Duration{shown}
	if until, shift := zoneChange(clock); shift != 0 && until <= expected+tolerance {
		readings = append(readings, shown-shift)
		if shown >= until && shown < until+shift {
			readings = append(readings, until)
		}
	}
	if len(nextRun) == len("15:04:05") {
		readings = append(readings, shown+24*time.Hour)
	}
	slices.Sort(readings)
	for _, left := range readings {
		if left >= 0 {
			return left, true
		}
	}
	return shown, true
}

// zoneChange is how long it is until the next change of the clock's UTC offset, and by how much
// this puts the clock forward; zero if no change is known.
func zoneChange(clock time.Time) (until, shift time.Duration) {
	_, change := clock.ZoneBounds()
	if change.IsZero() {
		return 0, 0
	}
	_, now := clock.Zone()
	_, then := change.Zone()
	return change.Sub(clock), time.Duration(then-now) * time.Second
}
