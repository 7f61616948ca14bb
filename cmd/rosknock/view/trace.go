package view

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Traced is what a router makes of a packet.
type Traced struct {
	operate.Result
	Packet firewall.Packet
	Fate   firewall.Disposition   // with every rule that was looked at
	Others []firewall.Disposition // all that can be, the same one first
}

// TracesOf takes what becomes of a packet on each router.
func TracesOf(sink Sink) *Flow[Traced] {
	return newFlow(sink, kind[Traced]{
		command: "trace",
		json:    func(x Traced) any { return sink.traceJSON(x) },
		header:  []string{"router", "packet", "table", "row", "id", "rule", "matched", "why"},
		cells:   sink.traceCells,
		text: passages[Traced]{between: "\n", one: func(w io.Writer, x Traced) error {
			head(w, x.Result, sink.Style)
			if x.Err != nil {
				Say(w, "%s\n", wrap(clean(reason(x.Err)), sink.Width, 2))
				return nil //nolint:nilerr // the router's error is what is written
			}
			x.text(w, sink.Style)
			return nil
		}},
	})
}

func (s Style) traceCells(x Traced) [][]string {
	var rows [][]string
	for _, look := range x.Fate.Trail {
		rows = append(rows, []string{x.Name, x.Packet.String(), string(look.Table), fmt.Sprint(look.Index), look.Rule.ID, s.rule(*look.Rule), fmt.Sprint(look.Matched), whyNot(look)})
	}
	return append(rows, []string{x.Name, x.Packet.String(), "", "", "", "", "", x.verdict()})
}

func (x Traced) text(w io.Writer, s Style) {
	Say(w, "  %s, %s\n", x.Packet, x.Packet.State)
	var menu routeros.Menu
	for _, look := range x.Fate.Trail {
		if look.Table != menu {
			menu = look.Table
			Say(w, "  %s\n", menu)
		}
		line := visiblef("%d %s", look.Index, s.rule(*look.Rule))
		if look.Matched {
			Say(w, "%s\n", s.bold(wrapWith(line+" → "+short(look.Rule.Action()), s.Width, 9)))
			continue
		}
		Say(w, "%s\n", s.faint(wrapWith(line+": "+clean(whyNot(look)), s.Width, 9)))
	}
	for _, a := range x.Fate.Additions {
		Say(w, "  its source gets into the list %s for %s\n", a.List, a.Timeout)
	}
	Say(w, "%s\n", wrap(clean(x.verdict()), s.Width, 2))
	for _, o := range x.Others[1:] {
		Say(w, "%s\n", wrap(visiblef("or, depending on %s: %s", questions(o), fateText(o)), s.Width, 2))
	}
}

// wrapWith wraps a line whose beginning is kept as it is; the lines after it are indented.
func wrapWith(line visible, width, indent int) visible {
	first, rest, _ := strings.Cut(string(line), " ")
	return visible(fmt.Sprintf("%6s ", first) + strings.TrimLeft(string(wrap(visible(rest), width, indent)), " "))
}

func questions(f firewall.Disposition) string {
	var names []string
	for _, look := range f.Undecided {
		names = append(names, strings.Join(look.Undecided, " and ")+" of "+look.Rule.ID)
	}
	return strings.Join(names, ", ")
}

// rule writes a rule as the router has it; of rules that are part of a knock the secret stays
// masked.
func (s Style) rule(r routeros.Rule) string {
	mark, _ := r.Mark()
	words := []string{r.ID}
	for name, value := range r.Attrs.All() {
		if shown := s.Value(mark.Slot, name, value); name != "disabled" && shown == masked {
			words = append(words, name+"="+masked)
		} else if name != "disabled" {
			words = append(words, name+"="+routeros.Quote(value))
		}
	}
	return strings.Join(words, " ")
}

// whyNot names the matcher that did not match, and those that no packet settles.
func whyNot(look firewall.TraceStep) string {
	switch {
	case len(look.Undecided) > 0:
		return strings.Join(look.Undecided, " and ") + " can't be told from a packet"
	case look.Matched:
		return ""
	}
	return "not its " + look.Failed
}

// verdict says what becomes of the packet in the end, service included.
func (x Traced) verdict() string {
	if x.Err != nil {
		return reason(x.Err)
	}
	switch {
	case x.Fate.Verdict == firewall.Forwarded && x.Fate.To.Port() != 0:
		return fateText(x.Fate) + "; it goes to " + x.Fate.To.String()
	case x.Fate.Verdict == firewall.Forwarded && x.Fate.To.IsValid():
		return fateText(x.Fate) + "; it goes to " + x.Fate.To.Addr().String()
	case x.Fate.Verdict != firewall.Accept:
		return fateText(x.Fate)
	}
	arrived := x.Packet
	if x.Fate.At.IsValid() {
		arrived.Dst, arrived.DstPort = x.Fate.At.Addr(), x.Fate.At.Port()
	}
	return fateText(x.Fate) + "; " + listener(*x.Snapshot, arrived)
}

// listener says which service would answer a packet as it arrives at the router itself.
func listener(s routeros.Snapshot, p firewall.Packet) string {
	for _, svc := range s.Services {
		if svc.Dynamic || svc.Connection || p.Protocol != 6 || svc.Port != p.DstPort {
			continue
		}
		switch {
		case svc.Disabled:
			return fmt.Sprintf("nobody answers: the service %s is off", svc.Name)
		case !answers(svc, p.Src):
			return fmt.Sprintf("the service %s answers other sources only, and closes the connection", svc.Name)
		}
		return "the service " + svc.Name + " answers"
	}
	return "no service of the router is known there"
}

func answers(svc routeros.Service, src netip.Addr) bool {
	return len(svc.From) == 0 || slices.ContainsFunc(svc.From, func(prefix string) bool {
		r, err := routeros.ParseAddressRange(prefix)
		return err == nil && r.Contains(src)
	})
}

type jsonTrace struct {
	Name      string     `json:"name"`
	Address   string     `json:"address"`
	Packet    string     `json:"packet"`
	State     string     `json:"state"`
	Verdict   string     `json:"verdict"`
	Rule      string     `json:"rule"`
	Table     string     `json:"table"`
	Why       string     `json:"why"`
	Additions []string   `json:"additions"`
	Trail     []jsonLook `json:"trail"`
	Others    []string   `json:"others"`
	Error     string     `json:"error"`
}

type jsonLook struct {
	Table     string   `json:"table"`
	Row       int      `json:"row"`
	ID        string   `json:"id"`
	Rule      string   `json:"rule"`
	Matched   bool     `json:"matched"`
	Failed    string   `json:"failed,omitempty"`
	Undecided []string `json:"undecided,omitempty"`
}

func (s Style) traceJSON(x Traced) jsonTrace {
	j := jsonTrace{Name: x.Name, Address: x.Address, Additions: []string{}, Trail: []jsonLook{}, Others: []string{}}
	if x.Err != nil {
		j.Error = x.Err.Error()
		return j
	}
	j.Packet, j.State, j.Verdict, j.Why = x.Packet.String(), x.Packet.State.String(), x.Fate.Verdict.String(), x.verdict()
	if x.Fate.Rule != nil {
		j.Rule, j.Table = x.Fate.Rule.ID, string(x.Fate.Table)
	}
	for _, a := range x.Fate.Additions {
		j.Additions = append(j.Additions, a.List+" "+a.Timeout.String())
	}
	for _, look := range x.Fate.Trail {
		j.Trail = append(j.Trail, jsonLook{string(look.Table), look.Index, look.Rule.ID, s.rule(*look.Rule), look.Matched, look.Failed, look.Undecided})
	}
	for _, o := range x.Others[1:] {
		j.Others = append(j.Others, fateText(o))
	}
	return j
}
