// Package script reads the part of the RouterOS script language that rosknock writes into scheduler entries: commands with
// arguments, [find …], :if, :do with on-error, :log, :delay and comments.
//
// It is strict. What it does not know is an error with its line, never skipped: a script that undoes changes
// on a router far away must not hold a word that only looks right. The language is far larger
// (routeros-facts § 6.3); nothing here is meant to read other people's scripts.
//
//	s, err := script.Parse(`/ip firewall filter remove [find chain="input" comment="x"]`)
package script

import (
	"fmt"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// Statement is one of *Command, *If, *Do, *Log and *Delay.
type Statement interface{ statement() }

// Command is a command of a menu: /ip firewall filter remove *1F.
type Command struct {
	Line int
	Menu routeros.Menu
	Verb string
	// Bare are the arguments without a name, in order.
	Bare []Value
	Args []Argument
}

// Argument is name=value, or of a find also name~value.
type Argument struct {
	Name  string
	Like  bool // name~value: a regular expression
	Value Value
}

// Value is a text, or a command in brackets whose result is the value.
type Value struct {
	Text string
	// Find is [find …] of the menu of the command around it, or of its own.
	Find *Command
}

// If is :if (…) do={…} else={…}.
type If struct {
	Line       int
	Condition  Condition
	Then, Else []Statement
}

// Condition compares how many rows are found with a number: [:len [find …]] < 2.
type Condition struct {
	Find     *Command
	Operator string // = != < > <= >=
	Number   int
}

// Do is :do {…} on-error={…}. The first command of the body that fails ends the body.
type Do struct {
	Line    int
	Body    []Statement
	OnError []Statement
}

// Log is :log topic "message".
type Log struct {
	Line           int
	Topic, Message string
}

// Delay is :delay 2s.
type Delay struct {
	Line int
	For  time.Duration
}

func (*Command) statement() {}
func (*If) statement()      {}
func (*Do) statement()      {}
func (*Log) statement()     {}
func (*Delay) statement()   {}

// Holds reports whether the condition holds for so many rows found.
func (c Condition) Holds(found int) bool {
	switch c.Operator {
	case "=":
		return found == c.Number
	case "!=":
		return found != c.Number
	case "<":
		return found < c.Number
	case ">":
		return found > c.Number
	case "<=":
		return found <= c.Number
	default:
		return found >= c.Number
	}
}

// SyntaxError says where a script can't be read.
type SyntaxError struct {
	Line int // from 1
	What string
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d of the script: %s", e.Line, e.What) }
