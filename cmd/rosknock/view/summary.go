package view

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Summary writes a fleet's routers as a table, a line each, and counts them. With reasons, it says below why routers failed or were left out.
func Summary(w io.Writer, routers []Router, reasons bool, s Style) error {
	t := table{header: []string{"ROUTER", "IDENTITY", "VERSION", "OUTCOME", "STEPS", "PROOF"}, whole: []string{"ROUTER", "OUTCOME", "STEPS"}}
	var order []string
	counts := map[string]int{}
	for _, r := range routers {
		became := r.Says()
		if counts[became] == 0 {
			order = append(order, became)
		}
		counts[became]++
		t.rows = append(t.rows, []string{r.Name, r.Identity(), r.Version(), became, stepsText(r), proofText(r)})
	}
	for i := len(t.header) - 1; i > 0; i-- {
		if !slices.ContainsFunc(t.rows, func(row []string) bool { return row[i] != "" }) {
			t = t.without(i)
		}
	}
	if err := t.text(w, s.Width); err != nil {
		return err
	}
	if reasons {
		writeReasons(w, routers, s)
	}
	var words []string
	for _, o := range order {
		words = append(words, fmt.Sprintf("%d %s", counts[o], o))
	}
	Say(w, "\n%s: %s\n", Plural(len(routers), "router"), strings.Join(words, ", "))
	return nil
}

// writeReasons says why routers failed or were left out.
func writeReasons(w io.Writer, routers []Router, s Style) {
	before, after := visible("\n"), visible("")
	for _, r := range routers {
		why := r.Note
		if r.Err != nil {
			why = reason(r.Err)
		}
		if why != "" {
			text := strings.TrimPrefix(string(wrap(clean(r.Name+": "+why), s.Width, 2)), "  ")
			Say(w, "%s%s", before, visible(text))
			before, after = "\n", "\n"
		}
	}
	Say(w, "%s", after)
}

func stepsText(r Router) string {
	switch {
	case r.Changes == nil:
		return ""
	case r.Result != nil && Done(r.Result.Receipts) < len(r.Changes.Steps):
		return fmt.Sprintf("%d/%d", Done(r.Result.Receipts), len(r.Changes.Steps))
	}
	return strconv.Itoa(len(r.Changes.Steps))
}

func proofText(r Router) string {
	switch {
	case r.Proof == nil:
		return ""
	case r.Proof.Holds():
		return "holds"
	}
	return "fails"
}
