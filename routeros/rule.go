package routeros

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Rule is one row of a rule table: filter, nat or raw, of either family. It holds every attribute
// as the router gave it, even those that rosknock does not know.
type Rule struct {
	// ID is the router's row id, such as *1F. Empty in a rule that does not exist yet; +N in one
	// that step N of a change set adds, counted from 0.
	ID string
	// Dynamic rows are made by the router itself. They can't be changed, removed, moved or used
	// as an anchor (routeros-facts § 2.5).
	Dynamic bool
	// Attrs are the settable attributes: chain, action, matchers, comment, disabled.
	Attrs Attributes
}

// NewRule returns a new rule from alternating names and values.
func NewRule(pairs ...string) Rule { return Rule{Attrs: MakeAttributes(pairs...)} }

// ReadRule makes a rule of a row that was read from the router or an export. The id and the
// read-only columns leave the attributes; counters are dropped.
func ReadRule(row Attributes) Rule {
	return Rule{
		ID:      row.Get(".id"),
		Dynamic: row.Bool("dynamic"),
		Attrs:   row.Without(readOnlyColumns()...),
	}
}

// readOnlyColumns are what print adds to a rule and set refuses. invalid is no usable signal
// (routeros-facts § 2.3).
func readOnlyColumns() []string {
	return []string{".id", ".nextid", ".about", "about", "bytes", "packets", "dynamic", "invalid"}
}

// Chain returns the rule's chain.
func (r Rule) Chain() string { return r.Attrs.Get("chain") }

// Action returns the rule's action; a rule without one accepts (routeros-facts § 2.3).
func (r Rule) Action() string {
	if a := r.Attrs.Get("action"); a != "" {
		return a
	}
	return "accept"
}

// Comment returns the rule's comment, as bytes of unknown encoding.
func (r Rule) Comment() string { return r.Attrs.Get("comment") }

// Disabled reports whether the rule is switched off.
func (r Rule) Disabled() bool { return r.Attrs.Bool("disabled") }

// Mark returns the mark in the rule's comment, if it carries one.
func (r Rule) Mark() (Mark, bool) { return FindMark(r.Comment()) }

// Canonical returns the rule's attributes with every value in its canonical form and without
// attributes that only repeat the default: disabled=no, log=no, an empty log-prefix or comment. An
// absent action becomes accept; an absent address-list-timeout of a rule that fills a list becomes
// none-dynamic.
func (r Rule) Canonical() Attributes {
	row := make(Attributes, 0, len(r.Attrs)+2)
	for name, value := range r.Attrs.All() {
		value = Canonical(name, value)
		if isDefault(name, value) {
			continue
		}
		row = append(row, Attribute{name, value})
	}
	if !row.Has("action") {
		row = row.With("action", "accept")
	}
	if fillsList(r.Action()) && !row.Has("address-list-timeout") {
		row = row.With("address-list-timeout", "none-dynamic")
	}
	return row
}

func fillsList(action string) bool {
	return action == "add-src-to-address-list" || action == "add-dst-to-address-list"
}

func isDefault(name, value string) bool {
	switch name {
	case "disabled", "log":
		return value == "false"
	case "log-prefix", "comment":
		return value == ""
	}
	return false
}

// Fitting returns the rule without what the rules of a version do not have: hw-offload came with 7
// and went with 7.21 (routeros-facts § 2.1).
func (r Rule) Fitting(v Version) Rule {
	if v.Major < 7 || v.AtLeast(7, 21) {
		r.Attrs = r.Attrs.Without("hw-offload")
	}
	return r
}

// Same reports whether the router treats both rules alike: equal canonical attributes, the comment
// included; ids and counters don't count.
func (r Rule) Same(o Rule) bool {
	return r.Attrs.Equal(o.Attrs) || slices.Equal(r.Canonical(), o.Canonical())
}

// SameMeaning is [Rule.Same] without the comment.
func (r Rule) SameMeaning(o Rule) bool {
	return slices.Equal(r.Canonical().Without("comment"), o.Canonical().Without("comment"))
}

// mostDescribed is how many characters of a rule are shown: comments may be long.
const mostDescribed = 400

// Describe prints a rule for people: its comment if it has one, otherwise its attributes, and its
// id, or the step of a change set, counted from 1, that adds it.
func (r Rule) Describe() string {
	text := r.Attrs.Without("comment").String()
	if c := r.Comment(); c != "" {
		text = `"` + strings.Trim(Quote(c), `"`) + `"`
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(r.ID, "+")); strings.HasPrefix(r.ID, "+") && err == nil {
		text += fmt.Sprintf(" (of step %d)", n+1)
	} else if r.ID != "" {
		text += " (" + r.ID + ")"
	}
	return Visible(text, mostDescribed)
}

// Differing returns the rows of b, from first to before end, that stand between those with which a
// and b begin alike and those with which they end alike. Rows are alike if they have one id and
// share their attributes in memory, as those of a state and of the next one do.
func Differing(a, b []Rule) (first, end int) {
	alike := func(i, j int) bool {
		x, y := a[i].Attrs, b[j].Attrs
		return len(x) > 0 && len(x) == len(y) && &x[0] == &y[0] && a[i].ID == b[j].ID
	}
	for first < min(len(a), len(b)) && alike(first, first) {
		first++
	}
	end = len(b)
	shift := len(a) - len(b)
	for end > first && end+shift > first && alike(end-1+shift, end-1) {
		end--
	}
	return first, end
}
