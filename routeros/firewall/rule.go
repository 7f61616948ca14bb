package firewall

import (
	"errors"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Rule is a row of a rule table, compiled: everything that the evaluators and the checks want to
// know of it, read once.
type Rule struct {
	Conditions []Condition // cheap and deciding ones first; the order has no meaning for what has no memory
	Action     Action
	Log        bool
	Target     string      // the chain of a jump
	Fill       Fill        // of an action that fills a list
	Translate  Translation // of destination NAT
	checks     []check     // the conditions, close together in memory
}

// check is what a walk over a long table looks at.
type check struct {
	test    Test
	negated bool
}

// Condition is one matcher of a rule with its value.
type Condition struct {
	Matcher string // its name
	Value   string // without the ! of a negation
	Negated bool
	// Test is nil where no packet settles it, and where the value can't be read.
	Test Test
	// Counts says that it counts the packets of its own rule.
	Counts bool
	cost   int
}

// Fill is what an action does that puts an end of a packet into an address list.
type Fill struct {
	List    string
	Of      End
	Timeout routeros.ListTimeout
}

// Translation is where a rule of destination NAT sends packets.
type Translation struct {
	Redirect bool
	Given    bool                  // it names addresses
	Text     string                // the addresses as they were written
	To       routeros.AddressRange // the zero value where none is given, or it can't be read
	Port     uint16                // 0: as it was
	AnyPort  bool                  // one of several ports, of which Port is the first
}

// ReadCondition reads a matcher and its value; ok is false for what is no matcher. The error is a
// [ValueError] where the router would not take the value: then no packet settles the condition,
// with a ! as without.
func ReadCondition(name, value string) (c Condition, ok bool, err error) {
	if describes(name) {
		return Condition{}, false, nil
	}
	c.Matcher = name
	c.Value, c.Negated = strings.CutPrefix(value, "!")
	if name == "tcp-flags" { // there each flag has a ! of its own
		c.Value, c.Negated = value, false
	}
	m, known := matcherOf(name)
	if c.cost = m.cost; !known { // of a RouterOS that is newer than this program, or a misspelling: it may be a matcher
		return c, true, nil
	}
	c.Counts = m.counts
	if strings.HasPrefix(c.Value, "!") && name != "tcp-flags" {
		err = unreadable()
	} else {
		c.Test, err = m.read(name, c.Value)
	}
	if err == nil {
		return c, true, nil
	}
	c.Test = nil
	wrong := &ValueError{}
	errors.As(err, &wrong)
	return c, true, &ValueError{Matcher: name, Value: value, Reason: wrong.Reason, Most: wrong.Most}
}

// ConditionOf reads one condition of a row; ok is false where the row has none by that matcher. Who
// asks for several compiles the row.
func ConditionOf(r *routeros.Rule, matcher string) (c Condition, ok bool) {
	value := r.Attrs.Get(matcher)
	if value == "" {
		return Condition{}, false
	}
	c, ok, _ = ReadCondition(matcher, value)
	return c, ok
}

// Known reports whether an argument of a rule is in the table: as a matcher, or as one that matches
// nothing.
func Known(name string) bool {
	_, matches := matcherOf(name)
	return matches || describes(name)
}

// Compile reads a row. What can't be read is never silently yes or no: it makes a condition that no
// packet settles.
func Compile(r *routeros.Rule) *Rule {
	c := &Rule{Action: actionOf(r.Action())}
	c.Conditions = make([]Condition, 0, len(r.Attrs))
	for _, a := range r.Attrs {
		if a.Value == "" {
			continue // set to nothing is not set: exports of old routers are full of it
		}
		if condition, ok, _ := ReadCondition(a.Name, a.Value); ok {
			c.Conditions = append(c.Conditions, condition)
			continue
		}
		switch a.Name {
		case "log":
			c.Log, _ = routeros.ParseBool(a.Value)
		case "jump-target":
			c.Target = a.Value
		}
	}
	slices.SortStableFunc(c.Conditions, func(a, b Condition) int { return a.cost - b.cost })
	switch c.Action.Effect {
	case Fills:
		c.fills(r)
	case Translates:
		c.Translate = translation(r)
	}
	c.checks = make([]check, len(c.Conditions))
	for i := range c.Conditions {
		c.checks[i] = check{c.Conditions[i].Test, c.Conditions[i].Negated}
	}
	return c
}

func (r *Rule) fills(row *routeros.Rule) {
	text := row.Attrs.Get("address-list-timeout")
	timeout, err := routeros.ParseListTimeout(text)
	if err != nil { // nobody knows for how long, so whether at all is not known either
		r.Conditions = append(r.Conditions, Condition{Matcher: "address-list-timeout", Value: text})
	}
	r.Fill = Fill{List: row.Attrs.Get("address-list"), Of: Destination, Timeout: timeout}
	if r.Action.Name == "add-src-to-address-list" {
		r.Fill.Of = Source
	}
}

func translation(r *routeros.Rule) Translation {
	t := Translation{Redirect: r.Action() == "redirect", Text: r.Attrs.Get("to-addresses")}
	t.Given = t.Text != ""
	t.To, _ = routeros.ParseAddressRange(t.Text)
	first, last, several := strings.Cut(r.Attrs.Get("to-ports"), "-")
	t.Port, _ = routeros.ParsePort(first)
	t.AnyPort = several && first != last
	return t
}

// Effect is what an action does to a packet.
type Effect uint8

// The effects.
const (
	Unheard    Effect = iota // of an action that nobody here knows
	Decides                  // it ends the way, with a verdict
	Passes                   // it changes neither the verdict nor a list
	Returns                  // to where the chain was entered
	Jumps                    // to another chain
	Untracks                 // it keeps connection tracking away
	Fills                    // it puts an end of the packet into an address list
	Translates               // it gives the packet another destination
)

// Action is the action of a rule.
type Action struct {
	Name    string
	Effect  Effect
	Verdict Verdict // of one that decides
}

// actionOf is the table of actions (routeros-facts § 2.6). endpoint-independent-nat sends on what
// belongs to a mapping that no snapshot shows, so it is none that is known.
func actionOf(name string) Action {
	a := Action{Name: name}
	switch name {
	case "accept":
		a.Effect, a.Verdict = Decides, Accept
	case "drop":
		a.Effect, a.Verdict = Decides, Drop
	case "reject":
		a.Effect, a.Verdict = Decides, Reject
	case "tarpit":
		a.Effect, a.Verdict = Decides, Tarpit
	case "return":
		a.Effect = Returns
	case "jump":
		a.Effect = Jumps
	case "notrack":
		a.Effect = Untracks
	case "add-src-to-address-list", "add-dst-to-address-list":
		a.Effect = Fills
	case "dst-nat", "netmap", "same", "redirect":
		a.Effect = Translates
	case "log", "passthrough", "fasttrack-connection", "src-nat", "masquerade":
		a.Effect = Passes
	}
	return a
}
