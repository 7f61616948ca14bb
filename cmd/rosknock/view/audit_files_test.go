package view_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
)

// nasty is a router's name that no format may take for more than text.
const nasty = "<img src=x onerror=alert(1)>\"'&]]>{}\\\n# TYPE x\x1b[31m\xff\u202e"

// audits are a router with all that the files tell apart, one that is as it, and one that was not
// read.
func audits() []view.Audited {
	dns := lint.Finding{ID: "L55", Severity: lint.Warn, Place: "dns, udp/53", What: "anyone reaches it", Why: "others are attacked", Remedy: "drop it"}
	list := lint.Finding{ID: "L20", Severity: lint.Refuse, Place: "list " + nasty, What: "a sweep opens it", Why: "scanners sweep", Remedy: "use more stages"}
	info := lint.Finding{ID: "L31", Severity: lint.Inform, Place: "list x", What: "it can be forged", Why: "addresses are", Remedy: "keep it short"}
	one := view.Audited{
		Result: operate.Result{Name: nasty, Key: "-/" + nasty, Snapshot: &routeros.Snapshot{Identity: nasty}, Took: time.Second, Findings: []lint.Finding{dns, list, info}},
		Report: audit.Report{
			Reach: []audit.Reach{
				{Name: "dns", Kind: audit.Server, Protocol: "udp", Ports: "53", Family: routeros.IPv4, State: routeros.ServerOn, By: []audit.By{{Who: audit.Anyone, Detail: []string{nasty}}}},
				{Name: "snmp", Kind: audit.Server, Protocol: "udp", Ports: "161", Family: routeros.IPv4, State: routeros.ServerUnknown, By: []audit.By{{Who: audit.Anyone, Perhaps: true}}},
				{Name: "ssh", Kind: audit.Service, Protocol: "tcp", Ports: "22", Family: routeros.IPv4, State: routeros.ServerOn, By: []audit.By{{Who: audit.LAN}}},
				{Name: "ftp", Kind: audit.Service, Protocol: "tcp", Ports: "21", Family: routeros.IPv4, State: routeros.ServerOff},
			},
			Dead: []audit.Dead{{Menu: routeros.Filter, Rule: nasty, Why: nasty}}, Notes: []string{nasty},
		},
		Accepted: map[lint.Finding]string{dns: "why " + nasty}, Decided: map[string]string{"snmp": "why " + nasty},
	}
	same := one
	same.Name, same.Key = "same", "-/same"
	return []view.Audited{one, same, {Result: operate.Result{Name: "gone", Key: "-/gone", Err: errors.New("refused " + nasty)}}}
}

var strictCheck = view.Check{Widest: lint.ToLAN, Strict: true}

func spotted(_ view.Audited, place string) view.Spot {
	return view.Spot{File: "fleets/a b#c.yaml", Line: len(place)}
}

// TestAuditJUnit: the counts are those of the cases, and what was accepted is skipped.
func TestAuditJUnit(t *testing.T) {
	b := written(t, "text", view.Style{Width: 80}, func(s view.Sink) *view.Flow[view.Audited] { return view.AuditJUnitOf(s, strictCheck) }, audits()...)
	var got struct {
		Suites []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Skipped  int `xml:"skipped,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	var counts []string
	for _, s := range got.Suites {
		failures, problems, skipped := 0, 0, 0
		for _, c := range s.Cases {
			failures, problems, skipped = failures+set(c.Failure), problems+set(c.Error), skipped+set(c.Skipped)
		}
		if failures != s.Failures || problems != s.Errors || skipped != s.Skipped || len(s.Cases) != s.Tests {
			t.Errorf("%s: %+v", s.Name, s)
		}
		counts = append(counts, fmt.Sprintf("%d: %d %d %d", s.Tests, s.Failures, s.Errors, s.Skipped))
	}
	if want := []string{"7: 2 0 2", "7: 2 0 2", "1: 0 1 0"}; !slices.Equal(counts, want) {
		t.Errorf("%q, not %q", counts, want)
	}
	loose := written(t, "text", view.Style{Width: 80}, func(s view.Sink) *view.Flow[view.Audited] {
		return view.AuditJUnitOf(s, view.Check{Widest: lint.ToAnyone})
	}, audits()...)
	if bytes.Contains(loose, []byte("<failure")) {
		t.Error("something fails though nothing was asked for")
	}
}

func set(p *struct{}) int {
	if p == nil {
		return 0
	}
	return 1
}

// TestAuditSARIF holds the log to what SARIF 2.1.0 asks for.
func TestAuditSARIF(t *testing.T) {
	b := written(t, "text", view.Style{Width: 80}, func(s view.Sink) *view.Flow[view.Audited] {
		return view.AuditSARIFOf(s, strictCheck, "v1", spotted)
	}, audits()...)
	var log struct {
		Version string
		Schema  string `json:"$schema"`
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct{ ID string }
				}
			}
			Results []struct {
				RuleID       string
				RuleIndex    int
				Level        string
				Message      struct{ Text string }
				Suppressions []struct{ Kind, Status, Justification string }
				Locations    []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
				PartialFingerprints map[string]string
			}
			Invocations []struct {
				ExecutionSuccessful        bool
				ToolExecutionNotifications []struct{ Message struct{ Text string } }
			}
		}
	}
	if err := json.Unmarshal(b, &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Fatal(err, string(b))
	}
	run := log.Runs[0]
	var got []string
	prints := map[string]bool{}
	for _, r := range run.Results {
		at := r.Locations[0].PhysicalLocation
		if u, err := url.Parse(at.ArtifactLocation.URI); err != nil || u.Path != "fleets/a b#c.yaml" || at.Region.StartLine < 1 {
			t.Errorf("it stands at %+v", at)
		}
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || r.Message.Text == "" {
			t.Errorf("%+v", r)
		}
		prints[r.PartialFingerprints["rosknock/v1"]] = true
		one := r.RuleID + " " + r.Level
		if len(r.Suppressions) > 0 {
			one += " " + r.Suppressions[0].Status
		}
		got = append(got, one)
	}
	each := []string{"L55 warning accepted", "L20 error", "L31 note", "exposure error", "exposure error accepted"}
	if want := slices.Concat(each, each); !slices.Equal(got, want) || len(prints) != len(want) {
		t.Errorf("%q with %d fingerprints, not %q", got, len(prints), want)
	}
	if i := run.Invocations[0]; i.ExecutionSuccessful || len(i.ToolExecutionNotifications) != 1 {
		t.Errorf("%+v", i)
	}
	none := written(t, "text", view.Style{}, func(s view.Sink) *view.Flow[view.Audited] {
		return view.AuditSARIFOf(s, strictCheck, "v1", spotted)
	})
	if err := json.Unmarshal(none, &log); err != nil || !bytes.Contains(none, []byte(`"executionSuccessful":true,"toolExecutionNotifications":[]`)) {
		t.Errorf("of no router: %v %s", err, none)
	}
}

// TestAuditMetrics reads the file as the node exporter does.
func TestAuditMetrics(t *testing.T) {
	b := written(t, "text", view.Style{}, func(s view.Sink) *view.Flow[view.Audited] {
		return view.AuditMetricsOf(s, strictCheck, time.Unix(1795000000, 0), func() time.Duration { return time.Minute })
	}, audits()...)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() != "command" {
					name += " " + l.GetValue()
				}
			}
			got[name] = m.GetGauge().GetValue()
			name = family.GetName()
		}
	}
	for name, want := range map[string]float64{
		"rosknock_audit_routers yes": 2, "rosknock_audit_routers no": 1, "rosknock_audit_router_passes same": 0, "rosknock_audit_router_read gone": 0, "rosknock_audit_router_read same": 1,
		"rosknock_audit_exposures same yes anyone": 1, "rosknock_audit_exposures same no anyone": 1, "rosknock_audit_exposures same yes LAN": 1,
		"rosknock_audit_findings no same refuse": 1, "rosknock_audit_findings no same warn": 0, "rosknock_audit_findings yes same warn": 1, "rosknock_run_duration_seconds": 60,
	} {
		if value, there := got[name]; !there || value != want {
			t.Errorf("%s is %v (%v), not %v", name, value, there, want)
		}
	}
}

// TestAuditFilesHostile: whatever a router is called, no file has a character in it that nobody sees,
// nor HTML.
func TestAuditFilesHostile(t *testing.T) {
	for what, text := range auditFiles(t, audits()...) {
		if strings.ContainsAny(text, "\x1b\u202e\x00\r") || what == "metrics" && strings.Contains(text, "\n# TYPE x") || !strings.Contains(text, "img src=x") {
			t.Errorf("%s: %q", what, text)
		}
		if (what == "page" || what == "junit") && strings.Contains(text, "<img") {
			t.Errorf("%s has an element of somebody else", what)
		}
	}
}

func auditFiles(t *testing.T, of ...view.Audited) map[string]string {
	t.Helper()
	out := map[string]string{}
	for what, flow := range map[string]func(view.Sink) *view.Flow[view.Audited]{
		"junit": func(s view.Sink) *view.Flow[view.Audited] { return view.AuditJUnitOf(s, strictCheck) },
		"sarif": func(s view.Sink) *view.Flow[view.Audited] { return view.AuditSARIFOf(s, strictCheck, "v1", spotted) },
		"metrics": func(s view.Sink) *view.Flow[view.Audited] {
			return view.AuditMetricsOf(s, strictCheck, time.Unix(1, 0), func() time.Duration { return 0 })
		},
		"page": func(s view.Sink) *view.Flow[view.Audited] { return auditPage(t, s) },
	} {
		out[what] = string(written(t, "text", view.Style{Width: 80}, flow, of...))
	}
	return out
}

func auditPage(t *testing.T, s view.Sink) *view.Flow[view.Audited] {
	t.Helper()
	f, err := view.AuditPageOf(s, strictCheck, nil, func() (view.Run, []page.Source) {
		return view.Run{Actor: nasty}, []page.Source{{What: "Inventory", Name: nasty}}
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestAuditPageFolds: routers of which the same was found are one kind, whatever the others are.
func TestAuditPageFolds(t *testing.T) {
	all := audits()
	for i := range 500 {
		one := all[1]
		one.Name = fmt.Sprintf("r%d", i)
		all = append(all, one)
	}
	text := string(written(t, "text", view.Style{Width: 80}, func(s view.Sink) *view.Flow[view.Audited] { return auditPage(t, s) }, all...))
	if n := strings.Count(text, `class="router kind"`); n != 1 {
		t.Errorf("%d kinds", n)
	}
	for _, want := range []string{"<li>r499</li>", "<li>gone</li>", "The check fails on 502 of 502 routers", "502 on 502", "all 502"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// readings counts how often a store is read.
type readings struct {
	view.Store
	n *int
}

func (r readings) All() iter.Seq[[]byte] {
	*r.n++
	return r.Store.All()
}

// TestJUnitReadings: a suite for each of many routers does not make each be read again.
func TestJUnitReadings(t *testing.T) {
	n := 0
	var b bytes.Buffer
	sink := sinkTo(&b, "text", view.Style{})
	sink.Keep = func() view.Store { return readings{newShelf(), &n} }
	f := view.AuditJUnitOf(sink, strictCheck)
	for i := range 40 {
		f.Put(i, view.Audited{Result: operate.Result{Name: fmt.Sprint("r", i)}})
	}
	if err := f.End(); err != nil || strings.Count(b.String(), "<testsuite ") != 40 || strings.Count(b.String(), "<testcase ") != 40 {
		t.Errorf("%v: %s", err, b.String())
	}
	if n > 1 {
		t.Errorf("the store was asked %d times", n)
	}
}
