package diff_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// TestPartsHold: parts follow each other without a gap, and together are the change set; first and
// last come removals of what no packet meets, without a protection. Halving a part keeps its steps.
func TestPartsHold(t *testing.T) {
	for _, word := range someWords() {
		s, want := spelledOut(word)
		for _, layout := range []plans.Layout{plans.Inline, plans.Chain} {
			want.Layout = layout
			c, err := diff.Compute(s, want, change.Management{})
			if err != nil {
				t.Fatal(err)
			}
			parts, err := change.PartsOf(s, c)
			if err != nil {
				t.Fatal(err)
			}
			covers(t, word, parts, 0, len(c.Steps))
			for i, p := range parts {
				if idle := i == 0 || i == len(parts)-1; !p.Met && !idle {
					t.Errorf("%s: part %d of %d is not protected", word, i, len(parts))
				}
				for n := p.From; n < p.To && !p.Met; n++ {
					if c.Steps[n].Op != change.Remove {
						t.Errorf("%s: %s without a protection", word, changetest.SpellStep(c.Steps[n]))
					}
				}
				if p.Met && p.To-p.From > 1 {
					halves, err := change.Halve(s, c, p)
					if err != nil || len(halves) < 2 {
						t.Errorf("%s: halves of %v: %v, %v", word, p, halves, err)
					}
					covers(t, word, halves, p.From, p.To)
				}
			}
		}
	}
}

// covers checks that parts are all of the steps from one to another.
func covers(t *testing.T, word string, parts []change.Part, from, to int) {
	t.Helper()
	for _, p := range parts {
		if p.From != from || p.To <= p.From {
			t.Errorf("%s: parts %v", word, parts)
		}
		from = p.To
	}
	if from != to {
		t.Errorf("%s: parts %v end before %d", word, parts, to)
	}
}

// TestSafeOrder: in changes of small tables, in either layout,
//   - the row before which others are put is there before them,
//   - a gate or a jump that is missing is added switched off, and goes live once everything is there
//     that it lets through,
//   - a jump that leads to a chain of ours is switched off before it is removed,
//   - accepts of ours are removed only when all gates that were there are gone or replaced.
func TestSafeOrder(t *testing.T) {
	check := func(t *testing.T, name string, s routeros.Snapshot, c change.ChangeSet) {
		states, err := change.States(s, c)
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range c.Steps {
			now := states[i]
			if step.Before != "" {
				if _, there := change.FindRow(now, step.Menu, step.Before); !there {
					t.Errorf("%s: %s comes before its anchor", name, changetest.SpellStep(step))
				}
			}
			if step.Op == change.Add && step.Menu.IsRuleTable() && change.Prepared(now, step) != nil {
				t.Errorf("%s: %s is live at once", name, changetest.SpellStep(step))
			}
			if r, there := change.FindRow(now, step.Menu, step.ID); step.Op == change.Remove && there && r.Attrs.Get("action") == "jump" && !r.Attrs.Bool("disabled") && r.Attrs.Get("chain") == "input" {
				t.Errorf("%s: %s removes a live jump", name, changetest.SpellStep(step))
			}
			if removes, _ := change.FindRow(now, step.Menu, step.ID); step.Op == change.Remove && removes.Attrs.Get("action") == "accept" && !change.Unmet(now, step) {
				for _, later := range c.Steps[i:] {
					r, _ := change.FindRow(now, later.Menu, later.ID)
					if later.Op == change.Remove && r.Attrs.Get("action") == "drop" && !change.Unmet(now, later) {
						t.Errorf("%s: %s goes before the gate %s", name, changetest.SpellStep(step), later.ID)
					}
				}
			}
			if step.Op == change.Enable && strings.HasPrefix(step.ID, "+") {
				for _, later := range c.Steps[i+1:] {
					if later.Op == change.Add || later.Op == change.Move {
						t.Errorf("%s: %s comes after %s", name, changetest.SpellStep(later), changetest.SpellStep(step))
					}
				}
			}
		}
	}
	for _, word := range someWords() {
		s, want := spelledOut(word)
		for _, layout := range []plans.Layout{plans.Inline, plans.Chain} {
			want.Layout = layout
			c := converges(t, s, want)
			check(t, fmt.Sprint(word, " ", layout), s, c)
			end, _, err := change.After(s, c)
			if err != nil {
				t.Fatal(err)
			}
			want.Layout = map[plans.Layout]plans.Layout{plans.Inline: plans.Chain, plans.Chain: plans.Inline}[layout]
			check(t, fmt.Sprint(word, " from ", layout), end, converges(t, end, want))
			want.Removes = true
			check(t, fmt.Sprint(word, " away from ", layout), end, converges(t, end, want))
		}
	}
}

// TestMetIsEnough: a step of which [diff.Unmet] says that no packet fares differently leaves what
// packets meet of the plan as it is.
func TestMetIsEnough(t *testing.T) {
	words := make([]string, 0)
	for word := range distances([]string{"FABGZ"}, 2, true) {
		words = append(words, word)
	}
	slices.Sort(words)
	rapid.Check(t, func(t *rapid.T) {
		s, want := spelledOut(rapid.SampledFrom(words).Draw(t, "word"))
		want.Layout = rapid.SampledFrom([]plans.Layout{plans.Chain, plans.Inline}).Draw(t, "layout")
		c, err := diff.Compute(s, want, change.Management{})
		if err != nil {
			t.Fatal(err)
		}
		states, err := change.States(s, c)
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range c.Steps {
			if same := slices.Equal(change.Met(states[i], "p"), change.Met(states[i+1], "p")); change.Unmet(states[i], step) && !same {
				t.Fatalf("%s changes what packets meet", changetest.SpellStep(step))
			}
		}
	})
}

// someWords are every third of the tables with up to two rows of ours.
func someWords() []string {
	var some []string
	for i, word := range slices.Sorted(maps.Keys(distances([]string{"FABGZ"}, 2, true))) {
		if i%3 == 0 {
			some = append(some, word)
		}
	}
	return some
}
