package view

import (
	"fmt"
	"io"
	"time"

	"github.com/rosknock/rosknock/plans/operate"
)

// Knocked is what came of knocking at a router. Its own Took is the time until the door was open.
type Knocked struct {
	operate.Result
	Door         string
	Sent, Stages int // of the last pass
	Passes       int
	Tried, Open  bool // whether the door was tried, and was open
}

type jsonKnocked struct {
	Name    string  `json:"name"`
	Address string  `json:"address"`
	Door    string  `json:"door"`
	Sent    int     `json:"sent"`
	Stages  int     `json:"stages"`
	Passes  int     `json:"passes"`
	Opened  *bool   `json:"opened"` // null when nothing was tried
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

// KnockedLine writes one result as a line of text.
func KnockedLine(w io.Writer, k Knocked, s Style) {
	took := k.Took.Round(time.Millisecond)
	var text visible
	switch {
	case k.Err != nil:
		text = s.color("31", "failed: ") + clean(reason(k.Err))
	case k.Open && k.Passes == 0:
		text = visiblef("door %s is open already, no knock was needed", k.Door)
	case k.Open && k.Passes > 1:
		text = visiblef("door %s is open after %s, at pass %d", k.Door, took, k.Passes)
	case k.Open:
		text = visiblef("door %s is open after %s", k.Door, took)
	case k.Passes > 1:
		text = visiblef("door %s: the knock was sent, %s, %d times", k.Door, Plural(k.Stages, "stage"), k.Passes)
	default:
		text = visiblef("door %s: the knock was sent, %s", k.Door, Plural(k.Stages, "stage"))
	}
	Say(w, "%s: %s\n", s.bold(short(k.at())), text)
}

// at is the router's name, with the address that it was knocked at where that is another.
func (k Knocked) at() string {
	if k.Address == "" || k.Address == k.Name {
		return k.Name
	}
	return fmt.Sprintf("%s (%s)", k.Name, k.Address)
}

// Knocks writes all results as JSON or a table.
func Knocks(w io.Writer, format string, all []Knocked, s Style) error {
	t := table{header: []string{"ROUTER", "ADDRESS", "DOOR", "SENT", "OPEN", "TIME", "PROBLEM"}, whole: []string{"ROUTER", "ADDRESS"}}
	out := []jsonKnocked{}
	for _, k := range all {
		one := jsonKnocked{Name: k.Name, Address: k.Address, Door: k.Door, Sent: k.Sent, Stages: k.Stages, Passes: k.Passes, Seconds: k.Took.Seconds()}
		open := ""
		if k.Tried {
			one.Opened, open = &k.Open, yesNo(k.Open)
		}
		if k.Err != nil {
			one.Error = reason(k.Err)
		}
		out = append(out, one)
		t.rows = append(t.rows, []string{k.Name, k.Address, k.Door, fmt.Sprintf("%d of %d", k.Sent, k.Stages), open, k.Took.Round(time.Millisecond).String(), one.Error})
	}
	switch format {
	case "json":
		return document(w, format, envelope{formatOf("knock"), out})
	case "jsonl":
		for i := range out {
			if err := document(w, format, envelope{formatOf("knock"), out[i : i+1]}); err != nil {
				return err
			}
		}
		return nil
	}
	return t.write(w, format, s.Width)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// RoutersOfKnocks returns the routers of results.
func RoutersOfKnocks(all []Knocked) []operate.Result {
	out := make([]operate.Result, len(all))
	for i, k := range all {
		out[i] = k.Result
	}
	return out
}
