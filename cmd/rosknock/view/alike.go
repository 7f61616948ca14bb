package view

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// namer gives what may differ between routers with the same change set a name that they share: ids
// of rows are numbered in the order in which they occur, and each address of the router itself is
// "its address".
type namer struct {
	own  []netip.Addr
	rows map[string]string
}

func newNamer(r operate.Result) *namer {
	n := &namer{rows: map[string]string{}}
	if at, err := netip.ParseAddrPort(r.Address); err == nil {
		n.add(at.Addr())
	}
	if r.Snapshot == nil {
		return n
	}
	for _, f := range routeros.Families() {
		for _, row := range r.Snapshot.NetworkRows(f.Address()) {
			if prefix, err := netip.ParsePrefix(row.Get("address")); err == nil {
				n.add(prefix.Addr())
			}
		}
	}
	return n
}

// add takes an address of the router. Every machine has the loopback addresses.
func (n *namer) add(a netip.Addr) {
	if a = a.Unmap().WithZone(""); !a.IsLoopback() {
		n.own = append(n.own, a)
	}
}

// row names the id of a row. Each menu has ids of its own. Rows that a step adds have the same names
// everywhere.
func (n *namer) row(menu routeros.Menu, id string) string {
	if !strings.HasPrefix(id, "*") {
		return id
	}
	key := string(menu) + id
	if n.rows[key] == "" {
		n.rows[key] = fmt.Sprintf("row %d", len(n.rows)+1)
	}
	return n.rows[key]
}

const itsAddress = "its address"

var (
	idInText      = regexp.MustCompile(`\(\*[0-9A-Fa-f]+\)`)
	addressInText = regexp.MustCompile(`[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f]`)
)

// text names ids and addresses within a sentence.
func (n *namer) text(s string) string { return n.textOf("", s) }

// textOf is text about rows of a menu.
func (n *namer) textOf(menu routeros.Menu, s string) string {
	if n == nil {
		return s
	}
	s = idInText.ReplaceAllStringFunc(s, func(id string) string { return "(" + n.row(menu, id[1:len(id)-1]) + ")" })
	return addressInText.ReplaceAllStringFunc(s, func(text string) string {
		host, port := text, ""
		if at, err := netip.ParseAddrPort(text); err == nil {
			host, port = at.Addr().String(), ":"+strconv.Itoa(int(at.Port()))
		}
		if n.isOwn(host) {
			return itsAddress + port
		}
		return text
	})
}

func (n *namer) isOwn(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && slices.Contains(n.own, a)
}

// value names the value of an attribute where it is an address of the router and nothing else.
func (n *namer) value(v string) string {
	host, length, _ := strings.Cut(v, "/")
	if n.isOwn(host) && (length == "" || length == "32" || length == "128") {
		return itsAddress
	}
	return v
}

// common returns a result with shared names for what may differ between equal ones. How many classes
// of packets a proof went over follows from the router's other rules: it is left out.
func (n *namer) common(r operate.Result) operate.Result {
	r.Divide() // as long as the ids are those of the snapshot
	if r.Err != nil {
		text := reason(r.Err)
		for _, subject := range []string{r.Name, r.Address} {
			text = strings.TrimPrefix(text, subject+": ")
		}
		r.Err = errors.New(n.text(strings.ReplaceAll(text, r.Address, itsAddress)))
	}
	r.Note = n.text(r.Note)
	if r.Changes != nil {
		c := *r.Changes
		c.Notes = n.texts(c.Notes)
		c.Steps = slices.Clone(c.Steps)
		for i := range c.Steps {
			c.Steps[i] = n.step(c.Steps[i])
		}
		r.Changes = &c
	}
	if r.Proof != nil {
		p := *r.Proof
		p.Classes = 0
		p.Failures, p.Accepted = n.failures(p.Failures), n.failures(p.Accepted)
		r.Proof = &p
	}
	return r
}

func (n *namer) texts(of []string) []string {
	out := make([]string, len(of))
	for i, text := range of {
		out[i] = n.text(text)
	}
	return out
}

func (n *namer) failures(of []proof.Failure) []proof.Failure {
	of = slices.Clone(of)
	for i := range of {
		of[i].What, of[i].Remedy = n.text(of[i].What), n.text(of[i].Remedy)
	}
	return of
}

func (n *namer) step(step change.Step) change.Step {
	step.ID, step.Before = n.row(step.Menu, step.ID), n.row(step.Menu, step.Before)
	step.BeforeText, step.Why = n.textOf(step.Menu, step.BeforeText), n.textOf(step.Menu, step.Why)
	step.Set, step.Was = n.attributes(step.Set), n.attributes(step.Was)
	return step
}

func (n *namer) attributes(of routeros.Attributes) routeros.Attributes {
	for name, v := range of.All() {
		if named := n.value(v); named != v {
			of = of.With(name, named)
		}
	}
	return of
}

// mostRuns is how many runs of names are written where there is no room for all.
const mostRuns = 6
