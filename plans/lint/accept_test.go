package lint_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/lint"
)

// TestAccepted: an acceptance is for its finding, its place, its routers, and until its day.
func TestAccepted(t *testing.T) {
	finding := lint.Finding{ID: "L55", Place: "dns, udp/53"}
	day := time.Date(2027, 6, 29, 23, 59, 59, 0, time.UTC)
	for item, want := range map[string]bool{
		"finding: L55":                                  true,
		"finding: L54":                                  false,
		"finding: L55, place: 'dns, udp/53'":            true,
		"finding: L55, place: 'dns, tcp/53'":            false,
		"finding: L55, routers: [pop1-*, 'branch-?']":   true,
		"finding: L55, routers: [branch]":               false,
		"finding: L55, until: 2027-06-30":               true,
		"finding: L55, until: 2027-06-29":               false,
		"exposure: dns":                                 false,
		"finding: L55, until: 2027-06-30, routers: [x]": false,
	} {
		all, err := lint.ReadAccept("accept.yaml", []byte("version: 1\naccept:\n  - {"+item+", reason: why}\n"))
		if err != nil {
			t.Fatal(item, err)
		}
		got := lint.Accepted(all, "branch-7", day, []lint.Finding{finding})
		if (got[finding] == "why") != want {
			t.Errorf("%s: %v", item, got)
		}
		if decided := lint.Decided(all, "branch-7", day)["dns"] != ""; decided != strings.HasPrefix(item, "exposure") {
			t.Errorf("%s: dns decided: %v", item, decided)
		}
	}
}

// TestAcceptable: every finding that an audit can have can be accepted, also those that lint looks for
// in plans as well.
func TestAcceptable(t *testing.T) {
	for _, id := range []string{"L02", "L03", "L06", "L10", "L11", "L20", "L21", "L28", "L51", "L55"} {
		if _, err := lint.ReadAccept("accept.yaml", []byte("version: 1\naccept: [{finding: "+id+", reason: why}]\n")); err != nil {
			t.Error(err)
		}
	}
}

// FuzzAccept: whatever a file holds, it is read or refused, and what was read can be asked.
func FuzzAccept(f *testing.F) {
	for _, item := range []string{"finding: L55, place: x, routers: ['a[b-c]'], reason: y, until: 2027-06-30", "exposure: dns, reason: y", "finding: L1"} {
		f.Add("version: 1\naccept:\n  - {" + item + "}\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := lint.ReadAccept("accept.yaml", []byte(text))
		if err != nil && all != nil {
			t.Error("acceptances beside an error")
		}
		for _, a := range all {
			if a.Reason == "" || (a.Finding == "") == (a.Exposure == "") {
				t.Errorf("%+v", a)
			}
		}
		lint.Accepted(all, "r1", time.Unix(0, 0), []lint.Finding{{ID: "L55"}})
	})
}
