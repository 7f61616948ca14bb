// Package script reads the part of the RouterOS script language that rosknock writes into scheduler
// entries and files for /import: commands with arguments, [find …], :if, :do with on-error, :log,
// :put, :error, :delay, variables that count, blocks and comments. It also has the words of which
// those scripts are made: [Path], [Quoted], [Assign]. It is strict. Everything unknown is an error
// with its line, and never skipped: a script that undoes changes on a router far away must not
// contain a word that only looks right. The language is far larger (routeros-facts § 6.3); this
// package is not made to read other people's scripts.
//
//	s, err := script.Parse(`/ip firewall filter remove [find chain="input" comment="x"]`)
package script

import (
	"fmt"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// Statement is one of *Command, *If, *Do, *Block, *Log, *Put, *Error, *Delay and *Count.
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

// Condition compares how many rows are found, or what has been counted, with a number: [:len [find
// …]] < 2, $done > 2.
type Condition struct {
	Find     *Command
	Variable string // where Find is nil
	Operator string // = != < > <= >=
	Number   int
}

// Do is :do {…} on-error={…}. The first command of the body that fails ends the body.
type Do struct {
	Line    int
	Body    []Statement
	OnError []Statement
}

// Block is {…}: on a terminal it is read as a whole before any of it is done.
type Block struct {
	Line int
	Body []Statement
}

// Error is :error "message", which ends the script as a command that fails does.
type Error struct {
	Line    int
	Message string
}

// Count is :local name 0, or :set name 1.
type Count struct {
	Line   int
	Name   string
	Number int
	Local  bool // :local, where the variable begins
}

// Log is :log topic "message".
type Log struct {
	Line           int
	Topic, Message string
}

// Put is :put "message", or /put: output for the user who runs the script.
type Put struct {
	Line    int
	Message string
	// Get is [/menu get item attribute], whose result is the message.
	Get *Command
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
func (*Put) statement()     {}
func (*Delay) statement()   {}
func (*Block) statement()   {}
func (*Error) statement()   {}
func (*Count) statement()   {}

// Holds reports whether the condition holds for so many.
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
