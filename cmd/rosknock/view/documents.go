package view

import (
	"errors"
	"io"

	"github.com/rosknock/rosknock/plans/form"
)

// IsJSON reports whether a format is made of JSON documents.
func IsJSON(format string) bool { return format == "json" || format == "jsonl" }

// Failure writes why a command ended without a result, as a JSON document: the exit code, the
// message, and for mistakes in files each with its place.
func Failure(w io.Writer, format string, code int, err error) error {
	out := jsonErrorDocument{Format: formatOf("error"), Error: jsonError{Code: code, Message: err.Error()}}
	if problems, ok := errors.AsType[form.Problems](err); ok {
		for _, p := range problems {
			out.Error.Problems = append(out.Error.Problems, jsonProblem{p.File, p.Line, p.Column, p.Message, p.Remedy})
		}
	}
	return document(w, format, out)
}

type jsonErrorDocument struct {
	Format string    `json:"format"`
	Error  jsonError `json:"error"`
}

type jsonError struct {
	Code     int           `json:"code"` // the exit code
	Message  string        `json:"message"`
	Problems []jsonProblem `json:"problems,omitempty"`
}

type jsonProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// Version is what a build says of itself.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Write writes it in a format.
func (v Version) Write(w io.Writer, format string) error {
	if IsJSON(format) {
		return document(w, format, struct {
			Format string `json:"format"`
			Version
		}{formatOf("version"), v})
	}
	Say(w, "rosknock %s %s %s/%s\n", v.Version, v.Go, v.OS, v.Arch)
	return nil
}

// File is a file that a command has written, or would have written.
type File struct {
	Name    string `json:"file,omitempty"` // "" for standard output
	Holds   string `json:"holds"`          // plan, inventory, tests, or the format of a text
	Written bool   `json:"written"`        // false: it was there already, and stays; or the text is here
	Text    string `json:"text,omitempty"`
}

// Files writes as JSON which files a command has written, with what it has to say of them. command
// names the format.
func Files(w io.Writer, format, command string, files []File, notes ...string) error {
	return document(w, format, struct {
		Format string   `json:"format"`
		Files  []File   `json:"files"`
		Notes  []string `json:"notes,omitempty"`
	}{formatOf(command), append([]File{}, files...), notes})
}

// Text writes as JSON a result that is one text: a script, an inventory, a story.
func Text(w io.Writer, format, command, text string) error {
	return document(w, format, struct {
		Format string `json:"format"`
		Text   string `json:"text"`
	}{formatOf(command), text})
}

// Simulator is a simulated router that waits for connections.
type Simulator struct {
	Address string `json:"address"`
	Version string `json:"version"`
	Pin     string `json:"tls-pin,omitempty"`
}

// Simulators writes as JSON where simulated routers are to be found.
func Simulators(w io.Writer, format string, routers []Simulator) error {
	return document(w, format, envelope{formatOf("sim"), routers})
}

// Verified writes as JSON that so many records of the journal are whole.
func Verified(w io.Writer, format string, records int) error {
	return document(w, format, struct {
		Format  string `json:"format"`
		Records int    `json:"records"`
		Whole   bool   `json:"whole"`
	}{formatOf("journal-verify"), records, true})
}

type jsonCommand struct {
	Format   string         `json:"format"`
	Command  string         `json:"command"`
	Usage    []string       `json:"usage"`
	Short    string         `json:"short"`
	Long     string         `json:"long"`
	Example  string         `json:"example"`
	Commands []jsonBelow    `json:"commands,omitempty"`
	Flags    []jsonFlag     `json:"flags"`
	Shared   []jsonFlag     `json:"shared-flags"`
	Exits    map[int]string `json:"exit-codes,omitempty"`
}

type jsonBelow struct {
	Command string `json:"command"`
	Short   string `json:"short"`
}

type jsonFlag struct {
	Name    string `json:"name"`
	Letter  string `json:"letter,omitempty"`
	Value   string `json:"value,omitempty"` // its kind; none for a switch
	Usage   string `json:"usage"`
	Default string `json:"default,omitempty"`
}

// HelpJSON writes what a command says about itself as a JSON document.
func HelpJSON(w io.Writer, format string, c Command) error {
	out := jsonCommand{
		Format: formatOf("help"), Command: c.Path, Usage: c.Usage, Short: c.Short, Long: c.Long, Example: undented(c.Example),
		Flags: flagsJSON(c.Flags), Shared: flagsJSON(c.Shared),
	}
	for _, g := range c.Groups {
		for _, sub := range g.Commands {
			out.Commands = append(out.Commands, jsonBelow{sub.Path, sub.Short})
		}
	}
	for _, e := range c.Exits {
		if out.Exits == nil {
			out.Exits = map[int]string{}
		}
		out.Exits[e.Code] = e.Meaning
	}
	return document(w, format, out)
}

func flagsJSON(groups []FlagGroup) []jsonFlag {
	out := []jsonFlag{}
	for _, f := range flagsOf(groups) {
		out = append(out, jsonFlag{Name: f.Name, Letter: f.Letter, Value: f.Value, Usage: f.Usage, Default: f.Default})
	}
	return out
}
