package space

import (
	"cmp"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// variable is something about a packet that is true or false.
type variable struct {
	kind kind
	// name is the list, the text, the hardware address, the flag or option, or of a question the
	// matcher.
	name string
	// Of a question: the value, or of what counts the packets of its rule, the rule.
	value string
	menu  routeros.Menu
	row   string
}

// kind is what a variable says.
type kind uint8

const (
	isFragment   kind = iota // the packet is a later fragment
	isFromTunnel             // it came out of an IPsec tunnel
	isSrcNAT                 // the source of its connection is translated
	isDstNAT
	hasFlag      // a TCP flag is set
	hasOption    // the IPv4 header has an option
	carries      // a text is in the payload
	sentBy       // a hardware address sent it
	holdsSource  // a rule, or somebody, has put the source into a list
	holdsTarget  // the same of the destination
	holdsHost    // the same of the host to which destination NAT sends it
	joins        // the interface, which the router does not show, is a member of an interface list
	isOfKind     // it is of a kind, such as all-ppp
	isDynamic    // the router made it
	isAnswered   // a matcher that no packet settles matches
	endsChain    // an action that nobody knows ends the chain
	acceptsThere // and accepts
)

func inList(list string) variable { return variable{kind: holdsSource, name: list} }

// question returns what a condition of a rule asks that no packet settles. What depends on the
// connection or the time alone is one question for all rules that ask it; what counts packets is
// one of each rule.
func question(menu routeros.Menu, id string, c *firewall.Condition) variable {
	if c.Counts {
		return variable{kind: isAnswered, name: c.Matcher, menu: menu, row: id}
	}
	return variable{kind: isAnswered, name: c.Matcher, value: routeros.Canonical(c.Matcher, c.Value)}
}

// toWhich is whether a translation to one of several addresses goes to the router's own.
func toWhich(t firewall.Translation) variable {
	return variable{kind: isAnswered, name: "to-addresses", value: routeros.Canonical("to-addresses", t.Text)}
}

// ofAction is what an action that nobody knows does.
func ofAction(what kind, menu routeros.Menu, id string) variable {
	return variable{kind: what, menu: menu, row: id}
}

// option is the variable of an IPv4 option.
func option(o firewall.Options) variable { return variable{kind: hasOption, name: o.String()} }

// option is the IPv4 option of a variable.
func (v variable) option() firewall.Options {
	o, _ := firewall.ParseOption(v.name)
	return o
}

// flag is the variable of a TCP flag.
func flag(f firewall.Flags) variable { return variable{kind: hasFlag, name: f.String()} }

// flags is the flag of a variable.
func (v variable) flags() firewall.Flags {
	f, _ := firewall.ParseFlag(v.name)
	return f
}

// open reports whether a variable is an open question.
func (v variable) open() bool { return v.kind >= isAnswered }

func (v variable) compare(o variable) int {
	if v.kind != o.kind {
		return cmp.Compare(v.kind, o.kind)
	}
	if by := cmp.Compare(v.name, o.name); by != 0 {
		return by
	}
	return cmp.Or(cmp.Compare(v.value, o.value), cmp.Compare(v.menu, o.menu), cmp.Compare(v.row, o.row))
}
