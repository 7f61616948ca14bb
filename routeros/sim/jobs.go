package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// scheduler runs the scripts of scheduler entries.
type scheduler struct {
	router    *Router
	running   bool
	suspended []suspended
}

// suspended is the rest of a script after a :delay.
type suspended struct {
	at         time.Time
	script     *execution
	statements []script.Statement
}

// prepare fills in what a scheduler entry defaults to and when it runs, where the device-mode
// lets it (routeros-facts § 6.2).
func (j *scheduler) prepare(w *row, s *session, now time.Time) *trap {
	options := &j.router.options
	if options.DeviceMode == "home" || options.Flagged {
		return failure("not allowed by device-mode")
	}
	defaults := routeros.MakeAttributes("interval", "0s", "on-event", "", "start-date", j.router.clock.date(w.created), "start-time", w.created.In(options.Zone).Format("15:04:05"),
		"policy", grantable(s.policy), "owner", s.user, "disabled", "false")
	w.attrs = defaults.Merge(w.attrs)
	for name := range strings.SplitSeq(w.get("policy"), ",") {
		if !hasPolicy(s.policy, name) {
			return denied()
		}
	}
	w.hidden, w.shows = options.Knobs.JobsShowLate, now.Add(5*time.Second)
	_, given := j.startOf(w)
	j.schedule(w, now)
	if !given && options.Knobs.JobsRunAtOnce && !w.next.IsZero() {
		w.next = w.created
		j.router.ends(now)
	}
	return nil
}

// schedule works out when a scheduler entry that was added or changed runs next.
func (j *scheduler) schedule(w *row, at time.Time) {
	now := j.router.clock.wall(at)
	if pending := w.get("start-time") == "startup" && w.next.After(now); pending {
		return
	}
	w.next = j.nextRun(w, now)
	j.router.ends(j.router.clock.when(w.next))
}

// nextRun is the first moment after another, by the clock on the wall, at which an entry runs
// (routeros-facts § 6.2): at its start, which defaults to the moment of add, and then every
// interval. With an interval and no start of its own, the first run is one interval later. An entry
// of start-time=startup with an interval counts from the router's start; one without runs at a
// start only.
func (j *scheduler) nextRun(w *row, after time.Time) time.Time {
	if j.idle(w) {
		return time.Time{}
	}
	every, _ := routeros.ParseDuration(w.get("interval"))
	start, _ := j.startOf(w)
	switch {
	case w.get("start-time") == "startup" && every == 0:
		return time.Time{}
	case w.get("start-time") == "startup":
		start = j.router.clock.wall(j.router.booted)
	case start.After(after):
		return start
	case every == 0:
		return time.Time{}
	}
	return start.Add((after.Sub(start)/every + 1) * every)
}

// idle reports whether an entry never runs.
func (j *scheduler) idle(w *row) bool {
	return w.attrs.Bool("disabled") || j.router.options.Knobs.JobsNeverRun
}

// firstRun is when an entry runs after a start of the router: one of start-time=startup without an
// interval three seconds later (routeros-facts § 6.2).
func (j *scheduler) firstRun(w *row) time.Time {
	if next := j.nextRun(w, j.router.clock.wall(j.router.booted)); !next.IsZero() || j.idle(w) || w.get("start-time") != "startup" {
		return next
	}
	return j.router.clock.wall(j.router.booted).Add(3 * time.Second)
}

// startOf reads when an entry starts; given says whether it was set explicitly.
func (j *scheduler) startOf(w *row) (start time.Time, given bool) {
	at, err := time.ParseInLocation(j.router.options.dateForm()+" 15:04:05", w.get("start-date")+" "+w.get("start-time"), j.router.options.Zone)
	if err != nil {
		return w.created, false
	}
	return at, !at.Equal(w.created.UTC().Truncate(time.Second))
}

// runJobs runs all scheduler entries that are due by now, in order of time.
func (j *scheduler) run(now time.Time) {
	if j.running {
		return
	}
	j.running = true
	defer func() { j.running = false }()
	for {
		at, w := j.firstSuspended(now), j.firstDue(j.router.clock.wall(now))
		switch {
		case at >= 0 && (w == nil || !j.suspended[at].at.After(j.router.clock.when(w.next))):
			rest := j.suspended[at]
			j.suspended = slices.Delete(j.suspended, at, at+1)
			rest.script.now = rest.at
			rest.script.run(rest.statements)
		case w != nil:
			j.runJob(w)
		default:
			return
		}
	}
}

func (j *scheduler) firstSuspended(now time.Time) int {
	first := -1
	for i, s := range j.suspended {
		if !s.at.After(now) && (first < 0 || s.at.Before(j.suspended[first].at)) {
			first = i
		}
	}
	return first
}

func (j *scheduler) firstDue(now time.Time) *row {
	var first *row
	for _, w := range j.router.tables.of(routeros.Scheduler).rows {
		if !w.next.IsZero() && !w.next.After(now) && (first == nil || w.next.Before(first.next)) {
			first = w
		}
	}
	return first
}

func (j *scheduler) runJob(w *row) {
	t, at := j.router.tables.of(routeros.Scheduler), w.next
	if at.Before(j.router.clock.jumped) {
		at = j.router.clock.jumped // the clock never showed the moments in between
	}
	ran := *w
	ran.runs++
	ran.next = j.nextRun(w, at)
	j.router.ends(j.router.clock.when(ran.next))
	t.replace(t.find(w.id), &ran)
	source := w.get("on-event")
	if named := j.router.tables.named(routeros.Script, source); named != nil {
		source = named.get("source")
		j.started(named)
	}
	statements, err := script.Parse(source)
	if err != nil {
		j.router.log("script,error", "executing script "+w.get("name")+" failed: "+err.Error())
		return
	}
	// A scheduler's script has the policies of its entry, not of the user who added it
	// (routeros-facts § 6.2).
	owner := &session{router: j.router, user: w.get("owner"), policy: w.get("policy"), service: "scheduler"}
	job := &execution{router: j.router, session: owner, name: w.get("name"), counts: map[string]int{}, now: j.router.clock.when(at)}
	job.run(statements)
}

// started counts a run of a script, if it is still there.
func (j *scheduler) started(w *row) {
	t := j.router.tables.of(routeros.Script)
	if i := slices.Index(t.rows, w); i >= 0 {
		again := *w
		again.runs, again.next = w.runs+1, j.router.clock.wall(j.router.clock.now())
		t.replace(i, &again)
	}
}
