package view

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
)

// Spot is a line of a file, from 1. Without a file it is nowhere.
type Spot struct {
	File string
	Line int
}

// AuditSARIFOf takes audits as a log in SARIF 2.1.0, which code hosts show beside the files. Results
// are the findings, and what more than the widest audience reaches; what was accepted is suppressed
// with its reason. spot says where something of a router stands in a file: place is that of a finding,
// "" is the router itself.
func AuditSARIFOf(sink Sink, check Check, tool string, spot func(a Audited, place string) Spot) *Flow[Audited] {
	sink.Color, sink.Format = false, "sarif"
	s := sarif{sink.Style, check, tool, spot, sarifRules()}
	return newFlow(sink, kind[Audited]{text: lines[Audited, sarifLine]{line: s.line, all: s.all}})
}

type sarif struct {
	Style
	check Check
	tool  string
	spot  func(a Audited, place string) Spot
	rules []sarifRule
}

// sarifLine is what is kept of a router.
type sarifLine struct {
	Results []sarifResult
	Unread  *sarifNotification
}

// exposureRule is the id of what more than the widest audience reaches; findings have those of lint.
const exposureRule = "exposure"

func (s sarif) line(a Audited) sarifLine {
	if a.Err != nil {
		return sarifLine{Unread: &sarifNotification{Level: "error", Message: sarifText{string(clean(a.Name + ": not read: " + reason(a.Err)))}, Locations: s.locations(a, "")}}
	}
	var out sarifLine
	for _, f := range a.Findings {
		message := a.Name + ": " + f.Place + ": " + f.What + ": " + f.Why + ". To mend it: " + f.Remedy
		out.Results = append(out.Results, s.result(a, f.ID, f.Severity, f.Place, message, a.Accepted[f], f.ID, f.Place, f.What))
	}
	for _, r := range a.Reach {
		if s.check.exposes(r) {
			out.Results = append(out.Results, s.exposure(a, r))
		}
	}
	return out
}

func (s sarif) exposure(a Audited, r audit.Reach) sarifResult {
	e := exposureOf(r)
	what := strings.Join([]string{e.Name, e.Port, e.Family}, " ")
	message := a.Name + ": " + what + " is reached by " + reachedBy(r) + "; allowed is " + lint.Audiences()[s.check.Widest]
	return s.result(a, exposureRule, lint.Refuse, e.Name, message, a.Decided[r.Name], exposureRule, what)
}

// result is about a place of a router; same is what makes it the same result tomorrow.
func (s sarif) result(a Audited, rule string, severity lint.Severity, place, message, accepted string, same ...string) sarifResult {
	sum := sha256.Sum256([]byte(strings.Join(append(same, a.Key, a.Name), "\x00")))
	r := sarifResult{
		RuleID: rule, RuleIndex: slices.IndexFunc(s.rules, func(r sarifRule) bool { return r.ID == rule }), Level: sarifLevel(severity),
		Message: sarifText{string(clean(message))}, Locations: s.locations(a, place), Fingerprints: map[string]string{"rosknock/v1": hex.EncodeToString(sum[:16])},
	}
	if accepted != "" {
		r.Suppressions = []sarifSuppression{{"external", "accepted", string(clean(accepted))}}
	}
	return r
}

func (s sarif) locations(a Audited, place string) []sarifLocation {
	name := string(short(a.Name))
	l := sarifLocation{Logical: []sarifLogical{{name, strings.TrimSuffix(name+"/"+string(clean(place)), "/"), "resource"}}}
	if spot := s.spot(a, place); spot.File != "" {
		l.Physical = &sarifPhysical{Artifact: sarifArtifact{fileURI(spot.File)}, Region: sarifRegion{max(spot.Line, 1)}}
	}
	return []sarifLocation{l}
}

// fileURI names a file: a relative one stays relative, to the top of the repository.
func fileURI(name string) string {
	u := url.URL{Path: filepath.ToSlash(strings.ToValidUTF8(name, "\uFFFD"))}
	if filepath.IsAbs(name) {
		u.Scheme = "file"
		u.Path = "/" + strings.TrimPrefix(u.Path, "/")
	}
	return u.String()
}

func sarifLevel(s lint.Severity) string {
	return map[lint.Severity]string{lint.Refuse: "error", lint.Warn: "warning", lint.Inform: "note"}[s]
}

// sarifRules are the rules of lint, and the one of exposures.
func sarifRules() []sarifRule {
	var out []sarifRule
	for _, r := range lint.Rules() {
		out = append(out, sarifRule{r.ID, sarifText{r.Title}, sarifConfiguration{sarifLevel(r.Severity)}})
	}
	return append(out, sarifRule{exposureRule, sarifText{"more than is allowed reach something"}, sarifConfiguration{"error"}})
}

// all writes the log, result by result.
func (s sarif) all(w io.Writer, all iter.Seq[sarifLine]) error {
	driver, err := sarifJSON(sarifDriver{"rosknock", strings.TrimPrefix(s.tool, "rosknock "), "https://github.com/rosknock/rosknock", s.rules})
	if err != nil {
		return err
	}
	between := `{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":{"driver":` + driver + "},\"results\":[\n"
	unread := []sarifNotification{}
	for l := range all {
		if l.Unread != nil {
			unread = append(unread, *l.Unread)
		}
		for _, r := range l.Results {
			text, err := sarifJSON(r)
			if err == nil {
				err = put(w, between, text)
			}
			if err != nil {
				return err
			}
			between = ",\n"
		}
	}
	if between == ",\n" {
		between = ""
	}
	invocation, err := sarifJSON(sarifInvocation{len(unread) == 0, unread})
	if err != nil {
		return err
	}
	return put(w, between, "\n],\"invocations\":["+invocation+"]}]}\n")
}

func sarifJSON(v any) (string, error) {
	var b bytes.Buffer
	err := encode(&b, v, "", "")
	return strings.TrimSuffix(b.String(), "\n"), err
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	About   string      `json:"informationUri"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID            string             `json:"id"`
	Short         sarifText          `json:"shortDescription"`
	Configuration sarifConfiguration `json:"defaultConfiguration"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"name"`
	Full string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
}
