package view_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/trusted"
)

// fleet is the example with groups and times, and two routers more.
func fleet() []operate.Result {
	routers := example()
	for i := range routers {
		routers[i].Plan, routers[i].Took, routers[i].Groups = "p", time.Duration(i+1)*123*time.Millisecond, []string{"branches"}
	}
	return append(routers,
		operate.Result{Name: "r4", Address: "192.0.2.4:8729", Plan: "p", Outcome: apply.Skipped, Note: "changed in run-20261121-041500-3fa9 at 2026-11-21 04:15:12"},
		operate.Result{Name: "r5", Address: "192.0.2.5:8729", Plan: "q", Outcome: apply.Refused, Err: io.ErrUnexpectedEOF})
}

// TestFleetFormats: the files of a run hold what happened, no knock, and text only.
func TestFleetFormats(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 15, 0, 0, time.UTC)
	style := view.Style{Width: 80}
	for file, text := range map[string][]byte{
		"fleet.txt":  written(t, "text", style, changesOf("diff", 21), fleet()...),
		"fleet.xml":  written(t, "text", style, junitOf, fleet()...),
		"fleet.prom": written(t, "text", style, metricsOf(at), fleet()...),
		"inventory.txt": written(t, "text", style, view.InventoryOf,
			view.Inventoried{Name: "r0001", Site: "pop1", Address: "192.0.2.1:8729", User: "provision", Groups: []string{"branches"}, Tags: []string{"edge"}, Plans: []string{"plans/branch.yaml"}}),
		"checked.txt": written(t, "text", style, view.ChecksOf, fleet()...),
	} {
		golden(t, file, text)
		if !utf8.Valid(text) || bytes.Contains(text, []byte("5432")) {
			t.Errorf("%s: a knock, or no text", file)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if strings.HasSuffix(file, ".txt") && utf8.RuneCountInString(line) > 80 {
				t.Errorf("%s: wider than a terminal: %s", file, line)
			}
		}
	}
}

func junitOf(sink view.Sink) *view.Flow[operate.Result] { return view.JUnitOf(sink, "diff", true) }

func metricsOf(at time.Time) func(view.Sink) *view.Flow[operate.Result] {
	return func(sink view.Sink) *view.Flow[operate.Result] {
		return view.MetricsOf(sink, "diff", at, func() time.Duration { return time.Minute })
	}
}

// TestJUnitIsXML reads the file with a reader of XML, as a CI system does: the counts are those of
// the cases.
func TestJUnitIsXML(t *testing.T) {
	b := written(t, "text", view.Style{Width: 80}, junitOf, fleet()...)
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	cases, failures, problems, skipped := 0, 0, 0, 0
	for _, s := range got.Suites {
		for _, c := range s.Cases {
			cases++
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				problems++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
	}
	if cases != got.Tests || failures != got.Failures || problems != got.Errors || cases != 5 || failures != 2 || problems != 1 || skipped != 1 {
		t.Errorf("%d cases, %d failures, %d errors, %d skipped; %+v", cases, failures, problems, skipped, got)
	}
}

// TestMetricsParse reads the file as the node exporter does.
func TestMetricsParse(t *testing.T) {
	b := written(t, "text", view.Style{Width: 80}, metricsOf(time.Unix(1795000000, 0)), fleet()...)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, m := range families["rosknock_routers"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "outcome" {
				counts[l.GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if counts["changed"] != 1 || counts["unchanged"] != 1 || counts["failed"] != 1 || counts["refused"] != 1 || counts["skipped"] != 1 || len(counts) != 7 {
		t.Error(counts)
	}
}

func TestTrustedEvent(t *testing.T) {
	e := trusted.Event{Time: time.Date(2026, 11, 21, 4, 15, 0, 0, time.UTC), What: trusted.Added, Entry: trusted.Entry{
		Door: trusted.Door{Plan: "p", Name: "d", List: "l"}, In: "l", Address: "203.0.113.9", Kind: trusted.Knocked, Expires: true, ExpiresIn: time.Hour}}
	var b bytes.Buffer
	if err := view.TrustedEvent(&b, "text", "r1", e, view.Style{}); err != nil || b.String() != "2026-11-21T04:15:00Z r1 added 203.0.113.9 p/d knocked for 1h\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	if err := view.TrustedEvent(&b, "json", "r1", e, view.Style{}); err != nil || strings.Count(b.String(), "\n") != 1 || !strings.Contains(b.String(), `"event":"added"`) {
		t.Errorf("%q, %v", b.String(), err)
	}
}
