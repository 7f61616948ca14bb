package routeros_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

// TestDiffering: the rows of b are those with which a begins, those that differ, and those with
// which a ends.
func TestDiffering(t *testing.T) {
	var pool []routeros.Rule
	for i := range 6 {
		r := routeros.NewRule("chain", "input", "comment", fmt.Sprint(i))
		r.ID = fmt.Sprintf("*%X", i)
		pool = append(pool, r)
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SampledFrom(pool), 0, 6)
		a, b := rows.Draw(t, "a"), rows.Draw(t, "b")
		first, end := routeros.Differing(a, b)
		below := end + len(a) - len(b)
		if first > end || first > below || end > len(b) {
			t.Fatalf("rows %d to %d of %d differ from %d", first, end, len(b), len(a))
		}
		same := func(x, y routeros.Rule) bool { return x.ID == y.ID }
		if !slices.EqualFunc(a[:first], b[:first], same) || !slices.EqualFunc(a[below:], b[end:], same) {
			t.Fatalf("%v and %v do not begin alike up to %d, or end alike from %d", a, b, first, end)
		}
		if slices.EqualFunc(a, b, same) && first != end {
			t.Fatalf("equal tables differ from %d to %d", first, end)
		}
	})
}
