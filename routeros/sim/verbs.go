package sim

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// request is one command on its way through the router, with the router's lock held.
type request struct {
	*Router
	session *session
	menu    routeros.Menu
	verb    string
	schema  schema
	attrs   map[string]string
	order   []string // names of the attributes as they came
	queries []string
	now     time.Time
	late    *printing // rows that are sent before the replies
	replies [][]string
}

func (q *request) re(row routeros.Attributes) {
	words := make([]string, 0, len(row)+1)
	words = append(words, "!re")
	for name, value := range row.All() {
		words = append(words, "="+name+"="+value)
	}
	q.replies = append(q.replies, words)
}

// run executes a command in a menu. Replies are in q.replies afterwards, !done included, except for
// a trap, which the caller writes.
func (q *request) run() *trap {
	if t := q.unknownParameter(); t != nil {
		return t
	}
	switch q.verb {
	case "print", "getall":
		return q.print()
	case "get":
		return q.get()
	}
	if t := q.change(); t != nil {
		return t
	}
	if q.verb != "add" && len(q.replies) == 0 {
		q.done()
	}
	return nil
}

func (q *request) done(ret ...string) {
	q.replies = append(q.replies, append([]string{"!done"}, ret...))
}

func (q *request) change() *trap {
	switch q.verb {
	case "add":
		return q.add()
	case "set":
		return q.set(q.written())
	case "enable":
		return q.set([]routeros.Attribute{{Name: "disabled", Value: "false"}})
	case "disable":
		return q.set([]routeros.Attribute{{Name: "disabled", Value: "true"}})
	case "comment":
		return q.set([]routeros.Attribute{{Name: "comment", Value: q.attrs["comment"]}})
	case "unset":
		return q.unset()
	case "remove", "request-logout":
		return q.remove()
	case "move":
		return q.move()
	case "reset-counters":
		return q.resetCounters()
	case "reset-counters-all":
		for _, w := range q.tables.of(q.menu).rows {
			*w.count = counters{}
		}
		return nil
	case "take", "release", "unroll":
		return q.safeModeVerb()
	case "run":
		return q.runNow()
	case "sign":
		return q.sign()
	}
	return noSuchCommand()
}

// unknownParameter comes before every other check (routeros-facts § 1.4); RouterOS 6 names nothing.
func (q *request) unknownParameter() *trap {
	for _, name := range q.order {
		if q.schema.takes(q.verb, name) {
			continue
		}
		if q.options.Version.Major < 7 {
			return &trap{"unknown parameter", ""}
		}
		return &trap{"unknown parameter " + name, ""}
	}
	return nil
}

// written returns the attributes of an add or set that are values, in the order in which they came.
func (q *request) written() []routeros.Attribute {
	var out []routeros.Attribute
	for _, name := range q.order {
		switch name {
		case ".id", "numbers", "place-before", "copy-from":
			continue
		}
		out = append(out, routeros.Attribute{Name: name, Value: q.attrs[name]})
	}
	return out
}

func (q *request) add() *trap {
	t := q.tables.of(q.menu)
	for name := range strings.FieldsSeq(q.schema.required) {
		if _, ok := q.attrs[name]; !ok && q.attrs["copy-from"] == "" {
			return missing(name)
		}
	}
	var base routeros.Attributes
	if from, ok := q.attrs["copy-from"]; ok {
		i := q.resolve(from)
		if i < 0 {
			return noSuchItem()
		}
		base = t.rows[i].attrs
	}
	attrs, problem := q.apply(base, q.written())
	if problem != nil {
		return problem
	}
	at, problem := q.anchor(t)
	if problem != nil {
		return problem
	}
	w := &row{attrs: attrs, created: q.clock.wall(q.now), count: &counters{}}
	if problem := q.prepare(t, w); problem != nil {
		return problem
	}
	t.insert(at, w)
	q.tables.appear(q.menu, w)
	q.changed(t, w, "added")
	q.done("=ret=" + formatID(w.id))
	return nil
}

// resolve finds one item: *ID, a position in the whole table, a name, or the first with that
// comment.
func (q *request) resolve(s string) int {
	t := q.tables.of(q.menu)
	if id, ok := parseID(s); ok {
		return t.find(id)
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		if int(n) < len(t.rows) {
			return int(n)
		}
		return -1
	}
	column := "comment"
	if q.schema.name != "" {
		column = q.schema.name
	}
	return slices.IndexFunc(t.rows, func(w *row) bool { return s != "" && w.get(column) == s })
}

// apply returns a row's attributes with values written over them.
func (q *request) apply(attrs routeros.Attributes, values []routeros.Attribute) (routeros.Attributes, *trap) {
	for _, a := range values {
		name, off := strings.CutPrefix(a.Name, "!")
		if q.menu == routeros.ServiceMenu && name == "available-from" {
			name = "address"
		}
		if off || q.schema.clears(a) {
			attrs = attrs.Without(name)
			continue
		}
		value, t := checker{q.menu, &q.options, q.tables}.value(a.Name, a.Value)
		if t != nil {
			return nil, t
		}
		attrs = attrs.With(name, value)
	}
	return attrs, whole(q.menu, attrs)
}

// anchor returns the position of place-before (routeros-facts § 2.4).
func (q *request) anchor(t *table) (int, *trap) {
	before, ok := q.attrs["place-before"]
	if !ok {
		return len(t.rows), nil
	}
	i := q.resolve(before)
	if i < 0 && (q.options.Knobs.AnchorNoSuchItem || len(t.rows) == 0 && !strings.HasPrefix(before, "*")) {
		return 0, noSuchItem()
	}
	if i < 0 {
		return 0, &trap{"item referred by 'place-before' does not exist", ""}
	}
	if t.rows[i].builtin && !q.options.Knobs.AnchorOnDynamic {
		return 0, cannot("move")
	}
	return i, nil
}

// prepare does the special handling of a new row of a menu.
func (q *request) prepare(t *table, w *row) *trap {
	switch q.menu {
	case routeros.AddressList, routeros.AddressList6:
		return q.prepareEntry(t, w, nil)
	case routeros.Scheduler:
		if problem := q.jobs.prepare(w, q.session, q.now); problem != nil {
			return problem
		}
	case routeros.Script:
		defaults := routeros.MakeAttributes("source", "", "owner", q.session.user, "policy", grantable(q.session.policy), "dont-require-permissions", "false")
		w.attrs = defaults.Merge(w.attrs)
	case routeros.Address, routeros.Address6:
		for _, x := range t.rows {
			if x.get("address") == w.get("address") && x.get("interface") == w.get("interface") {
				return failure("already have such address")
			}
		}
	case routeros.User:
		w.hide()
	case routeros.Filter, routeros.Filter6, routeros.NAT, routeros.NAT6, routeros.Raw, routeros.Raw6:
		action := w.get("action")
		if q.options.Knobs.PrintDefaultTimeout && strings.HasSuffix(action, "-to-address-list") && !w.attrs.Has("address-list-timeout") {
			w.attrs = w.attrs.With("address-list-timeout", "none-dynamic")
		}
	}
	if q.schema.name != "" && q.tables.named(t.menu, w.get("name")) != nil {
		return q.exists()
	}
	return nil
}

// hide removes a written password from the printed attributes.
func (w *row) hide() {
	if password, ok := w.attrs.Lookup("password"); ok {
		w.password, w.attrs = password, w.attrs.Without("password")
	}
}

// exists is the refusal of a name that is taken. Of the scheduler's the text is unknown.
func (q *request) exists() *trap {
	if q.menu == routeros.Scheduler {
		return failure(cmp.Or(q.options.Knobs.JobExists, "entry with this name already exists"))
	}
	return failure("item with such name already exists")
}

// prepareEntry turns timeout and dynamic into what they mean, and refuses a second enabled entry
// for the same address (routeros-facts § 3). old is the row that a set replaces.
func (q *request) prepareEntry(t *table, w, old *row) *trap {
	if text, ok := w.attrs.Lookup("timeout"); ok {
		d, _ := routeros.ParseDuration(text)
		w.dynamic, w.until = true, time.Time{}
		if d > 0 {
			w.until = q.now.Add(d)
		}
		q.ends(w.until)
	}
	if w.attrs.Bool("dynamic") {
		w.dynamic = true
	}
	w.attrs = w.attrs.Without("timeout", "dynamic")
	if !w.attrs.Has("disabled") {
		w.attrs = w.attrs.With("disabled", "false")
	}
	if twin := t.duplicate(w.get("list"), w.get("address")); twin != nil && twin != old && !w.attrs.Bool("disabled") {
		return failure("already have such entry")
	}
	return nil
}

// grantable are the policies that a script can have, of those that a user has.
func grantable(policy string) string {
	var out []string
	for name := range strings.SplitSeq("ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon", ",") {
		if hasPolicy(policy, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

func (q *request) set(values []routeros.Attribute) *trap {
	switch q.menu {
	case routeros.Clock:
		return q.setClock()
	case routeros.Identity:
		q.identity = cmp.Or(q.attrs["name"], q.identity)
		q.record(q.menu, "changed")
		return nil
	}
	selector := q.selector()
	if selector == "" {
		return missing(".id")
	}
	if q.menu == routeros.ServiceMenu && q.options.Version.AtLeast(7, 19) && q.sessions.isConnection(selector) {
		return failure("this is configured elsewhere")
	}
	at, problem := q.targets(selector)
	if problem != nil {
		return problem
	}
	return q.rewrite(at, values)
}

func (q *request) selector() string {
	for _, name := range []string{".id", "numbers", "number"} {
		if s, ok := q.attrs[name]; ok {
			return s
		}
	}
	return ""
}

// targets resolves ids, positions, names or comments, joined by commas (routeros-facts § 1.4).
func (q *request) targets(selector string) ([]int, *trap) {
	var at []int
	for part := range strings.SplitSeq(selector, ",") {
		i := q.resolve(part)
		if i < 0 {
			return at, noSuchItem()
		}
		at = append(at, i)
	}
	return at, nil
}

// rewrite writes values over rows: over all of them, or over none.
func (q *request) rewrite(at []int, values []routeros.Attribute) *trap {
	t := q.tables.of(q.menu)
	fresh := make([]*row, len(at))
	for n, i := range at {
		if t.rows[i].builtin {
			return cannot("change")
		}
		w := *t.rows[i]
		problem := q.rewriteRow(t, &w, t.rows[i], values)
		if problem != nil {
			return problem
		}
		fresh[n] = &w
	}
	for n, i := range at {
		q.settle(fresh[n])
		if q.menu == routeros.Scheduler {
			q.jobs.schedule(fresh[n], q.now)
		}
		t.replace(i, fresh[n])
		q.changed(t, fresh[n], "changed")
	}
	return nil
}

func (q *request) rewriteRow(t *table, w, old *row, values []routeros.Attribute) (problem *trap) {
	if w.attrs, problem = q.apply(w.attrs, values); problem != nil {
		return problem
	}
	if t.isList() {
		return q.prepareEntry(t, w, old)
	}
	if twin := q.tables.named(t.menu, w.get("name")); q.schema.name != "" && twin != nil && twin != old && w.get("name") != old.get("name") {
		return q.exists()
	}
	return nil
}

// settle applies the effects of a set beyond its row.
func (q *request) settle(w *row) {
	switch {
	case q.menu == routeros.User:
		w.hide()
	case q.menu == routeros.ServiceMenu && w.attrs.Bool("disabled") && !q.options.Knobs.KeepSessions:
		for s := range q.sessions {
			if s.service == w.get("name") {
				q.end(s)
			}
		}
	}
}

func (q *request) unset() *trap {
	selector := q.selector()
	if selector == "" {
		return missing(".id")
	}
	at, problem := q.targets(selector)
	if problem != nil {
		return problem
	}
	name := q.attrs["value-name"]
	if !q.schema.accepts(false, name) || !q.schema.optional(name) {
		return noValueOf("value-name")
	}
	return q.rewrite(at, []routeros.Attribute{{Name: "!" + name}})
}

// remove removes items one by one and stops at the first that does not exist (routeros-facts §
// 1.4).
func (q *request) remove() *trap {
	selector := q.selector()
	if selector == "" {
		return missing(".id")
	}
	if q.menu == routeros.UserActive {
		return q.logout(selector)
	}
	t := q.tables.of(q.menu)
	for part := range strings.SplitSeq(selector, ",") {
		i := q.resolve(part)
		if i < 0 {
			return noSuchItem()
		}
		w := t.rows[i]
		if w.builtin {
			return cannot("remove")
		}
		t.delete(i)
		q.flows.forget(w)
		q.outdate(t)
		if undoable(t.menu) {
			q.record(t.menu, "removed")
		}
		q.notify(t, w, true)
	}
	return nil
}

// move follows the table of routeros-facts § 2.4. A destination that does not exist is no error:
// the items go to the end.
func (q *request) move() *trap {
	selector := q.selector()
	if selector == "" {
		return missing(".id")
	}
	at, problem := q.targets(selector)
	if problem != nil {
		return problem
	}
	t := q.tables.of(q.menu)
	var block []*row
	for _, i := range at {
		if t.rows[i].builtin {
			return cannot("move")
		}
		if !slices.Contains(block, t.rows[i]) {
			block = append(block, t.rows[i])
		}
	}
	var before *row
	if destination, ok := q.attrs["destination"]; ok {
		if i := q.resolve(destination); i >= 0 {
			before = t.rows[i]
		}
	}
	switch {
	case before != nil && slices.Contains(block, before):
		return failure("can not move object before itself")
	case before != nil && before.builtin:
		return cannot("move")
	}
	rest := slices.DeleteFunc(slices.Clone(t.rows), func(w *row) bool { return slices.Contains(block, w) })
	to := len(rest)
	if before != nil {
		to = slices.Index(rest, before)
	}
	t.rows = slices.Insert(rest, to, block...)
	for _, w := range block {
		q.changed(t, w, "moved")
	}
	return nil
}

func (q *request) resetCounters() *trap {
	at, problem := q.targets(q.selector())
	if problem != nil {
		return problem
	}
	for _, i := range at {
		*q.tables.of(q.menu).rows[i].count = counters{}
	}
	return nil
}
