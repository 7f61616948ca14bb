package firewall

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
)

// Condition returns the condition that a rule has by a matcher.
func (r *Rule) Condition(matcher string) (c Condition, ok bool) {
	i := slices.IndexFunc(r.Conditions, func(c Condition) bool { return c.Matcher == matcher })
	if i < 0 {
		return Condition{}, false
	}
	return r.Conditions[i], true
}

// Has reports whether a rule has a condition by a matcher.
func (r *Rule) Has(matcher string) bool {
	_, ok := r.Condition(matcher)
	return ok
}

// Values returns the values of a field that the packets of a rule can have, sorted and apart. It
// asks for none where ok is false, or what it asks can't be read.
func (r *Rule) Values(f Field) (values Spans, ok bool) {
	for i := range r.Conditions {
		c := &r.Conditions[i]
		t, number := c.Test.(Numbers)
		switch {
		case !number || t.Field != f:
		case c.Negated:
			return t.Values.others(f.Highest()), true
		default:
			return t.Values, true
		}
	}
	return nil, false
}

// Takes reports whether packets with a value of a field may match a rule, as far as its condition
// on the field tells.
func (r *Rule) Takes(f Field, n int) bool {
	values, asks := r.Values(f)
	return !asks || values.Contain(n)
}

// Protocol returns the one protocol of all packets of a rule; ok is false where there are several.
func (r *Rule) Protocol() (number uint8, ok bool) {
	values, asks := r.Values(FieldProtocol)
	if !asks || len(values) != 1 || values[0].First != values[0].Last {
		return 0, false
	}
	return uint8(values[0].First), true
}

// Ports returns the destination ports for which a rule asks, without a !; ok is false where it asks
// for none.
func (r *Rule) Ports() (ports routeros.Ports, ok bool) {
	c, _ := r.Condition("dst-port")
	t, asks := c.Test.(Numbers)
	if !asks || c.Negated {
		return nil, false
	}
	return t.Values.Ports(), true
}

// Addresses returns the addresses for which a rule asks, or with a ! all others; ok is false where
// it asks for none.
func (r *Rule) Addresses(of End) (addresses routeros.AddressRange, negated, ok bool) {
	for i := range r.Conditions {
		if t, is := r.Conditions[i].Test.(Addresses); is && t.Of == of {
			return t.Range, r.Conditions[i].Negated, true
		}
	}
	return routeros.AddressRange{}, false, false
}

// List returns the address list for whose members a rule asks, or with a ! all others; ok is false
// where it asks for none.
func (r *Rule) List(of End) (list string, negated, ok bool) {
	for i := range r.Conditions {
		if t, is := r.Conditions[i].Test.(Listed); is && t.Of == of {
			return t.List, r.Conditions[i].Negated, true
		}
	}
	return "", false, false
}

// Spares finds the address list whose sources a rule treats better than others without accepting
// them: it stops all others, or leads only them to another chain, or it ends a chain for either.
// What becomes of the members, other rules decide.
func (r *Rule) Spares() (list string, ok bool) {
	list, negated, asks := r.List(Source)
	switch {
	case !asks:
		return "", false
	case r.Action.Name == "return", negated && (r.Action.Stops() || r.Action.Name == "jump"):
		return list, true
	}
	return "", false
}

// Lists returns the address lists that a rule names, in its conditions and as what it fills.
func (r *Rule) Lists() []string {
	var out []string
	for i := range r.Conditions {
		if t, is := r.Conditions[i].Test.(Listed); is {
			out = append(out, t.List)
		}
	}
	if r.Action.Effect == Fills {
		out = append(out, r.Fill.List)
	}
	return out
}

// Stops reports whether an action stops packets.
func (a Action) Stops() bool { return a.Effect == Decides && a.Verdict != Accept }

// Rules are rows that were compiled, each once: a row is known by where its attributes are, since
// these never change. The zero value is empty; it is not for several goroutines.
type Rules struct{ rules map[*routeros.Attribute]*Rule }

// Of returns a row compiled.
func (c *Rules) Of(r *routeros.Rule) *Rule {
	if len(r.Attrs) == 0 {
		return Compile(r)
	}
	known := c.rules[&r.Attrs[0]]
	if known == nil {
		if c.rules == nil {
			c.rules = map[*routeros.Attribute]*Rule{}
		}
		known = Compile(r)
		c.rules[&r.Attrs[0]] = known
	}
	return known
}

// Have reports whether a row was compiled before.
func (c *Rules) Have(r *routeros.Rule) bool { return len(r.Attrs) > 0 && c.rules[&r.Attrs[0]] != nil }
