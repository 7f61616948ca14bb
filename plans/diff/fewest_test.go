package diff_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// A small table is a word here, a letter for each row:
//
//	F, Z  the floor and the anchor, which are others'; X a row of others between or beside them
//	A, B  a stage and an accept of ours as they shall be; a, b with another port
//	G     the gate; g with another port, o switched off
//
// What is wanted is A, B, G in this order between F and Z.

// row is the rule of a letter.
func row(letter rune) string {
	switch letter {
	case 'F':
		return "input accept connection-state=established"
	case 'X':
		return "input accept protocol=icmp"
	case 'Z':
		return "input drop in-interface-list=!LAN"
	case 'A':
		return "input add-src-to-address-list address-list=l protocol=udp dst-port=7 [d/stage-1]"
	case 'B':
		return "input accept protocol=tcp dst-port=22 src-address-list=l [d/open]"
	case 'G':
		return "input drop protocol=tcp dst-port=22 [gate/tcp]"
	case 'o':
		return row('G') + " disabled=true"
	}
	return strings.NewReplacer("dst-port=7 ", "dst-port=8 ", "dst-port=22 ", "dst-port=23 ").Replace(row(letter - 'a' + 'A'))
}

// spelledOut is the router of a word, and what is wanted of it.
func spelledOut(word string) (routeros.Snapshot, compile.RuleSet) {
	var rows []string
	place := compile.Place{}
	for i, letter := range word {
		id := fmt.Sprintf("*%X", i+1)
		switch letter {
		case 'F':
			place.Floor = id
		case 'Z':
			place.Anchor = id
		}
		rows = append(rows, id+" "+row(letter))
	}
	want := changetest.Rules("-"+strings.TrimPrefix(row('A'), "input"), "-"+strings.TrimPrefix(row('B'), "input"), "-"+strings.TrimPrefix(row('G'), "input"))
	return changetest.Filter(rows...), compile.RuleSet{Plan: "p", Layout: plans.Inline, Tables: []compile.Table{{
		Family: routeros.IPv4, Menu: routeros.Filter, Rules: want, Place: place,
	}}}
}

// neighbours calls yield with every word from which one step leads to this one: an add, a remove, a
// set or a move of one row of ours. A gate that is live and stops other packets is set only where
// that is allowed.
func neighbours(word string, mostOwn int, setGate bool, yield func(string)) {
	isOwn := func(b byte) bool { return strings.IndexByte("ABGabgo", b) >= 0 }
	own := 0
	for i := range len(word) {
		if isOwn(word[i]) {
			own++
		}
	}
	for i := range len(word) {
		if !isOwn(word[i]) {
			continue
		}
		rest := word[:i] + word[i+1:]
		if strings.IndexByte("ABG", word[i]) >= 0 { // it was added, or set
			yield(rest)
			before := map[byte]string{'A': "a", 'B': "b", 'G': "o"}[word[i]]
			if word[i] == 'G' && setGate {
				before = "go"
			}
			for _, b := range before {
				yield(word[:i] + string(b) + word[i+1:])
			}
		}
		for at := range len(rest) + 1 { // it was moved
			yield(rest[:at] + word[i:i+1] + rest[at:])
		}
	}
	if own < mostOwn { // another was removed
		for at := range len(word) + 1 {
			for _, b := range "ABGabgo" {
				yield(word[:at] + string(b) + word[at:])
			}
		}
	}
}

// distances are the fewest steps from every word with so many rows of ours to what is wanted, found
// by a breadth-first search that goes back from there.
func distances(goals []string, mostOwn int, setGate bool) map[string]int {
	out := map[string]int{}
	for _, goal := range goals {
		out[goal] = 0
	}
	for edge, n := goals, 1; len(edge) > 0; n++ {
		var next []string
		for _, word := range edge {
			neighbours(word, mostOwn, setGate, func(other string) {
				if _, seen := out[other]; !seen {
					out[other] = n
					next = append(next, other)
				}
			})
		}
		edge = next
	}
	return out
}

// TestFewestSteps holds the number of steps against a breadth-first search, for every table with up
// to three rows of ours among up to three of others. More steps than there might be are taken for
// one reason only: a gate may never stand there without what it lets through. So one that is
// missing is added switched off and goes live by a step of its own; and one that stops other
// packets than it shall is replaced by a new one instead of being set. The old one gets another
// comment then, since the way back finds rows by it.
func TestFewestSteps(t *testing.T) {
	const mostOwn = 3 // with four it takes ten times as long, and finds no more
	for _, goals := range [][]string{{"FXABGZ", "FAXBGZ", "FABXGZ", "FABGXZ"}, {"ABGZ"}, {"FABG"}} {
		free, safe := distances(goals, mostOwn, true), distances(goals, mostOwn, false)
		if len(free) < 1000 {
			t.Fatalf("%v: %d tables are no search", goals, len(free))
		}
		for word, fewest := range free {
			s, want := spelledOut(word)
			c, err := diff.Compute(s, want, change.Management{})
			if err != nil {
				t.Fatal(err)
			}
			wrong, reasons := strings.Count(word, "g"), 0
			if !strings.ContainsAny(word, "Go") {
				reasons = 1 + wrong // to go live, and other comments
			}
			if got := len(c.Steps); got != safe[word]+reasons || wrong == 0 && reasons == 0 && got != fewest {
				t.Fatalf("%s: %d steps, %d are enough, and %d for the safe order:\n%s", word, got, fewest, safe[word]+reasons, changetest.Listed(changetest.Written(c.Steps)))
			}
		}
	}
}

// TestFewestKeepOthers: whatever is done to a table, others' rows stay as they are, and no step
// names one but as the place before which ours go.
func TestFewestKeepOthers(t *testing.T) {
	for word := range distances([]string{"FXABGZ", "FAXBGZ", "FABXGZ", "FABGXZ"}, 2, true) {
		s, want := spelledOut(word)
		c := converges(t, s, want)
		for _, step := range c.Steps {
			if i := slices.IndexFunc(s.Rules[routeros.Filter], func(r routeros.Rule) bool { return r.ID == step.ID }); i >= 0 && strings.ContainsRune("FXZ", rune(word[i])) {
				t.Errorf("%s: %s", word, changetest.SpellStep(step))
			}
		}
	}
}
