package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// Audited is a router with its audit.
type Audited struct {
	operate.Result
	audit.Report
	// Accepted are the findings that were decided on, and Decided the names of what may be exposed,
	// each with the reason.
	Accepted map[lint.Finding]string
	Decided  map[string]string
}

// AuditsOf takes audits. In full they are told of one router; of several, people see what is equal
// once. With an earlier audit they see what changed since.
func AuditsOf(sink Sink, full bool, earlier *Earlier) *Flow[Audited] {
	s := auditStyle{sink.Style}
	k := kind[Audited]{
		command: "audit",
		json:    func(a Audited) any { return s.json(a, earlier) },
		header:  []string{"router", "name", "protocol", "ports", "family", "reached-by"},
		cells:   Audited.cells,
		text:    lines[Audited, auditLine]{line: func(a Audited) auditLine { return s.line(a, full) }, all: fleetText{s, full}.all},
	}
	if earlier != nil {
		since := sinceText{s, *earlier}
		k.text = lines[Audited, sinceLine]{line: since.line, all: since.all}
	}
	return newFlow(sink, k)
}

func (s auditStyle) json(a Audited, earlier *Earlier) jsonAudit {
	out := s.auditJSON(a)
	if earlier != nil && a.Err == nil {
		since := earlier.since(out)
		out.Since = &since
	}
	return out
}

// auditStyle writes audits.
type auditStyle struct{ Style }

// one writes the audit of one router in full.
func (s auditStyle) one(w io.Writer, a Audited) {
	head(w, a.Result, s.Style)
	if a.Err != nil {
		Say(w, "%s\n", wrap(clean(reason(a.Err)), s.Width, 2))
		return
	}
	s.text(w, a)
}

func (a Audited) cells() [][]string {
	var rows [][]string
	for _, r := range a.Reach {
		rows = append(rows, []string{a.Name, r.Name, r.Protocol, r.Ports, familyText(r), reachedBy(r)})
	}
	for _, k := range a.Knocks {
		rows = append(rows, []string{a.Name, "knock " + k.List, "", "", k.Family.String(), knockText(k)})
	}
	return rows
}

func (s auditStyle) text(w io.Writer, a Audited) {
	_ = a.reachTable(s.Width).text(w, s.Width) // to memory
	Say(w, "\n")
	for _, line := range a.unlisted() {
		Say(w, "%s\n", wrap(clean(line), s.Width, 2))
	}
	for _, f := range a.Families() {
		Say(w, "%s\n", wrap(clean(openText(a.Report, f)), s.Width, 2))
	}
	section(w, "knocks", len(a.Knocks), "no knock rules", s.Style)
	for _, k := range a.Knocks {
		s.knock(w, k)
	}
	section(w, "rules that do nothing", len(a.Dead), "none", s.Style)
	for _, d := range a.Dead {
		Say(w, "%s\n", wrap(visiblef("%s %s: %s", d.Menu, d.Rule, d.Why), s.Width, 2))
	}
	section(w, "findings", len(a.Findings), "nothing", s.Style)
	for _, f := range a.Findings {
		s.accepted(w, f, a.Accepted[f])
	}
	for _, n := range a.Notes {
		Say(w, "%s\n", wrap(clean("note: "+n), s.Width, 2))
	}
}

// accepted writes a finding, and the reason for which it was accepted, if it was.
func (s auditStyle) accepted(w io.Writer, f lint.Finding, reason string) {
	if reason == "" {
		s.finding(w, "  ", f, "")
		return
	}
	s.finding(w, "  ", f, "accepted")
	Say(w, "%s\n", wrap(clean("accepted: "+reason), s.Width, 6))
}

// reachTable has a row for what runs, and for services and VPNs that may. The last column is wrapped,
// never cut.
func (a Audited) reachTable(width int) table {
	t := table{header: []string{"SERVICE", "PORT", "FAMILY", "REACHED BY"}}
	t.whole = t.header
	for _, r := range a.Reach {
		if inTable(r) {
			t.rows = append(t.rows, []string{r.Name, portText(r), familyText(r), reachedBy(r)})
		}
	}
	return t.lastFolded(width)
}

func inTable(r audit.Reach) bool {
	return !r.Off() && (r.State == routeros.ServerOn || r.Kind == audit.Service || r.Kind == audit.VPN)
}

func portText(r audit.Reach) string {
	if r.Protocol == "" {
		return "-"
	}
	return r.Protocol + "/" + r.Ports
}

func familyText(r audit.Reach) string {
	if r.Family == 0 {
		return string(audit.Layer2)
	}
	return r.Family.String()
}

// unlisted names what stands in no row of the table: what is off, and what the router does not tell.
func (a Audited) unlisted() []string {
	var off, untold []string
	for _, r := range a.Reach {
		switch {
		case r.Off():
			off = append(off, r.Name)
		case !inTable(r):
			untold = append(untold, r.Name)
		}
	}
	var out []string
	if off = distinct(off); len(off) > 0 {
		out = append(out, "off: "+strings.Join(off, ", "))
	}
	if untold = distinct(untold); len(untold) > 0 {
		out = append(out, "not known whether it runs: "+strings.Join(untold, ", "))
	}
	return out
}

func distinct(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// openText says what anyone reaches in a family, or perhaps reaches.
func openText(r audit.Report, f routeros.Family) string {
	open := r.Open(f)
	doubtful, untold := r.Doubtful(f)
	var parts []string
	if len(open) > 0 {
		reached := "it"
		if slices.ContainsFunc(r.Reach, func(one audit.Reach) bool {
			return one.Family == f && one.State == routeros.ServerUnknown && slices.Contains(open, one.Name)
		}) {
			reached = "what of it runs"
		}
		parts = append(parts, fmt.Sprintf("over %s the firewall gates nothing of %s: anyone outside reaches %s", f, strings.Join(open, ", "), reached))
	}
	if len(doubtful) > 0 {
		parts = append(parts, fmt.Sprintf("over %s anyone perhaps reaches %s", f, strings.Join(doubtful, ", ")))
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, "; ")
	case len(untold) > 0:
		return fmt.Sprintf("over %s nothing that is known to run is open to anyone", f)
	}
	return fmt.Sprintf("over %s nothing is open to anyone", f)
}

// section heads a part of the text.
func section(w io.Writer, title visible, n int, none string, s Style) {
	Say(w, "\n%s\n", s.bold(title))
	if n == 0 {
		Say(w, "  %s\n", none)
	}
}

func reachedBy(r audit.Reach) string {
	if r.Off() {
		return "off"
	}
	var out []string
	for _, by := range r.By {
		out = append(out, byText(by))
	}
	text := strings.Join(out, ", ")
	if text == "" {
		text = "nobody"
	}
	if r.State == routeros.ServerUnknown {
		text += "; not known whether it runs"
	}
	return text
}

func byText(by audit.By) string {
	text := string(by.Who)
	if by.Perhaps {
		text = "perhaps " + text
	}
	named := by.Perhaps || by.Who == audit.Anyone || by.Who == audit.AllowList || by.Who == audit.Neighbors
	if len(by.Detail) > 0 && named {
		text += " (" + strings.Join(by.Detail, ", ") + ")"
	}
	return text
}

// knock writes one knock: how it opens, how strong it is, what it opens.
func (s Style) knock(w io.Writer, k audit.Knock) {
	Say(w, "%s\n", wrap(visiblef("list %s, %s: %s", short(k.List), k.Family, knockText(k)), s.Width, 2))
	for i, step := range k.Steps {
		Say(w, "    %d %s, remembered for %s\n", i+1, s.step(step), remembered(step))
	}
}

func remembered(step sequence.Step) string {
	if step.Timeout == 0 {
		return "ever"
	}
	return routeros.FormatDuration(step.Timeout)
}

// step names one packet of a knock; which port it has is a secret.
func (s Style) step(step sequence.Step) string {
	ports := masked
	if s.Reveal {
		if ports = fmt.Sprint(step.First); step.Last != step.First {
			ports = fmt.Sprintf("%d-%d", step.First, step.Last)
		}
	}
	if step.Protocol == "icmp" {
		return "icmp of " + ports + " bytes"
	}
	return step.Protocol + "/" + ports
}

// knockText says in a sentence what a knock is worth.
func knockText(k audit.Knock) string {
	var parts []string
	if k.Why != "" {
		parts = append(parts, k.Why)
	}
	if k.Works() {
		parts = append(parts, fmt.Sprintf("opens with %s", packets(k.Steps)), strengthText(k.Strength, payload(k.Steps), k.Detector))
	}
	if k.Works() && k.Quarantine != "" {
		parts = append(parts, quarantineText(k))
	}
	if k.Works() && len(k.Opens) > 0 {
		parts = append(parts, "lets its list reach "+strings.Join(k.Opens, ", "))
	}
	if len(k.Open) > 0 {
		parts = append(parts, "gates nothing of "+strings.Join(k.Open, ", ")+", which anyone reaches")
	}
	return strings.Join(parts, "; ")
}

// quarantineText says what wrong knocks do.
func quarantineText(k audit.Knock) string {
	text := "a wrong packet puts its source on the list " + k.Quarantine + ", which keeps it out"
	switch k.Decoys {
	case 0:
		return text
	case 1:
		return text + ", with 1 decoy"
	}
	return fmt.Sprintf("%s, with %d decoys", text, k.Decoys)
}

func packets(steps []sequence.Step) string {
	kind, same := "packet", steps[0].Protocol
	for _, s := range steps {
		if s.Protocol != same {
			same = ""
		}
	}
	if same == "icmp" {
		kind = "ping"
	}
	if len(steps) == 1 {
		return "1 " + kind
	}
	return fmt.Sprintf("%d %ss", len(steps), kind)
}

func payload(steps []sequence.Step) bool {
	return slices.ContainsFunc(steps, func(s sequence.Step) bool { return s.Payload })
}

// strengthText says how a knock withstands a scan.
func strengthText(s sequence.Strength, payload, detector bool) string {
	if payload {
		return "it needs a payload, which a sweep of ports does not send"
	}
	text := fmt.Sprintf("a sweep of all ports in random order at %d packets/s opens it with a chance of %s", sequence.DefaultRate, percent(s.Random))
	switch {
	case s.Ascending && s.Descending:
		text += ", an ascending and a descending sweep do"
	case s.Ascending:
		text += ", one ascending sweep does"
	case s.Descending:
		text += ", one descending sweep does"
	}
	if detector {
		text += ", unless the rule that looks out for port scans stops it before"
	}
	return text
}

func percent(p float64) string {
	switch {
	case p == 0:
		return "0 %"
	case p < 0.0001:
		return "less than 0.01 %"
	case p < 0.01:
		return fmt.Sprintf("%.2f %%", 100*p)
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}

type jsonAudit struct {
	Name     string        `json:"name"`
	Address  string        `json:"address"`
	Identity string        `json:"identity"`
	Version  string        `json:"version"`
	Reach    []jsonReach   `json:"reach"`
	Open     []string      `json:"open"` // what anyone reaches, as name/family
	Knocks   []jsonKnock   `json:"knocks"`
	Dead     []jsonDead    `json:"dead"`
	Lint     []jsonFinding `json:"lint"`
	Notes    []string      `json:"notes"`
	Since    *jsonSince    `json:"since,omitempty"` // what changed, with --since
	Error    string        `json:"error"`
}

type jsonReach struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"` // service, vpn, server or layer-2
	Protocol string   `json:"protocol"`
	Ports    string   `json:"ports"`
	Family   string   `json:"family"` // or layer-2
	State    string   `json:"state"`  // on, off or unknown
	Disabled bool     `json:"disabled"`
	By       []jsonBy `json:"by"`
}

type jsonBy struct {
	Who     string   `json:"who"`
	Detail  []string `json:"detail"`
	Perhaps bool     `json:"perhaps"` // it hangs on something that neither packet nor configuration tells
}

type jsonKnock struct {
	List       string   `json:"list"`
	Family     string   `json:"family"`
	Works      bool     `json:"works"`
	Why        string   `json:"why,omitempty"`
	Steps      []string `json:"steps"`
	Opens      []string `json:"opens"`
	Rules      []string `json:"rules"`
	Random     float64  `json:"random-sweep"`
	Ascending  bool     `json:"ascending-sweep"`
	Descending bool     `json:"descending-sweep"`
	Bits       float64  `json:"bits"`
	Quarantine string   `json:"quarantine,omitempty"`
	Decoys     int      `json:"decoys,omitempty"`
}

type jsonDead struct {
	Path string `json:"path"`
	Rule string `json:"rule"`
	Why  string `json:"why"`
}

func (s Style) auditJSON(a Audited) jsonAudit {
	j := jsonAudit{
		Name: a.Name, Address: a.Address, Identity: a.Identity(), Version: a.Version(), Reach: []jsonReach{}, Open: []string{}, Knocks: []jsonKnock{}, Dead: []jsonDead{},
		Lint: []jsonFinding{}, Notes: append([]string{}, a.Notes...),
	}
	if a.Err != nil {
		j.Error = a.Err.Error()
	}
	for _, f := range a.Families() {
		for _, name := range a.Open(f) {
			j.Open = append(j.Open, name+"/"+f.String())
		}
	}
	for _, r := range a.Reach {
		j.Reach = append(j.Reach, reachJSON(r))
	}
	for _, k := range a.Knocks {
		j.Knocks = append(j.Knocks, s.knockJSON(k))
	}
	for _, d := range a.Dead {
		j.Dead = append(j.Dead, jsonDead{string(d.Menu), d.Rule, d.Why})
	}
	for _, f := range a.Findings {
		one := findingJSON(f)
		one.Accepted = a.Accepted[f]
		j.Lint = append(j.Lint, one)
	}
	return j
}

func reachJSON(r audit.Reach) jsonReach {
	out := jsonReach{
		Name: r.Name, Kind: string(r.Kind), Protocol: r.Protocol, Ports: r.Ports, Family: familyText(r),
		State: string(r.State), Disabled: r.Off(), By: []jsonBy{},
	}
	for _, by := range r.By {
		out.By = append(out.By, jsonBy{string(by.Who), append([]string{}, by.Detail...), by.Perhaps})
	}
	return out
}

func (s Style) knockJSON(k audit.Knock) jsonKnock {
	out := jsonKnock{
		List: k.List, Family: k.Family.String(), Works: k.Works(), Why: k.Why, Steps: []string{}, Opens: append([]string{}, k.Opens...), Rules: []string{},
		Random: k.Strength.Random, Ascending: k.Strength.Ascending, Descending: k.Strength.Descending, Bits: k.Strength.Bits, Quarantine: k.Quarantine, Decoys: k.Decoys,
	}
	for _, step := range k.Steps {
		out.Steps = append(out.Steps, s.step(step)+" for "+remembered(step))
	}
	out.Rules = append(out.Rules, k.Rules...)
	return out
}
