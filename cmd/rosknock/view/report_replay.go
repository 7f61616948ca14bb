package view

import (
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
)

// Replays are the command lines with which people look again at what a page says of a router. They
// never hold a knock: the command reads it from the file that does.
type Replays struct {
	Again  string                   // computes and proves the same once more, and changes nothing
	Access string                   // flags by which the router is reached, with a blank in front
	Export string                   // the flags that name the export which stands for the router
	Ports  func(plan string) string // the file that holds the knocks of a plan; "" where it is not known
	Undo   bool                     // a change can be rolled back
}

// of are the command lines about one router.
func (c Replays) of(r operate.Result, s Style) []page.Try {
	var out []page.Try
	selecting, again := strings.TrimSuffix(" "+r.Select, " ")+c.Access, c.Again
	if c.Export == "" {
		again += selecting
	} else {
		selecting = " " + c.Export
	}
	if c.Undo && r.Change != "" && r.Outcome == apply.Changed {
		out = append(out, page.Try{About: "roll it back", Command: "rosknock undo " + r.Change + selecting})
	}
	if r.Proof == nil || r.Proof.Holds() {
		return out
	}
	secret := false
	seen := map[string]bool{}
	var packets []page.Try
	for _, f := range r.Proof.Failures {
		for _, e := range f.Packets {
			if e.Secret && !s.Reveal {
				secret = true
				continue
			}
			line := "rosknock " + strings.Join(s.trace(e, ShellWord), " ") + selecting
			if !seen[line] && len(packets) < mostReplayed {
				packets = append(packets, page.Try{About: "follow this packet through the router's present rules", Command: line})
			}
			seen[line] = true
		}
	}
	about := "see the refusal again"
	if secret {
		about, again = "see the refusal again, with the ports of the knock, which are not on this page", again+" --reveal"
	}
	if file := c.Ports(r.Plan); file != "" {
		about += " (needs " + file + ")"
	}
	return append(append(out, page.Try{About: about, Command: again}), packets...)
}

// mostReplayed is how many packets of a router's refusals have a command line on the page.
const mostReplayed = 6
