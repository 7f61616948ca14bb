// Package render writes a plan for people who can't run rosknock: scripts for a router, scripts and
// settings for clients, pictures. It is pure: texts are made from values, and the caller decides
// where a text may go. Most of them hold the knock ([Format.Secret]). If a format can't express
// something, the result is a *[CannotError]; nothing is left out silently.
//
//	text, err := render.Import{Plan: "branch", Before: snapshot, Changes: changes}.Script()
//	text, err := render.Shell(render.Client{Plan: "branch", Door: door, Host: "192.0.2.1"})
package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// Format is a kind of artefact, as --format names it.
type Format string

// The formats.
const (
	RSC        Format = "rsc"            // a script for /import that does what apply does
	UndoRSC    Format = "undo-rsc"       // the script that undoes it
	KnockdConf Format = "knockd"         // knockd.conf for a Linux machine with the same knock, and the line for its client
	SSHConfig  Format = "ssh-config"     // Host blocks whose ProxyCommand is rosknock
	ShellText  Format = "shell"          // a script for sh that knocks
	PowerShell Format = "powershell"     // the same for PowerShell
	CmdFile    Format = "cmd"            // a batch file that runs it by a double click, with it
	QR         Format = "qr"             // a page with a QR code for a phone
	PhoneApp   Format = "knock-on-ports" // a file for the client of that name on Android
	MermaidDoc Format = "mermaid"        // a state diagram of doors
	SVG        Format = "svg"            // the same as a picture
)

// Formats returns all formats.
func Formats() []Format {
	return []Format{RSC, UndoRSC, KnockdConf, SSHConfig, ShellText, PowerShell, CmdFile, QR, PhoneApp, MermaidDoc, SVG}
}

// Secret reports whether an artefact of the format always holds the knock. The others hold it only
// on request, or never.
func (f Format) Secret() bool {
	switch f {
	case SSHConfig, MermaidDoc, SVG:
		return false
	}
	return true
}

// OfRouter reports whether the format is made from a router's table rather than from a plan alone.
func (f Format) OfRouter() bool { return f == RSC || f == UndoRSC }

// CannotError says which part of a door a format can't express.
type CannotError struct {
	Format Format
	Door   string
	What   string // and what to do instead
}

// Error implements error.
func (e *CannotError) Error() string { return fmt.Sprintf("%s: door %s: %s", e.Format, e.Door, e.What) }

// Window is when the knock of a door that rotates is valid.
type Window struct {
	From, Until time.Time
	Overlap     time.Duration
}

// remark says so in a line.
func (w *Window) remark() string {
	text := fmt.Sprintf("The knock changes with time: this one is valid from %s until %s", stamp(w.From), stamp(w.Until))
	if w.Overlap > 0 {
		text += fmt.Sprintf(", and %s before and after that if the router was rotated in time", routeros.FormatDuration(w.Overlap))
	}
	return text + "."
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }

// Client is a door as a client needs it, with its knock derived and its payloads looked up.
type Client struct {
	Plan string
	Door plans.Door
	Host string // of the router; "" if it is an argument of the script
	// Families are those of the plan: the knock uses no other.
	Families []routeros.Family
	Window   *Window // of a door that rotates
}

// of names a door with its plan.
func (c Client) of() string { return fmt.Sprintf("door %s of the plan %s", c.Door.Name, c.Plan) }

// comment writes remarks as lines of a comment. Characters that can't be in one, such as a line end
// in a name, become question marks.
func comment(sign string, remarks ...string) string {
	var b strings.Builder
	for _, r := range remarks {
		b.WriteString(strings.TrimRight(sign+" "+plain(r), " ") + "\n")
	}
	return b.String()
}

// plain replaces what is not printable ASCII: a router's name may hold any bytes.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
