package api_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// The part of the conformance suite that records what a router does where nobody knew: an answer
// that is none of those thought of is an error.

const testJob = "rosknock-test"

// row0 is the only row of a menu; without rows it is empty.
func (c suite) row0(path string) routeros.Attributes {
	c.Helper()
	rows := c.run(path).Rows
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

// history: an action is in the router's history with its author.
func (c suite) history() {
	before := len(c.run("/system/history/print").Rows)
	c.add("for the history")
	rows := c.run("/system/history/print").Rows
	if len(rows) <= before && before < 100 {
		c.Errorf("the history had %d rows and has %d", before, len(rows))
	}
	at := slices.IndexFunc(rows, func(row routeros.Attributes) bool { return strings.Contains(row.Get("action"), "filter rule added") })
	switch {
	case at < 0 || rows[at].Get("by") == "" || rows[at].Get(".id") == "":
		c.Errorf("no filter rule was added, says the history: %v", rows)
	case at == 0:
		c.recorded("the history", fmt.Sprintf("newest first: %v", rows[at]))
	case strings.Contains(rows[len(rows)-1].Get("action"), "filter rule added"):
		c.recorded("the history", fmt.Sprintf("newest last: %v", rows[len(rows)-1]))
	default:
		c.Errorf("the newest action is neither first nor last: %v", rows)
	}
	c.recorded("the oldest action", fmt.Sprint(rows[len(rows)-1]))
}

// floating counts the actions of the history that a safe mode would undo, and all.
func (c suite) floating() (floats, all int) {
	c.Helper()
	rows := c.run("/system/history/print").Rows
	for _, row := range rows {
		if row.Bool("floating-undo") {
			floats++
		}
	}
	return floats, len(rows)
}

// hijack: what others see of a safe mode, what they may do to it, and what its holder sees then.
func (c suite) hijack() {
	other := c.other()
	c.run("/safe-mode/take", "on-error", "abort")
	_, before := c.floating()
	c.add("hijacked")
	floats, _ := c.floating()
	c.recorded("actions of the history that float after one change", fmt.Sprint(floats))
	ours, theirs := c.row0("/safe-mode/print"), other.row0("/safe-mode/print")
	c.recorded("safe mode to its holder", fmt.Sprint(ours))
	c.recorded("safe mode to others of the same user", fmt.Sprint(theirs))
	if !ours.Bool("enabled") || !theirs.Bool("enabled") {
		c.Error("safe mode is taken and does not say so")
	}
	c.recorded("a take that finds it taken", other.refused("/safe-mode/take", "on-error", "abort").Message)

	other.run("/safe-mode/take", "on-error", "unroll")
	if is := c.order(); strings.Contains(is, "hijacked") {
		c.Errorf("taken over with unroll, %q is there", is)
	}
	_, after := c.floating()
	c.recorded("the history after an unroll", fmt.Sprintf("%d rows, %d before the change", after, before))
	seen := c.row0("/safe-mode/print")
	if !seen.Bool("enabled") {
		c.Errorf("taken over, safe mode reads %v", seen)
	}
	c.recorded("a hijack under the same user", map[bool]string{true: "can't be told from the row", false: "shows in the row"}[seen.Equal(ours)])
	c.run("/safe-mode/release") // of another's
	c.recorded("a release of another's safe mode", map[bool]string{true: "is passed over", false: "ends it"}[other.row0("/safe-mode/print").Bool("enabled")])
	_, _ = c.s.Run(c.Context(), routeros.NewCommand("/safe-mode/take", "on-error", "release"))
	c.add("released by another")
	other.run("/safe-mode/take", "on-error", "release")
	other.run("/safe-mode/unroll")
	if is := c.order(); !strings.Contains(is, "released by another") {
		c.Errorf("taken over with release, there is %q", is)
	}
	if row := c.row0("/safe-mode/print"); row.Bool("enabled") {
		c.Errorf("unrolled, safe mode reads %v", row)
	}
}

// idsAfterUnroll: who gets the id of a row that an unroll took away, and what is answered to those
// who still use it.
func (c suite) idsAfterUnroll() {
	stays := c.add("removed under safe mode")
	c.run("/safe-mode/take", "on-error", "abort")
	c.run("/ip/firewall/filter/remove", ".id", stays)
	gone := c.add("unrolled")
	c.run("/safe-mode/unroll")
	back := ""
	for _, row := range c.run("/ip/firewall/filter/print").Rows {
		if row.Get("comment") == "removed under safe mode" {
			back = row.Get(".id")
		}
	}
	switch back {
	case stays:
		c.recorded("a row that an unroll brings back", "keeps its id")
	case "":
		c.Error("unroll did not bring back a row")
	case gone:
		c.recorded("a row that an unroll brings back", "gets the id of one that the unroll took away")
	default:
		c.recorded("a row that an unroll brings back", "gets a new id")
	}
	if back != gone {
		c.recorded("an add before an id that an unroll took away",
			c.refused("/ip/firewall/filter/add", "chain", testChain, "action", "accept", "comment", "astray", "place-before", gone).Message)
		if trap := c.refused("/ip/firewall/filter/set", ".id", gone, "comment", "astray"); !trap.NoSuchItem() {
			c.Errorf("a set of an id that is gone: %v", trap)
		}
	}
	next := c.add("after the unroll")
	c.recorded("the next id after an unroll", map[bool]string{true: "one that the unroll freed", false: "a new one"}[next == gone || back == gone])
	if strings.Contains(c.order(), "astray") {
		c.Error("a command with an id that is gone did something")
	}
}

// lostSession: how long it takes until the safe mode of a session that was closed is undone.
func (c suite) lostSession() {
	other := c.other()
	other.run("/safe-mode/take", "on-error", "abort")
	other.add("lost")
	if err := other.s.Close(); err != nil {
		c.Error(err)
	}
	for second := range 60 {
		if !strings.Contains(c.order(), "lost") && !c.row0("/safe-mode/print").Bool("enabled") {
			c.recorded("a closed session's safe mode", fmt.Sprintf("undone within %d s", second+1))
			return
		}
		time.Sleep(time.Second)
	}
	c.Error("a minute after its session was closed, safe mode is still held")
}

// job waits for the suite's scheduler entry to show, and counts the prints in which it did not.
func (c suite) job() (row routeros.Attributes, late int) {
	c.Helper()
	for late < 20 {
		reply, err := c.s.Run(c.Context(), routeros.Print(routeros.Scheduler).Where("name="+testJob))
		if err != nil {
			c.Fatal(err)
		}
		if len(reply.Rows) == 1 {
			return reply.Rows[0], late
		}
		late++
		time.Sleep(100 * time.Millisecond)
	}
	c.Fatal("a scheduler entry that was added is not to be seen")
	return nil, late
}

// nextRun: whether an entry shows in the very next sentence, and in what form it says when it runs.
func (c suite) nextRun() {
	for _, every := range []time.Duration{time.Hour, 25 * time.Hour, 400 * 24 * time.Hour} {
		id := c.run("/system/scheduler/add", "name", testJob, "interval", routeros.FormatDuration(every), "on-event", ":log info \"rosknock-test\"").Ret
		row, late := c.job()
		c.recorded("a new scheduler entry", map[bool]string{true: "shows in the next sentence", false: fmt.Sprintf("shows %d prints later", late)}[late == 0])
		clock := c.row0("/system/clock/print")
		now, form := readMoment(clock.Get("date")+" "+clock.Get("time"), time.Time{})
		if form == "" {
			c.Fatalf("the clock reads %v", clock)
		}
		next, form := readMoment(row.Get("next-run"), now)
		ahead := next.Sub(now)
		switch {
		case form == "":
			c.Errorf("next-run is %q, a form that nobody knew; the clock reads %v", row.Get("next-run"), clock)
		case ahead > -5*time.Second && ahead <= 0:
			c.recorded("the first run", "at once")
		case ahead < every-10*time.Second || ahead > every+time.Second:
			c.Errorf("an entry that was just added runs in %s, next-run is %q, the clock reads %v", ahead, row.Get("next-run"), clock)
		}
		c.recorded(fmt.Sprintf("next-run in %s", routeros.FormatDuration(every)), fmt.Sprintf("%q, form %s", row.Get("next-run"), form))
		c.run("/system/scheduler/remove", ".id", id)
	}
}

// readMoment reads a date and a time in every form that is known; what is left out is as it is now.
func readMoment(text string, now time.Time) (at time.Time, form string) {
	for _, form := range []string{"2006-01-02 15:04:05", "Jan/02/2006 15:04:05"} {
		if at, err := time.Parse(form, text); err == nil {
			return at, form
		}
	}
	for _, form := range []string{"01-02 15:04:05", "Jan/02 15:04:05"} {
		if at, err := time.Parse(form, text); err == nil {
			return time.Date(now.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC), form
		}
	}
	if at, err := time.Parse("15:04:05", text); err == nil {
		return time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC), "15:04:05"
	}
	return time.Time{}, ""
}

// firstRun: an entry with an interval and no start runs one interval after it was added, or at once
// as well.
func (c suite) firstRun() {
	event := "/ip firewall filter add chain=" + testChain + " action=passthrough comment=ran"
	id := c.run("/system/scheduler/add", "name", testJob, "interval", "4s", "policy", "read,write", "on-event", event).Ret
	time.Sleep(time.Second)
	atOnce := strings.Contains(c.order(), "ran")
	c.recorded("the first run of an entry with an interval", map[bool]string{true: "at once", false: "one interval later"}[atOnce])
	if row, _ := c.job(); atOnce == (row.Get("run-count") == "0") {
		c.Errorf("run-count is %q", row.Get("run-count"))
	}
	time.Sleep(5 * time.Second)
	if !strings.Contains(c.order(), "ran") {
		c.Error("an entry with an interval of four seconds has not run in six")
	}
	c.run("/system/scheduler/remove", ".id", id)
}
