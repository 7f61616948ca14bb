package page_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
)

// TestVerdict: the first sentence counts every router once.
func TestVerdict(t *testing.T) {
	type run map[string]int // routers by outcome
	for _, test := range []struct {
		routers run
		would   bool
		want    string
		mood    string
	}{
		{run{"changed": 58, "refused": 1, "failed": 1}, true, "58 of 60 routers would change; 1 is refused; 1 could not be read.", "failed"},
		{run{"changed": 2, "unchanged": 3, "refused": 2}, false, "2 of 7 routers were changed; 3 need no change; 2 are refused.", "refused"},
		{run{"changed": 1, "reverted": 1, "skipped": 4, "unknown": 1}, false, "1 of 7 routers was changed; 1 was rolled back; 1 is in a state that is not known; 4 were not begun.", "unknown"},
		{run{"unchanged": 9}, true, "All 9 routers need no change.", "unchanged"},
		{run{"unchanged": 9, "refused": 1}, true, "9 of 10 routers need no change; 1 is refused.", "refused"},
		{run{"changed": 3}, false, "All 3 routers were changed.", "changed"},
		{run{"changed": 3}, true, "All 3 routers would change.", "changed"},
		{run{"refused": 2}, true, "None of 2 routers would change; 2 are refused.", "refused"},
		{run{"changed": 1}, true, "The router would change, in 1 step.", "changed"},
		{run{"changed": 1}, false, "The router was changed, in 1 step.", "changed"},
		{run{"failed": 1}, false, "The router could not be read.", "failed"},
		{run{"refused": 1}, false, "The change is refused.", "refused"},
		{run{"reverted": 1}, false, "The change failed and was rolled back.", "reverted"},
		{run{"skipped": 1}, false, "Nothing was begun.", "skipped"},
		{nil, true, "No router was looked at.", "skipped"},
	} {
		p := document{Page: page.Page{Would: test.would}}
		for _, outcome := range []string{"unchanged", "changed", "refused", "failed", "reverted", "unknown", "skipped"} {
			for i := range test.routers[outcome] {
				r := page.Router{Name: fmt.Sprint(outcome, i), Outcome: outcome}
				if outcome == "changed" {
					r.Steps = []page.Step{{Op: "add"}}
				}
				p.Routers = append(p.Routers, r)
			}
		}
		doc := parse(t, write(t, p))
		answer := find(doc, "h2", func(n *html.Node) bool { return attribute(n, "id") == "verdict" })[0]
		if text(answer) != test.want || attribute(answer, "data-mood") != test.mood {
			t.Errorf("%v: %q in the mood %s, not %q in %s", test.routers, text(answer), attribute(answer, "data-mood"), test.want, test.mood)
		}
	}
}

// TestMeaning: what differs stands once for the routers on which it does, most routers first; what is
// refused means nothing.
func TestMeaning(t *testing.T) {
	ssh, telnet := page.Reach{What: "ssh tcp/22", Family: "IPv4", Before: "anyone", After: "nobody"}, page.Reach{What: "telnet tcp/23", Before: "LAN", After: "off"}
	p := document{Page: page.Page{Would: true}}
	for i := range 6 {
		r := page.Router{Name: fmt.Sprintf("r%d", i+1), Outcome: "changed", Means: []page.Reach{ssh}}
		switch i {
		case 2:
			r.Means = []page.Reach{telnet}
		case 3, 4:
			r.Means = []page.Reach{ssh, telnet}
		case 5:
			r.Outcome = "refused"
		}
		p.Routers = append(p.Routers, r)
	}
	doc := parse(t, write(t, p))
	section := find(doc, "section", func(n *html.Node) bool { return attribute(n, "class") == "meaning" })[0]
	var got []string
	for _, table := range find(section, "table", nil) {
		got = append(got, strings.Join(strings.Fields(text(find(table, "caption", nil)[0])+" "+text(find(table, "tbody", nil)[0])), " "))
	}
	want := []string{"On 4 routers: r1, r2, r4, r5 ssh tcp/22 IPv4before: anyonenobody", "On 3 routers: r3–r5 telnet tcp/23before: LANoff"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// testColours: an outcome has a colour of its own, in light and in dark, and a sign beside it: nobody
// has to tell colours apart. The sentence at the top has the colour of the worst.
func testColours(ctx context.Context, t *testing.T) {
	p := small()
	p.Routers = append(p.Routers, page.Router{Name: "lost", Outcome: "unknown"})
	for _, scheme := range []string{"light", "dark"} {
		b := open(ctx, t, p, media("", scheme))
		got := ask[[]string](b, `[...document.querySelectorAll('.counts .badge')].flatMap(e => [getComputedStyle(e).color, getComputedStyle(e, '::before').content, getComputedStyle(e).backgroundColor])`)
		if slices.Sort(got); len(got) != 21 || len(slices.Compact(slices.Clone(got))) != 21 {
			t.Errorf("%s: not seven colours, signs and grounds of their own: %q", scheme, got)
		}
		if !ask[bool](b, `getComputedStyle(verdict).color === getComputedStyle(document.querySelector('.counts [data-outcome=failed]')).color`) {
			t.Errorf("%s: the verdict has another colour than the worst outcome", scheme)
		}
		b.quiet()
	}
	b := open(ctx, t, p, media("print", "light"))
	if !ask[bool](b, `[...document.querySelectorAll('.run, .meaning td, #verdict')].every(e => e.checkVisibility())`) {
		t.Error("a command line or what the change means is not printed")
	}
	b.quiet()
}
