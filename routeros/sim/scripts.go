package sim

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// execution is a script that runs.
type execution struct {
	router  *Router
	session *session // whose policies it has
	name    string
	counts  map[string]int // its variables
	now     time.Time
}

// run executes statements until one fails. A :delay at the top level lets time pass; within a
// block it does not.
func (x *execution) run(statements []script.Statement) {
	for i, statement := range statements {
		if d, ok := statement.(*script.Delay); ok {
			at := x.now.Add(d.For)
			x.router.jobs.suspended = append(x.router.jobs.suspended, suspended{at, x, statements[i+1:]})
			x.router.ends(at)
			return
		}
		if problem := x.execute(statement); problem != nil {
			x.router.log("script,error", "executing script "+x.name+" failed: "+problem.message)
			return
		}
	}
}

func (x *execution) execute(statement script.Statement) *trap {
	switch one := statement.(type) {
	case *script.Log:
		x.router.log("script,"+one.Topic, one.Message)
	case *script.Put:
		return x.put(one)
	case *script.Do:
		if problem := x.all(one.Body); problem != nil {
			return x.all(one.OnError)
		}
	case *script.Block:
		return x.all(one.Body)
	case *script.Error:
		return &trap{message: one.Message, category: "3"}
	case *script.Count:
		if _, known := x.counts[one.Name]; !known && !one.Local {
			return &trap{message: "syntax error"} // a variable that nobody has declared
		}
		x.counts[one.Name] = one.Number
	case *script.If:
		return x.decide(one)
	case *script.Command:
		return x.command(one)
	}
	return nil
}

// put is :put of a message, or of an attribute.
func (x *execution) put(one *script.Put) *trap {
	message := one.Message
	if one.Get != nil {
		q, problem := x.request(one.Get)
		if problem != nil {
			return problem
		}
		if _, problem := x.session.command(q); problem != nil {
			return problem
		}
		for _, word := range q.replies[len(q.replies)-1] {
			if value, ok := strings.CutPrefix(word, "=ret="); ok {
				message = value
			}
		}
	}
	x.session.put = append(x.session.put, message)
	return nil
}

// decide is :if. An undeclared variable is nothing, and so equals no number.
func (x *execution) decide(c *script.If) *trap {
	n, known := x.counts[c.Condition.Variable]
	if c.Condition.Find != nil {
		found, problem := x.find(c.Condition.Find)
		if problem != nil {
			return problem
		}
		n, known = len(found), true
	}
	if known && c.Condition.Holds(n) {
		return x.all(c.Then)
	}
	return x.all(c.Else)
}

func (x *execution) all(statements []script.Statement) *trap {
	for _, statement := range statements {
		if problem := x.execute(statement); problem != nil {
			return problem
		}
	}
	return nil
}

// command is a command of the console.
func (x *execution) command(c *script.Command) *trap {
	q, problem := x.request(c)
	if problem != nil {
		return problem
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
	_, problem = x.session.command(q)
	return problem
}

// request is a command of the console with its values: the first argument without a name says
// which items are meant.
func (x *execution) request(c *script.Command) (*request, *trap) {
	q := &request{Router: x.router, session: x.session, menu: c.Menu, verb: c.Verb, attrs: map[string]string{}, now: x.now}
	names := []string{"numbers", "value-name"}
	for i, value := range c.Bare {
		if i >= len(names) || c.Verb == "add" || c.Verb == "print" {
			return nil, &trap{message: "expected end of command"}
		}
		text, problem := x.evaluate(value)
		if problem != nil {
			return nil, problem
		}
		q.write(names[i], text)
	}
	for _, a := range c.Args {
		if a.Like {
			return nil, &trap{message: "syntax error"}
		}
		text, problem := x.evaluate(a.Value)
		if problem != nil {
			return nil, problem
		}
		q.write(a.Name, text)
	}
	return q, nil
}

func (q *request) write(name, value string) {
	q.order = append(q.order, name)
	q.attrs[name] = value
}

// evaluate returns a value's text; of find, the ids.
func (x *execution) evaluate(v script.Value) (string, *trap) {
	if v.Find == nil {
		return v.Text, nil
	}
	found, problem := x.find(v.Find)
	return strings.Join(found, ","), problem
}

// find returns the ids of the rows for which every condition holds.
func (x *execution) find(c *script.Command) ([]string, *trap) {
	q := &request{Router: x.router, session: x.session, menu: c.Menu, verb: "print", attrs: map[string]string{}, now: x.router.clock.now()}
	schema, ok := x.router.options.schema(c.Menu)
	if !ok {
		return nil, noSuchPrefix()
	}
	if q.schema = schema; !x.session.may(q) {
		return nil, denied()
	}
	var ids []string
	for _, row := range q.rows() {
		holds := true
		for _, a := range c.Args {
			if !schema.hasColumn(a.Name) {
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
		q.jobs.started(w)
		statements, err := script.Parse(w.get("source"))
		if err != nil {
			return &trap{message: err.Error(), category: "3"}
		}
		called := &execution{router: q.Router, session: q.session, name: w.get("name"), counts: map[string]int{}, now: q.now}
		if problem := called.all(statements); problem != nil {
			return problem
		}
	}
	if len(q.session.put) > 0 {
		q.done("=ret=" + strings.Join(q.session.put, "\n"))
	}
	return nil
}
