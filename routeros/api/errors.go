package api

import (
	"fmt"
	"regexp"
	"strings"
)

// problem is what the errors of this package have in common: subject, what, and remedy.
type problem struct {
	Subject string // the router's address, or the command
	What    string
	Remedy  string
	Err     error // the cause, if any
}

// Error implements error.
func (p *problem) Error() string {
	text := p.What
	if p.Subject != "" {
		text = p.Subject + ": " + text
	}
	if p.Remedy != "" {
		text += ": " + p.Remedy
	}
	return text
}

// Unwrap returns the cause.
func (p *problem) Unwrap() error { return p.Err }

// The ways in which a session can fail, each a type of its own for errors.As.
type (
	// BadPasswordError says that the router knows no such user, or not with this password.
	BadPasswordError struct{ problem }
	// NotLoggedInError says that the router requires a login first.
	NotLoggedInError struct{ problem }
	// RefusedError says that nothing listens on the port.
	RefusedError struct{ problem }
	// PinError says that the router shows another certificate than the pinned one. Got is its pin.
	PinError struct {
		problem
		Want, Got string
	}
	// UntrustedError says that no trusted authority has signed the certificate. Got is its pin.
	UntrustedError struct {
		problem
		Got string
	}
	// OtherServiceError says that the port belongs to the other service: api in clear where api-ssl
	// was asked for, or api-ssl where api was. Answers is the one that answers.
	OtherServiceError struct {
		problem
		Answers Transport
	}
	// NoCertificateError says that api-ssl has no certificate and offers anonymous ciphers only.
	NoCertificateError struct{ problem }
	// TimeoutError says that no answer came in time.
	TimeoutError struct {
		problem
		// Unknown says that a command may still have taken effect.
		Unknown bool
	}
	// LostError says that the connection ended before the answer came.
	LostError struct {
		problem
		// Unknown says that a command that changes something was under way: it may have taken
		// effect.
		Unknown bool
	}
)

// TrapError is a !trap: the router understood the command and refused it.
type TrapError struct {
	Command  string // redacted
	Message  string // the router's words; several traps of one command are joined
	Category string // "0" to "7", or empty: the router sends it only sometimes (routeros-facts § 1.2)
}

// PermissionError is a trap because of a missing policy.
type PermissionError struct{ *TrapError }

// UnknownMenuError is a trap for a menu or a command that this router does not have.
type UnknownMenuError struct{ *TrapError }

// Error implements error.
func (e *TrapError) Error() string {
	return fmt.Sprintf("%s: the router says: %s", e.Command, e.Message)
}

// Error implements error.
func (e *PermissionError) Error() string {
	return e.TrapError.Error() + ": give the user's group the policies read, write and api"
}

// Error implements error.
func (e *UnknownMenuError) Error() string {
	return e.TrapError.Error() + ": this RouterOS version or its packages do not have it"
}

// Unwrap returns the trap.
func (e *PermissionError) Unwrap() error { return e.TrapError }

// Unwrap returns the trap.
func (e *UnknownMenuError) Unwrap() error { return e.TrapError }

var numericSuffix = regexp.MustCompile(` \(\d+\)$`)

// NoSuchItem reports whether the row that the command named does not exist.
func (e *TrapError) NoSuchItem() bool {
	return strings.Contains(e.plain(), "no such item") || strings.Contains(e.plain(), "place-before' does not exist")
}

// plain is the message as routeros-facts § 1.6 says to compare it: lower case, without the word
// failure in front and the number behind.
func (e *TrapError) plain() string {
	text := strings.ToLower(strings.TrimSpace(e.Message))
	return numericSuffix.ReplaceAllString(strings.TrimPrefix(text, "failure: "), "")
}

// Duplicate reports whether the router has such an entry already.
func (e *TrapError) Duplicate() bool { return strings.Contains(e.plain(), "already have") }

// typedTrap gives traps of well-known meaning their own type.
func typedTrap(t *TrapError) error {
	text := t.plain()
	switch {
	case strings.Contains(text, "not enough permissions"):
		return &PermissionError{t}
	case strings.Contains(text, "no such command"):
		return &UnknownMenuError{t}
	}
	return t
}
