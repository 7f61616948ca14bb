package sim

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// suspended is the rest of a scheduler's script after a :delay.
type suspended struct {
	at      time.Time
	session *session
	name    string
	rest    []script.Statement
	counts  counts
}

// counts are a script's variables.
type counts map[string]int

// schedule works out when a scheduler entry that was added or changed runs next.
func (q *request) schedule(w *row) {
	now := q.clock.wall(q.now)
	if pending := w.get("start-time") == "startup" && w.next.After(now); pending {
		return
	}
	w.next = q.nextRun(w, now)
	q.ends(q.clock.when(w.next))
}

// nextRun is the first moment after another, by the clock on the wall, at which an entry runs
// (routeros-facts § 6.2): at its start, which defaults to the moment of add, and then every
// interval. With an interval and no start of its own, the first run is one interval later. An entry
// of start-time=startup with an interval counts from the router's start; one without runs at a
// start only.
func (r *Router) nextRun(w *row, after time.Time) time.Time {
	if r.idle(w) {
		return time.Time{}
	}
	every, _ := routeros.ParseDuration(w.get("interval"))
	start, _ := r.startOf(w)
	switch {
	case w.get("start-time") == "startup" && every == 0:
		return time.Time{}
	case w.get("start-time") == "startup":
		start = r.clock.wall(r.booted)
	case start.After(after):
		return start
	case every == 0:
		return time.Time{}
	}
	return start.Add((after.Sub(start)/every + 1) * every)
}

// idle reports whether an entry never runs.
func (r *Router) idle(w *row) bool { return w.attrs.Bool("disabled") || r.options.Knobs.JobsNeverRun }

// firstRun is when an entry runs after a start of the router: one of start-time=startup without an
// interval three seconds later (routeros-facts § 6.2).
func (r *Router) firstRun(w *row) time.Time {
	if next := r.nextRun(w, r.clock.wall(r.booted)); !next.IsZero() || r.idle(w) || w.get("start-time") != "startup" {
		return next
	}
	return r.clock.wall(r.booted).Add(3 * time.Second)
}

// startOf reads when an entry starts; given says whether it was set explicitly.
func (r *Router) startOf(w *row) (start time.Time, given bool) {
	at, err := time.ParseInLocation(r.options.dateForm()+" 15:04:05", w.get("start-date")+" "+w.get("start-time"), r.options.Zone)
	if err != nil {
		return w.created, false
	}
	return at, !at.Equal(w.created.UTC().Truncate(time.Second))
}

// runJobs runs all scheduler entries that are due by now, in order of time.
func (r *Router) runJobs(now time.Time) {
	if r.running {
		return
	}
	r.running = true
	defer func() { r.running = false }()
	for {
		at, w := r.firstSuspended(now), r.firstDue(r.clock.wall(now))
		switch {
		case at >= 0 && (w == nil || !r.suspended[at].at.After(r.clock.when(w.next))):
			job := r.suspended[at]
			r.suspended = slices.Delete(r.suspended, at, at+1)
			r.runScript(job.session, job.name, job.rest, job.counts, job.at)
		case w != nil:
			r.runJob(w)
		default:
			return
		}
	}
}

func (r *Router) firstSuspended(now time.Time) int {
	first := -1
	for i, s := range r.suspended {
		if !s.at.After(now) && (first < 0 || s.at.Before(r.suspended[first].at)) {
			first = i
		}
	}
	return first
}

func (r *Router) firstDue(now time.Time) *row {
	var first *row
	for _, w := range r.tables.of(routeros.Scheduler).rows {
		if !w.next.IsZero() && !w.next.After(now) && (first == nil || w.next.Before(first.next)) {
			first = w
		}
	}
	return first
}

func (r *Router) runJob(w *row) {
	t, at := r.tables.of(routeros.Scheduler), w.next
	if at.Before(r.clock.jumped) {
		at = r.clock.jumped // the clock never showed the moments in between
	}
	ran := *w
	ran.runs++
	ran.next = r.nextRun(w, at)
	r.ends(r.clock.when(ran.next))
	t.replace(t.find(w.id), &ran)
	source := w.get("on-event")
	if named := r.tables.named(routeros.Script, source); named != nil {
		source = named.get("source")
		r.started(named)
	}
	statements, err := script.Parse(source)
	if err != nil {
		r.log("script,error", "executing script "+w.get("name")+" failed: "+err.Error())
		return
	}
	// A scheduler's script has the policies of its entry, not of the user who added it
	// (routeros-facts § 6.2).
	owner := &session{router: r, user: w.get("owner"), policy: w.get("policy"), service: "scheduler"}
	r.runScript(owner, w.get("name"), statements, counts{}, r.clock.when(at))
}

// runNow is /system/script/run: with the policies of the calling user, who gets its output
// (routeros-facts § 6.3).
func (q *request) runNow() *trap {
	at, problem := q.targets(q.selector())
	if problem != nil {
		return problem
	}
	var scripts []*row
	for _, i := range at {
		scripts = append(scripts, q.tables.of(q.menu).rows[i])
	}
	q.session.put = nil
	for _, w := range scripts {
		q.started(w)
		statements, err := script.Parse(w.get("source"))
		if err != nil {
			return &trap{message: err.Error(), category: "3"}
		}
		if problem := q.executeAll(q.session, statements, counts{}, q.now); problem != nil {
			return problem
		}
	}
	if len(q.session.put) > 0 {
		q.done("=ret=" + strings.Join(q.session.put, "\n"))
	}
	return nil
}

// started counts a run of a script, if it is still there.
func (r *Router) started(w *row) {
	t := r.tables.of(routeros.Script)
	if i := slices.Index(t.rows, w); i >= 0 {
		again := *w
		again.runs, again.next = w.runs+1, r.clock.wall(r.clock.now())
		t.replace(i, &again)
	}
}

// runScript executes statements until one fails. A :delay at the top level lets time pass; within a
// block it does not.
func (r *Router) runScript(s *session, name string, statements []script.Statement, v counts, now time.Time) {
	for i, statement := range statements {
		if d, ok := statement.(*script.Delay); ok {
			r.suspended = append(r.suspended, suspended{now.Add(d.For), s, name, statements[i+1:], v})
			r.ends(now.Add(d.For))
			return
		}
		if problem := r.execute(s, statement, v, now); problem != nil {
			r.log("script,error", "executing script "+name+" failed: "+problem.message)
			return
		}
	}
}

func (r *Router) execute(s *session, statement script.Statement, v counts, now time.Time) *trap {
	switch x := statement.(type) {
	case *script.Log:
		r.log("script,"+x.Topic, x.Message)
	case *script.Put:
		s.put = append(s.put, x.Message)
	case *script.Do:
		if problem := r.executeAll(s, x.Body, v, now); problem != nil {
			return r.executeAll(s, x.OnError, v, now)
		}
	case *script.Block:
		return r.executeAll(s, x.Body, v, now)
	case *script.Error:
		return &trap{message: x.Message, category: "3"}
	case *script.Count:
		if _, known := v[x.Name]; !known && !x.Local {
			return &trap{message: "syntax error"} // a variable that nobody has declared
		}
		v[x.Name] = x.Number
	case *script.If:
		return r.decide(s, x, v, now)
	case *script.Command:
		return r.executeCommand(s, x, now)
	}
	return nil
}

// decide is :if. An undeclared variable is nothing, and so equals no number.
func (r *Router) decide(s *session, x *script.If, v counts, now time.Time) *trap {
	n, known := v[x.Condition.Variable]
	if x.Condition.Find != nil {
		found, problem := r.find(s, x.Condition.Find)
		if problem != nil {
			return problem
		}
		n, known = len(found), true
	}
	if known && x.Condition.Holds(n) {
		return r.executeAll(s, x.Then, v, now)
	}
	return r.executeAll(s, x.Else, v, now)
}

func (r *Router) executeAll(s *session, statements []script.Statement, v counts, now time.Time) *trap {
	for _, statement := range statements {
		if problem := r.execute(s, statement, v, now); problem != nil {
			return problem
		}
	}
	return nil
}

// executeCommand is a command of the console: the first argument without a name says which items
// are meant.
func (r *Router) executeCommand(s *session, c *script.Command, now time.Time) *trap {
	q := &request{Router: r, session: s, menu: c.Menu, verb: c.Verb, attrs: map[string]string{}, now: now}
	names := []string{"numbers", "value-name"}
	for i, value := range c.Bare {
		if i >= len(names) || c.Verb == "add" || c.Verb == "print" {
			return &trap{message: "expected end of command"}
		}
		text, problem := r.evaluate(s, value)
		if problem != nil {
			return problem
		}
		q.write(names[i], text)
	}
	for _, a := range c.Args {
		if a.Like {
			return &trap{message: "syntax error"}
		}
		text, problem := r.evaluate(s, a.Value)
		if problem != nil {
			return problem
		}
		q.write(a.Name, text)
	}
	// For commands that change items, an empty selection is no error: there is nothing to change.
	// For get it is one.
	if selected, ok := q.attrs["numbers"]; ok && selected == "" {
		if c.Verb == "get" {
			return noSuchItem()
		}
		return nil
	}
	// An anchor that was not found: unknown whether the console refuses or takes the end; here it
	// takes the end, as move does.
	for _, name := range []string{"place-before", "destination"} {
		if text, ok := q.attrs[name]; ok && text == "" {
			delete(q.attrs, name)
			q.order = slices.DeleteFunc(q.order, func(n string) bool { return n == name })
		}
	}
	_, problem := s.command(q)
	return problem
}

func (q *request) write(name, value string) {
	q.order = append(q.order, name)
	q.attrs[name] = value
}

// evaluate returns a value's text; of find, the ids.
func (r *Router) evaluate(s *session, v script.Value) (string, *trap) {
	if v.Find == nil {
		return v.Text, nil
	}
	found, problem := r.find(s, v.Find)
	return strings.Join(found, ","), problem
}

// find returns the ids of the rows for which every condition holds.
func (r *Router) find(s *session, c *script.Command) ([]string, *trap) {
	q := &request{Router: r, session: s, menu: c.Menu, verb: "print", attrs: map[string]string{}, now: r.clock.now()}
	schema, ok := r.options.schema(c.Menu)
	if !ok {
		return nil, noSuchPrefix()
	}
	if q.schema = schema; !s.may(q) {
		return nil, denied()
	}
	var ids []string
	for _, row := range q.rows() {
		holds := true
		for _, a := range c.Args {
			if !schema.hasColumn(a.Name, r.options.Version) {
				return nil, &trap{message: "unknown parameter " + a.Name}
			}
			has, err := compare(row.Get(a.Name), a)
			if err != nil {
				return nil, &trap{message: "syntax error"}
			}
			holds = holds && has
		}
		if holds {
			ids = append(ids, row.Get(".id"))
		}
	}
	return ids, nil
}

func compare(text string, a script.Argument) (bool, error) {
	if !a.Like {
		is, flag := routeros.ParseBool(text)
		want, too := routeros.ParseBool(a.Value.Text)
		if flag && too && a.Name != "comment" { // yes and no here are true and false of the API
			return is == want, nil
		}
		return text == a.Value.Text, nil
	}
	like, err := regexp.Compile(a.Value.Text)
	if err != nil {
		return false, err
	}
	return like.MatchString(text), nil
}
