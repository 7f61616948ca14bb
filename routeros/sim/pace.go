package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// mostAtOnce is how many rows of an address list are answered at once. More are made while they are
// sent, at the router's pace, and a cancel ends them.
const mostAtOnce = 256

// printing are the rows of a large address list that wait to be sent.
type printing struct {
	router  *Router
	menu    routeros.Menu
	rows    []row // as they were when the print came
	now     time.Time
	columns []string
	all     bool
}

// printEntries is [request.print] of an address list: it looks at its rows without making each of
// them ready to print.
func (q *request) printEntries() *trap {
	asked := strings.Join(q.queries, " ")
	var shown []row
	var look routeros.Attributes
	n := 0
	for _, w := range q.tables.of(q.menu).rows {
		if asked != "" {
			look = append(append(look[:0], w.attrs...), routeros.Attribute{Name: "dynamic", Value: routeros.FormatBool(w.dynamic)})
			if strings.Contains(asked, ".id") || strings.Contains(asked, "timeout") || strings.Contains(asked, "creation-time") {
				look = q.show(q.menu, w)
			}
			if !matches(q.queries, look) {
				continue
			}
		}
		if n++; !q.has("count-only") {
			shown = append(shown, row{id: w.id, attrs: w.attrs, dynamic: w.dynamic, created: w.created, until: w.until})
		}
	}
	if q.has("count-only") {
		q.done("=ret=" + itoa(n))
		return nil
	}
	p := &printing{router: q.Router, menu: q.menu, rows: shown, now: q.now}
	p.columns, p.all = q.columns()
	if len(shown) > mostAtOnce {
		q.late = p
	} else {
		for i := range shown {
			q.replies = append(q.replies, p.words(i))
		}
	}
	if len(shown) == 0 && q.options.Version.AtLeast(7, 18) {
		q.replies = append(q.replies, []string{"!empty"})
	}
	q.done()
	return nil
}

// words is one row as it is printed (routeros-facts § 3).
func (p *printing) words(i int) []string {
	w := &p.rows[i]
	a := make(routeros.Attributes, 0, len(w.attrs)+4)
	a = append(a, routeros.Attribute{Name: ".id", Value: formatID(w.id)})
	a = append(a, w.attrs...)
	a = append(a, routeros.Attribute{Name: "creation-time", Value: p.router.clock.stamp(w.created)}, routeros.Attribute{Name: "dynamic", Value: routeros.FormatBool(w.dynamic)})
	if !w.until.IsZero() {
		a = append(a, routeros.Attribute{Name: "timeout", Value: left(w, p.now)})
	}
	words := make([]string, 0, len(a)+1)
	words = append(words, "!re")
	for _, x := range routeros.SortAttributes(a) {
		if p.all || slices.Contains(p.columns, x.Name) {
			words = append(words, "="+x.Name+"="+x.Value)
		}
	}
	return words
}

// pace is how long a router takes for n rows of a large print.
func (o *Options) pace(n int) time.Duration {
	if o.PrintPace <= 0 {
		return 0
	}
	return time.Duration(n) * time.Second / time.Duration(o.PrintPace)
}

// writePrinting sends the rows of a large print, until it is cancelled. false ends the session.
func (s *session) writePrinting(w sentenceWriter, i item) bool {
	began := time.Now()
	for n := range i.late.rows {
		if n%64 == 0 {
			if s.isCut(i) {
				return true
			}
			if wait := s.router.options.pace(n) - time.Since(began); wait > 0 {
				if w.Flush() != nil {
					return false
				}
				time.Sleep(wait)
			}
		}
		if w.Write(tagged(i.tag, i.late.words(n))...) != nil {
			return false
		}
	}
	return true
}

// sentenceWriter is a [wire.Writer].
type sentenceWriter interface {
	Write(words ...string) error
	Flush() error
}

// isCut reports whether the print was cancelled of which an item is.
func (s *session) isCut(i item) bool {
	s.queue.Lock()
	defer s.queue.Unlock()
	return i.tag != "" && i.number <= s.queue.cut[i.tag]
}

// cutPrints cancels the large prints under way, or the one of a tag, and returns their tags.
func (s *session) cutPrints(tag string, one bool) []string {
	s.queue.Lock()
	defer s.queue.Unlock()
	var out []string
	for name := range s.queue.printing {
		if !one || name == tag {
			if s.queue.cut == nil {
				s.queue.cut = map[string]int{}
			}
			s.queue.cut[name] = s.queue.number
			out = append(out, name)
		}
	}
	for _, name := range out {
		delete(s.queue.printing, name)
	}
	slices.Sort(out)
	return out
}

// printed notes that a large print has been sent to its end.
func (s *session) printed(tag string) {
	s.queue.Lock()
	defer s.queue.Unlock()
	delete(s.queue.printing, tag)
}
