package proof_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

func aheadPlan(t testing.TB, layout plans.Layout, every, ahead time.Duration, firewall ...string) plans.Plan {
	t.Helper()
	p, err := plans.Read("ahead.yaml", []byte(`version: 1
name: m
doors:
  admin:
    rotate: {secret: "env:X", stages: 4, every: `+routeros.FormatDuration(every)+`, ahead: `+map[time.Duration]string{24 * time.Hour: "1d", 7 * 24 * time.Hour: "7d"}[ahead]+`}
    trusted: {list: m_trusted, for: 1d}
    opens: [ssh, winbox]
    log: {prefix: knocked}
allow: {addresses: [198.51.100.7]}
gate: {services: [ssh, winbox, api, api-ssl], vpns: [wireguard]}
firewall: {families: [ipv4], layout: `+layout.String()+strings.Join(firewall, "")+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func laidDown(t testing.TB, p plans.Plan, s routeros.Snapshot) compile.RuleSet {
	t.Helper()
	now, err := sequence.Standing(p, "r1", s.Clock, func(plans.Credential) (string, error) { return "0123456789abcdef", nil })
	if err != nil {
		t.Fatal(err)
	}
	want, err := compile.Compile(now, s)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// TestAhead installs a day of knocks and moves on from window to window: each change is shown to be
// safe, and touches only the window that is over.
func TestAhead(t *testing.T) {
	zone, err := time.LoadLocation("America/St_Johns") // half an hour off, so that midnight lies within a window
	if err != nil {
		t.Skip(err)
	}
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		t.Run(layout.String(), func(t *testing.T) {
			p := aheadPlan(t, layout, 2*time.Hour, 24*time.Hour)
			s := fixture(t, "no-drop.rsc")
			s.Clock = time.Date(2026, 11, 21, 10, 15, 0, 0, zone)
			want := laidDown(t, p, s)
			got, changes := proved(t, s, want, change.Management{})
			if !got.Holds() || len(got.Doors) != 1 || got.Doors[0].Packets != 4 {
				t.Fatalf("%v, %+v", got.Err(), got.Doors)
			}
			unkept(t, s, want)
			for n := range 15 {
				s = changetest.After(t, s, changes)
				if again := laidDown(t, p, s); n > 0 && len(steps(t, s, again)) > 0 {
					t.Fatalf("at %s: left to do: %v", s.Clock, steps(t, s, again)[0])
				}
				s.Clock = s.Clock.Add(2 * time.Hour)
				got, changes = proved(t, s, laidDown(t, p, s), change.Management{})
				if !got.Holds() {
					t.Fatalf("at %s: %v", s.Clock, got.Err())
				}
				names := map[string]bool{}
				for _, step := range changes.Steps {
					_, window, _ := strings.Cut(step.Slot, "-t")
					window, _, _ = strings.Cut(window, "-")
					names[window] = true
				}
				if len(names) != 1 || len(changes.Steps) > 12 {
					t.Fatalf("at %s: %d steps, of the windows %v", s.Clock, len(changes.Steps), names)
				}
			}
		})
	}
}

// TestAheadForged: forged packets bypass the windows that are installed in advance, and this is
// shown; without the rule for it, the proof fails.
func TestAheadForged(t *testing.T) {
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		s := fixture(t, "defconf.rsc")
		s.Clock = time.Date(2026, 11, 21, 10, 15, 0, 0, time.UTC)
		want := laidDown(t, aheadPlan(t, layout, 4*time.Hour, 24*time.Hour, ", bogons: {interface-lists: [WAN]}"), s)
		got, changes := proved(t, s, want, change.Management{})
		if !got.Holds() {
			t.Fatalf("%s: %v", layout, got.Err())
		}
		found := false
		for at, r := range places(want) {
			if mark, _ := r.Mark(); !strings.Contains(mark.Slot, "/forged-knock-") {
				continue
			}
			found = true
			if got, _ := proved(t, s, mutated(want, at, routeros.Rule{}), change.Management{}); got.Holds() {
				t.Errorf("%s: it holds without %v", layout, r.Attrs)
			}
		}
		if !found {
			t.Errorf("%s: no rule is about forged sources", layout)
		}
		s = changetest.After(t, s, changes)
		s.Clock = s.Clock.Add(4 * time.Hour)
		want = laidDown(t, aheadPlan(t, layout, 4*time.Hour, 24*time.Hour, ", bogons: {interface-lists: [WAN]}"), s)
		if got, changes = proved(t, s, want, change.Management{}); !got.Holds() || len(changes.Steps) > 12 {
			t.Errorf("%s, the next window: %d steps, %v", layout, len(changes.Steps), got.Err())
		}
	}
}

func steps(t *testing.T, s routeros.Snapshot, want compile.RuleSet) []change.Step {
	t.Helper()
	changes, err := diff.Compute(s, want, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	return changes.Steps
}

// unkept takes the hours from stages, gives them others, and mixes windows: each is found.
func unkept(t *testing.T, s routeros.Snapshot, want compile.RuleSet) {
	t.Helper()
	seen := 0
	for at, r := range places(want) {
		mark, _ := r.Mark()
		_, window, stage := strings.Cut(mark.Slot, "/stage-")
		if !stage || !strings.Contains(window, "-t5") && !strings.Contains(window, "-t2") { // a window by day, and one over midnight
			continue
		}
		seen++
		broken := map[string]routeros.Rule{
			"no hours":    {Attrs: r.Attrs.Without("time")},
			"other hours": {Attrs: r.Attrs.With("time", "3h-4h,sun,mon,tue,wed,thu,fri,sat")},
			"longer":      {Attrs: r.Attrs.With("time", strings.Replace(r.Attrs.Get("time"), "10m-", "9m-", 1))},
			"other port":  {Attrs: r.Attrs.With("dst-port", "19999")},
			"gone":        {},
		}
		if list := r.Attrs.Get("src-address-list"); list != "" {
			broken["no stage before"] = routeros.Rule{Attrs: r.Attrs.Without("src-address-list")}
			broken["the window before"] = routeros.Rule{Attrs: r.Attrs.With("src-address-list", strings.NewReplacer("-t5_", "-t4_", "-t2_", "-t1_").Replace(list))}
		}
		for name, other := range broken {
			if other.Attrs != nil && other.Attrs.Get("time") == r.Attrs.Get("time") && name == "longer" {
				continue
			}
			if got, _ := proved(t, s, mutated(want, at, other), change.Management{}); got.Kept(proof.OnlyByKnock) && got.Kept(proof.NotVoid) {
				t.Errorf("%s: it holds for %s: %v", name, mark.Slot, other.Attrs)
			}
		}
	}
	if seen < 8 {
		t.Errorf("%d stages", seen)
	}
}
