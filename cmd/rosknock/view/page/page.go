// Package page writes the report of a run over routers as one self-contained HTML page: of changes,
// for a change ticket, and of an audit.
//
// A page loads nothing from the network and says so in its Content-Security-Policy. The only script
// in it is one of this folder, named by its hash. What a router says about itself is
// only text in it.
package page

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed" // for the files below
	"encoding/base64"
	"errors"
	"html/template"
	"io"
	"iter"
	"strings"
	"time"
)

// Page is a report.
type Page struct {
	Title   string   // such as "diff of branch"
	Command string   // diff or apply or undo
	Plans   []string // the names of the plans
	Actor   string   // who ran it: user@host
	Tool    string   // such as "rosknock v1.2.3"
	Made    time.Time
	Took    time.Duration
	Would   bool     // nothing was changed: the page says what would be
	Run     string   // the name of the run in the journal
	Sources []Source // the files that the run read
	Facts   []Fact   // how the run went, such as its window and its waves
	Undo    []Try    // how all of it is rolled back
}

// Fact is something that the page says of a run, in a few words.
type Fact struct{ Name, Value string }

// Try is a command line for people to copy, and what it does.
type Try struct{ About, Command string }

// Router is what the report says about one router.
type Router struct {
	Name, Address, Identity, Version, Board string
	Groups, Tags                            []string
	Outcome                                 string // unchanged, changed, refused, reverted, failed, unknown, skipped
	Error                                   string
	Notes                                   []string
	Steps                                   []Step
	Proof                                   *Proof // nil when there is none
	Reach                                   []Reach
	Findings                                []Finding
	// Same is how many others that are on are reached by the same sources before and after.
	Same int
	// Means is what differs in words that routers share.
	Means              []Reach
	Change, Protection string
	Took               time.Duration
	// Tries are command lines about this router: how it is rolled back, how a refusal is looked at again.
	Tries []Try
	// Shared is the router with names for its rows and addresses that other routers share: routers with
	// equal steps, proof, reach, findings and notes have these on the page once. Nil has them in full.
	Shared *Router
}

// Step is one ordered change on a router.
type Step struct {
	Op, Menu, Slot, ID, Before, Why string // Op: add, set, move, remove, enable or disable
	Attributes                      []Attribute
	Done                            *bool // nil: not tried, as in a diff
	Error                           string
}

// Attribute is what a step writes, and what stood there.
type Attribute struct {
	Name, Value, Was string
	HadWas           bool // there was a value before, be it empty
}

// Proof is the verdict on every state between two steps.
type Proof struct {
	Holds    bool
	States   int
	Text     []string
	Accepted []string   // risks that were accepted by name
	Failures [][]string // each failure: lines of text
}

// Reach is who reaches a service before the change set and after it.
type Reach struct {
	What          string // such as "ssh tcp/22"
	Family        string // where What does not say it
	Before, After string // such as "anyone", "trusted after a knock", "nobody"
}

// Finding is what lint says about a plan or a router.
type Finding struct{ ID, Severity, Text, Remedy string }

// The types tell the template that these texts are ours and go in as they are.
var (
	//go:embed page.css
	style template.CSS
	//go:embed common.js
	common template.JS
	//go:embed page.js
	script template.JS
	//go:embed page.tmpl
	layout string
	//go:embed audit.css
	auditStyle template.CSS
	//go:embed audit.js
	auditScript template.JS
	//go:embed audit.tmpl
	auditLayout string
)

// Layout makes pages. It may be used by several goroutines.
type Layout struct{ template *template.Template }

// NewLayout returns the layout of all pages.
func NewLayout() (Layout, error) {
	yes := func(b *bool) bool { return *b } // a template takes any pointer for true
	t, err := template.New("page").Funcs(template.FuncMap{"yes": yes}).Parse(layout + auditLayout)
	return Layout{t}, err
}

// Section makes the part of a page that is about one router. id names it within the page, and would
// is the page's.
func (l Layout) Section(id string, would bool, r Router) (Section, error) {
	s := newSection(id, visibleRouter(r), would)
	var b bytes.Buffer
	out := Section{facts: s.Facts}
	err := l.template.ExecuteTemplate(&b, "section", s)
	out.HTML = b.String()
	if err != nil || r.Shared == nil {
		return out, err
	}
	b.Reset()
	err = l.template.ExecuteTemplate(&b, "outer", s)
	out.Brief = b.String()
	b.Reset()
	err = errors.Join(err, l.template.ExecuteTemplate(&b, "inner", newSection(id, visibleRouter(*r.Shared), would)))
	out.Shared = strings.TrimSpace(b.String())
	return out, err
}

// Write writes a page with the sections of its routers, which are asked for several times. The same values
// always give the same bytes.
func (l Layout) Write(w io.Writer, p Page, sections iter.Seq[Section]) error {
	buffered := bufio.NewWriterSize(w, 64<<10) // the template writes in crumbs
	r := newReport(visible(p), sections)
	if err := l.template.ExecuteTemplate(buffered, "top", r); err != nil {
		return err
	}
	if err := l.shared(buffered, r.sets, sections); err != nil {
		return err
	}
	if err := l.template.ExecuteTemplate(buffered, "list", r); err != nil {
		return err
	}
	for s := range r.inOrder(sections) {
		if err := l.section(buffered, r.sets, s); err != nil {
			return err
		}
	}
	if err := l.template.ExecuteTemplate(buffered, "bottom", r); err != nil {
		return err
	}
	return buffered.Flush()
}

// policy allows a style sheet and a script, and nothing else from anywhere.
func policy(style template.CSS, script template.JS) string {
	return "default-src 'none'; style-src " + hash(string(style)) + "; script-src " + hash(string(script)) + "; base-uri 'none'; form-action 'none'"
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
