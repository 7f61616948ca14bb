package view

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// ProofsOf takes routers with their proofs.
func ProofsOf(sink Sink) *Flow[operate.Result] {
	return newFlow(sink, kind[operate.Result]{
		command: "prove",
		json:    func(r operate.Result) any { return sink.router(r, false) },
		header:  []string{"router", "promise", "verdict", "risk", "what", "packets"},
		cells:   sink.proofCells,
		text:    passages[operate.Result]{one: sink.proofText, between: "\n"},
	})
}

// proofText writes a proof in full: each promise, each door, each failure.
func (s Style) proofText(w io.Writer, r operate.Result) error {
	head(w, r, s)
	if r.Proof == nil {
		Say(w, "%s\n", wrap(visiblef("%s: %v", s.outcome(r.Outcome), r.Err), s.Width, 2))
		return nil
	}
	Say(w, "  %s, %s\n", Plural(len(r.Changes.Steps), "step"), over(*r.Proof))
	for _, p := range proof.Promises() {
		writePromise(w, *r.Proof, p, s)
	}
	for _, d := range r.Proof.Doors {
		Say(w, "  door %s opens over %s with %s and not with fewer\n", d.Name, d.Family, Plural(d.Packets, "packet"))
	}
	for _, note := range r.Changes.Notes {
		Say(w, "%s\n", wrap(clean("note: "+note), s.Width, 2))
	}
	writeVerdict(w, r, s)
	return nil
}

// over says over how much a proof goes.
func over(p proof.Proof) string {
	states := "the one state"
	if p.States > 1 {
		states = fmt.Sprintf("all %d states", p.States)
	}
	if p.Classes == 0 {
		return states
	}
	return fmt.Sprintf("%s, over %s classes of packets", states, large(p.Classes))
}

// large writes a number with at most two digits: 2.1e+14 as 210 trillion would be read by nobody.
func large(n float64) string {
	if n < 100_000 {
		return fmt.Sprint(int(n))
	}
	return fmt.Sprintf("10^%d", int(math.Log10(n)))
}

// writeVerdict is the proof in one line, and the counter-example where there is one.
func writeVerdict(w io.Writer, r operate.Result, s Style) {
	if r.Proof == nil {
		return
	}
	if r.Proof.Holds() {
		Say(w, "%s\n", wrap(visiblef("proof: %s in %s", s.color("32", "holds"), over(*r.Proof)), s.Width, 2))
	} else {
		Say(w, "%s\n", wrap(visiblef("proof: %s, looked at %s", s.color("33", "fails"), over(*r.Proof)), s.Width, 2))
	}
	for _, f := range r.Proof.Failures {
		writeFailure(w, f, s)
	}
	writeOpenings(w, r, s)
	for _, f := range r.Findings {
		if f.ID == "L20" || f.ID == "L21" {
			Say(w, "%s\n", wrap(visiblef("%s %s: %s", f.ID, f.Place, f.What), s.Width, 2))
		}
	}
	if len(r.Findings) > 0 {
		Say(w, "%s\n", s.faint(wrap(clean("lint: "+s.brief(r.Findings)+"; rosknock lint says why"), s.Width, 2)))
	}
	writeAccepted(w, r, s)
}

// writeAccepted says which risks were accepted.
func writeAccepted(w io.Writer, r operate.Result, s Style) {
	if r.Proof == nil {
		return
	}
	for _, f := range r.Proof.Accepted {
		Say(w, "%s\n", wrap(clean("accepted by name ("+f.Risk+"): "+f.What), s.Width, 2))
	}
}

// writeOpenings says what more can be reached without the plan.
func writeOpenings(w io.Writer, r operate.Result, s Style) {
	if r.Proof == nil {
		return
	}
	var texts []string
	families := map[string][]string{}
	for _, o := range r.Proof.Opens {
		text := o.String()
		if families[text] == nil {
			texts = append(texts, text)
		}
		families[text] = append(families[text], o.Family.String())
	}
	for _, text := range texts {
		Say(w, "%s\n", s.color("33", wrap(clean(text+", over "+strings.Join(families[text], " and ")), s.Width, 2)))
	}
}

// writeFailure shows the counter-example: the packets, and what becomes of the last before and
// then.
func writeFailure(w io.Writer, f proof.Failure, s Style) {
	for i, e := range f.Packets {
		Say(w, "%s\n", wrapWords([]visible{visiblef("packet %d:", i+1), clean(s.names.text(s.traceWords(e)))}, s.Width, 4))
	}
	if f.Was != nil && f.Is != nil {
		Say(w, "%s\n", wrap(clean("before: "+s.names.text(fateText(*f.Was))), s.Width, 4))
		Say(w, "%s\n", wrap(clean("then:   "+s.names.text(fateText(*f.Is))), s.Width, 4))
	}
}

func fateText(f firewall.Disposition) string {
	if f.Rule == nil {
		return f.Verdict.String() + " at the end of the chain, where no rule has decided"
	}
	return fmt.Sprintf("%s by %s %s", f.Verdict, f.Table, f.Rule.Describe())
}

// traceWords are the words with which trace shows the same packet.
func (s Style) traceWords(e proof.Packet) string {
	return strings.Join(s.trace(e, func(word string) string { return word }), " ")
}

// trace are the words of a command line of trace; packet makes those of the packet itself fit for a
// shell, which people hardly need to, as there are only numbers and signs in them.
func (s Style) trace(e proof.Packet, packet func(string) string) []string {
	words := []string{"trace"}
	for _, word := range e.Packet.Words() {
		words = append(words, packet(word))
	}
	if e.Secret && !s.Reveal {
		words = append(words[:3:3], masked)
	}
	words = append(words, "--in", ShellWord(e.Packet.InInterface))
	if e.Packet.State != firewall.New {
		words = append(words, "--state", e.Packet.State.String())
	}
	if e.Packet.IPsec {
		words = append(words, "--ipsec")
	}
	if plain, err := firewall.Parse(e.Packet.Words()); err == nil && plain.Size != e.Packet.Size && (!e.Secret || s.Reveal) {
		words = append(words, "--size", strconv.Itoa(e.Packet.Size))
	}
	for _, list := range e.Lists {
		words = append(words, "--list", ShellWord(list))
	}
	return words
}

func writePromise(w io.Writer, p proof.Proof, which proof.Promise, s Style) {
	word, text := s.color("32", "kept   "), which.String()
	if why, ok := p.Unasked[which]; ok {
		word, text = s.color("35", "unknown"), text+": "+why
	}
	if !p.Kept(which) {
		word, text = s.color("33", "broken "), which.String()
	}
	Say(w, "  %d %s %s\n", which, word, visible(strings.TrimLeft(string(wrap(clean(text), s.Width, 12)), " ")))
	for _, f := range p.Failures {
		if f.Promise == which {
			Say(w, "%s\n", wrap(clean(f.What), s.Width, 12))
			Say(w, "%s\n", wrap(clean("→ "+f.WayOut()), s.Width, 12))
		}
	}
}

type jsonProof struct {
	Holds    bool          `json:"holds"`
	States   int           `json:"states"`
	Classes  float64       `json:"classes"`
	Promises []jsonPromise `json:"promises"`
	Failures []jsonFailure `json:"failures"`
	Accepted []jsonFailure `json:"accepted,omitempty"`
	Doors    []jsonDoor    `json:"doors"`
	// Opens says of a removal and of an undo what more can be reached afterwards.
	Opens []jsonOpening `json:"opens,omitempty"`
	// Overrides are the rules of others that let in sources who would have to knock.
	Overrides []jsonOverride `json:"overrides,omitempty"`
	// Peers are connected peers of gated VPNs who would have to knock.
	Peers []jsonPeers `json:"peers,omitempty"`
}

// jsonPeers are connected peers of a VPN who would have to knock.
type jsonPeers struct {
	Family string `json:"family"`
	VPN    string `json:"vpn"`
	Count  int    `json:"count"`
	More   bool   `json:"more,omitempty"` // not all were looked at
}

type jsonOverride struct {
	Family  string `json:"family"`
	Rule    string `json:"rule"`
	Who     string `json:"who"`
	Reaches string `json:"reaches"`
	Allow   string `json:"allow,omitempty"` // the key of the plan that lets them in
	Present bool   `json:"present"`
}

type jsonOpening struct {
	Family     string   `json:"family"`
	What       string   `json:"what"`
	Interfaces []string `json:"interfaces"` // none: all
	From       string   `json:"from"`       // empty: anyone; else one of those sources
}

type jsonPromise struct {
	Number  int    `json:"number"`
	Promise string `json:"promise"`
	Verdict string `json:"verdict"` // kept, broken or unknown
	Why     string `json:"why,omitempty"`
}

type jsonFailure struct {
	Promise int      `json:"promise"`
	Risk    string   `json:"risk"`
	After   int      `json:"after-step"`
	What    string   `json:"what"`
	Remedy  string   `json:"remedy"`
	Packets []string `json:"packets,omitempty"`
	Before  string   `json:"before,omitempty"`
	Then    string   `json:"then,omitempty"`
}

type jsonDoor struct {
	Door    string `json:"door"`
	Family  string `json:"family"`
	Packets int    `json:"packets"`
}

func (s Style) proof(r operate.Result) *jsonProof {
	if r.Proof == nil {
		return nil
	}
	p := *r.Proof
	out := &jsonProof{Holds: p.Holds(), States: p.States, Classes: p.Classes, Failures: []jsonFailure{}, Doors: []jsonDoor{}}
	for _, which := range proof.Promises() {
		j := jsonPromise{Number: int(which), Promise: which.String(), Verdict: "kept"}
		if !p.Kept(which) {
			j.Verdict = "broken"
		} else if why, ok := p.Unasked[which]; ok {
			j.Verdict, j.Why = "unknown", why
		}
		out.Promises = append(out.Promises, j)
	}
	for _, f := range p.Failures {
		out.Failures = append(out.Failures, s.failure(f))
	}
	for _, f := range p.Accepted {
		out.Accepted = append(out.Accepted, s.failure(f))
	}
	for _, o := range p.Opens {
		out.Opens = append(out.Opens, jsonOpening{o.Family.String(), o.What, append([]string{}, o.Interfaces...), o.From})
	}
	for _, o := range p.Overrides {
		out.Overrides = append(out.Overrides, jsonOverride{o.Family.String(), o.Rule, o.Who, o.What, o.Allow, o.Present})
	}
	for _, p := range p.Peers {
		out.Peers = append(out.Peers, jsonPeers{p.Family.String(), p.VPN, p.Count, p.More})
	}
	for _, d := range p.Doors {
		out.Doors = append(out.Doors, jsonDoor{d.Name, d.Family.String(), d.Packets})
	}
	return out
}

func (s Style) failure(f proof.Failure) jsonFailure {
	out := jsonFailure{Promise: int(f.Promise), Risk: f.Risk, After: f.After, What: f.What, Remedy: f.Remedy}
	for _, e := range f.Packets {
		out.Packets = append(out.Packets, s.traceWords(e))
	}
	if f.Was != nil && f.Is != nil {
		out.Before, out.Then = fateText(*f.Was), fateText(*f.Is)
	}
	return out
}

// proofCells are the promises for CSV or Markdown, a row each.
func (s Style) proofCells(r operate.Result) [][]string {
	if r.Proof == nil {
		return [][]string{{r.Name, "", string(r.Outcome), "", reason(r.Err), ""}}
	}
	var rows [][]string
	p := s.proof(r)
	for _, promise := range p.Promises {
		row := []string{r.Name, promise.Promise, promise.Verdict, "", promise.Why, ""}
		for _, f := range append(p.Failures, p.Accepted...) {
			if f.Promise == promise.Number {
				row[3], row[4], row[5] = f.Risk, f.What, strings.Join(f.Packets, "; ")
			}
		}
		rows = append(rows, row)
	}
	return rows
}
