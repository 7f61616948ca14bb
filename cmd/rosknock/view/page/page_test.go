package page_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
)

// small is a router of each outcome, with a step of each kind.
func small() document {
	done, undone := true, false
	steps := []page.Step{
		{Op: "add", Menu: "/ip/firewall/filter", Slot: "branch/admin/stage-1", Before: `"responses | only" (*5)`, Why: "the first knock of the door admin",
			Attributes: []page.Attribute{{Name: "chain", Value: "input"}, {Name: "action", Value: "add-src-to-address-list"}, {Name: "dst-port", Value: "•••••"}, {Name: "comment", Value: `"knock 1 of 3 [rosknock branch/admin/stage-1]"`}}},
		{Op: "set", Menu: "/ip/firewall/filter", Slot: "branch/jump", ID: "*A", Attributes: []page.Attribute{{Name: "jump-target", Value: "rosknock-branch-b", Was: "rosknock-branch-a", HadWas: true}, {Name: "in-interface", Was: "ether1", HadWas: true}}},
		{Op: "move", Menu: "/ip/firewall/filter", Slot: "branch/admin/open", ID: "*B", Before: `"final" (*5)`},
		{Op: "enable", Menu: "/ip/firewall/address-list", Slot: "branch/allow", ID: "*1"},
		{Op: "disable", Menu: "/ip/service", Slot: "telnet", ID: "*0"},
		{Op: "remove", Menu: "/ip/firewall/filter", Slot: "branch/admin/stage-3", ID: "*C"},
	}
	tried := slices.Clone(steps)
	for i := range tried {
		tried[i].Done = &done
	}
	broken := slices.Clone(tried)
	broken[2].Done, broken[2].Error = &undone, "no such item (4)"
	for i := 3; i < len(broken); i++ {
		broken[i].Done = nil
	}
	return document{Page: page.Page{
		Title: "apply of branch", Command: "apply", Plans: []string{"branch"}, Actor: "noc@bastion", Tool: "rosknock v1.2.3",
		Made: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), Took: 12345 * time.Millisecond,
		Run: "run-20260314-150926-3fa9", Sources: []page.Source{{What: "Plan", Name: "branch.yaml", Digest: "keyed:3f9a21c0d5e6f708192a3b4c5d6e7f80"}, {What: "Inventory", Name: "fleet.yaml", Digest: "keyed:0011223344556677889900aabbccddee"}},
		Facts: []page.Fact{{Name: "Limit", Value: "branches, !lab"}, {Name: "Window", Value: "Sat 02:00-04:00 Europe/Berlin"}, {Name: "Waves", Value: "1,10%,100%"}, {Name: "Accepted risks", Value: "lose-session"}},
		Undo:  []page.Try{{About: "roll back the last change of each of these routers", Command: "rosknock undo -i fleet.yaml -l 'branches,!lab'"}},
	},
		Routers: []page.Router{
			{Name: "core-1", Address: "192.0.2.1:8729", Identity: "gw-core-1", Version: "7.20.1", Board: "RB5009UG+S+", Groups: []string{"core", "berlin"}, Tags: []string{"vip"},
				Outcome: "changed", Notes: []string{"the router has no /ipv6/firewall/filter: ipv6 is skipped"}, Steps: tried,
				Proof: &page.Proof{Holds: true, States: 7, Text: []string{"all 7 states, over 10^14 classes of packets", "door admin opens over ipv4 with 3 packets and not with fewer"}, Accepted: []string{"lockout: the operator's address is not in the allow-list"}},
				Reach: []page.Reach{{What: "ssh tcp/22 → tcp/2222 IPv4", Before: "anyone (ether1)", After: "trusted after a knock"}, {What: "winbox tcp/8291 IPv4", Before: "anyone (ether1)", After: "nobody"}}, Same: 12,
				Means:    []page.Reach{{What: "ssh tcp/22 → tcp/2222", Family: "IPv4", Before: "anyone", After: "trusted after a knock"}, {What: "winbox tcp/8291", Family: "IPv4 and IPv6", Before: "anyone", After: "nobody"}},
				Tries:    []page.Try{{About: "rolls it back", Command: "rosknock undo 20260314-150926-core-1 -i fleet.yaml -l core-1"}},
				Findings: []page.Finding{{ID: "L12", Severity: "warning", Text: "the stage timeout of one minute is long", Remedy: "shorten it to 10s"}}, Change: "20260314-150926-core-1", Protection: "safe mode", Took: 2100 * time.Millisecond},
			{Name: "branch-2", Address: "192.0.2.2:8729", Identity: "gw-branch-2", Version: "7.20.1", Groups: []string{"branch"}, Outcome: "reverted", Error: "step 3: no such item (4)\nwhat was done is rolled back", Steps: broken,
				Proof: &page.Proof{Holds: true, States: 1}, Protection: "dead-man in the scheduler"},
			{Name: "branch-3", Address: "192.0.2.3:8729", Identity: "gw-branch-3", Version: "6.49.18", Groups: []string{"branch"}, Tags: []string{"old"}, Outcome: "refused", Steps: steps[:2],
				Proof: &page.Proof{States: 3, Failures: [][]string{{"after step 1, the operator is locked out", "packet 1: trace tcp 198.51.100.7 :22 --in ether1", "before: accept by rule 3", "then: drop by rule 9"}}},
				Means: []page.Reach{{What: "telnet tcp/23", Before: "anyone", After: "off"}}, Tries: []page.Try{{About: "proves it again, with the ports of branch.yaml", Command: "rosknock prove branch.yaml -i fleet.yaml -l branch-3"}}},
			{Name: "branch-4", Address: "192.0.2.4:8729", Outcome: "failed", Error: "192.0.2.4:8729: connection refused: enable the service api-ssl on the router"},
			{Name: "branch-10", Address: "192.0.2.10:8729", Identity: "gw-branch-10", Version: "7.20.1", Groups: []string{"branch"}, Outcome: "unchanged"},
			{Name: "spare", Address: "192.0.2.9:8729", Tags: []string{"old"}, Outcome: "skipped"},
		},
	}
}

// fleet is a page of many routers with many steps each.
func fleet(routers, steps int) document {
	p := document{Page: page.Page{Title: "diff of a fleet", Command: "diff", Would: true, Made: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), Tool: "rosknock v1.2.3"}}
	for i := range routers {
		r := page.Router{Name: fmt.Sprintf("branch-%d", i+1), Address: fmt.Sprintf("192.0.2.%d:8729", i%250), Identity: fmt.Sprintf("gw-%d", i+1), Version: "7.20.1", Outcome: "changed",
			Groups: []string{fmt.Sprintf("region-%d", i%9)}, Proof: &page.Proof{Holds: true, States: steps + 1, Text: []string{"all states, over 10^14 classes of packets"}}}
		if i%25 == 7 {
			r.Outcome, r.Error = "failed", "connection refused"
		}
		for n := range steps {
			r.Steps = append(r.Steps, page.Step{Op: "add", Menu: "/ip/firewall/filter", Slot: fmt.Sprintf("branch/admin/stage-%d", n+1), Before: `"final" (*5)`, Attributes: []page.Attribute{
				{Name: "chain", Value: "rosknock-branch-a"}, {Name: "action", Value: "add-src-to-address-list"}, {Name: "protocol", Value: "tcp"}, {Name: "dst-port", Value: "•••••"},
				{Name: "address-list", Value: "rosknock_branch_1"}, {Name: "address-list-timeout", Value: "1m"}, {Name: "comment", Value: fmt.Sprintf(`"knock %d [rosknock branch/admin/stage-%d]"`, n+1, n+1)}}})
		}
		for _, what := range []string{"ssh tcp/22", "winbox tcp/8291", "api-ssl tcp/8729"} {
			r.Reach = append(r.Reach, page.Reach{What: what, Before: "everybody", After: "after a knock: admin"})
			r.Means = append(r.Means, page.Reach{What: what, Before: "everybody", After: "after a knock: admin"})
		}
		p.Routers = append(p.Routers, r)
	}
	return p
}

// hostileTexts are what a router might call itself.
func hostileTexts() []string {
	return []string{
		`</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`, `</style><script>alert(1)</script>`, `</title><script>alert(1)</script>`,
		`<!--`, `-->`, `]]>`, `<details class="router"><summary>`, `</details></div></section>`, `</select><script>alert(1)</script>`, "javascript:alert(1)", "{{.}}", "&lt;script&gt;",
		"caf\xe9\xff\xfe", "\x00\x1b[31m\x7f\u0085", "user\u202etxt.exe\u202c", "\u2066a\u2069\u200f", "line\nline\r\nline\rline", strings.Repeat("W", 10_000), strings.Repeat("a\u0301\u0302", 3000),
	}
}

// hostile puts each of those texts into every place.
func hostile() document {
	p := small()
	for _, t := range hostileTexts() {
		p.Title, p.Command, p.Actor, p.Tool, p.Plans, p.Run = t, t, t, t, append(p.Plans, t), t
		p.Sources, p.Facts, p.Undo = append(p.Sources, page.Source{What: t, Name: t, Digest: t}), append(p.Facts, page.Fact{Name: t, Value: t}), append(p.Undo, page.Try{About: t, Command: t})
		p.Routers = append(p.Routers, everywhere(func() string { return t }))
	}
	return p
}

// everywhere is a router with a text in each place.
func everywhere(text func() string) page.Router {
	all := func() []string { return []string{text(), text()} }
	no := false
	return page.Router{
		Name: text(), Address: text(), Identity: text(), Version: text(), Board: text(), Groups: all(), Tags: all(), Outcome: text(), Error: text(), Notes: all(),
		Steps: []page.Step{{Op: text(), Menu: text(), Slot: text(), ID: text(), Before: text(), Why: text(), Error: text(), Done: &no,
			Attributes: []page.Attribute{{Name: text(), Value: text(), Was: text(), HadWas: true}, {Name: text(), Value: text()}}}},
		Proof:    &page.Proof{Text: all(), Accepted: all(), Failures: [][]string{all(), all()}, States: 2},
		Reach:    []page.Reach{{What: text(), Family: text(), Before: text(), After: text()}},
		Means:    []page.Reach{{What: text(), Family: text(), Before: text(), After: text()}},
		Tries:    []page.Try{{About: text(), Command: text()}},
		Findings: []page.Finding{{ID: text(), Severity: text(), Text: text(), Remedy: text()}},
		Change:   text(), Protection: text(),
	}
}

// document is a page with its routers.
type document struct {
	page.Page
	Routers []page.Router
}

func (d document) write(w io.Writer) error {
	l, err := page.NewLayout()
	if err != nil {
		return err
	}
	var sections []page.Section
	for i, r := range d.Routers {
		s, err := l.Section(fmt.Sprintf("r%d", i+1), d.Would, r)
		if err != nil {
			return err
		}
		sections = append(sections, s)
	}
	return l.Write(w, d.Page, slices.Values(sections))
}

func write(t interface{ Fatal(...any) }, p document) []byte {
	var b bytes.Buffer
	if err := p.write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGolden compares with files in testdata; ROSKNOCK_UPDATE=1 writes them anew.
func TestGolden(t *testing.T) {
	for name, got := range map[string][]byte{"page.html": write(t, small()), "audit.html": writeAudit(t, smallAudit())} {
		path := filepath.Join("testdata", name)
		if os.Getenv("ROSKNOCK_UPDATE") != "" {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the page is not %s (%v): look at it after ROSKNOCK_UPDATE=1 go test", path, err)
		}
	}
}

func TestDeterminism(t *testing.T) {
	for name, p := range map[string]document{"small": small(), "hostile": hostile(), "fleet": fleet(40, 3), "empty": {}} {
		first := write(t, p)
		for range 10 {
			if !bytes.Equal(first, write(t, p)) {
				t.Fatalf("%s: the same value gave other bytes", name)
			}
		}
	}
}

// TestCaller sees to it that what is written is not changed on the way.
func TestCaller(t *testing.T) {
	p := document{Routers: []page.Router{everywhere(func() string { return "a\x00b" })}}
	write(t, p)
	r := p.Routers[0]
	for _, s := range []string{r.Name, r.Groups[0], r.Steps[0].Attributes[0].Was, r.Proof.Failures[0][0], r.Reach[0].What, r.Findings[0].Text, r.Notes[0]} {
		if s != "a\x00b" {
			t.Errorf("the caller's value became %q", s)
		}
	}
}

func TestBrokenWriter(t *testing.T) {
	wrong := errors.New("disk full")
	if err := small().write(failing{wrong}); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestPolicy holds the hashes against the files and against what stands in the pages.
func TestPolicy(t *testing.T) {
	for name, page := range map[string][]byte{"page": write(t, small()), "audit": writeAudit(t, smallAudit())} {
		doc := parse(t, page)
		csp := attribute(find(doc, "meta", func(n *html.Node) bool { return attribute(n, "http-equiv") == "Content-Security-Policy" })[0], "content")
		want := "default-src 'none'"
		for _, part := range []struct{ element, text, directive string }{{"style", files(t, styles(name)...), "style-src"}, {"script", files(t, scripts(name)...), "script-src"}} {
			elements := find(doc, part.element, nil)
			if len(elements) != 1 || text(elements[0]) != part.text {
				t.Fatalf("the %s of the %s is not that of the files", part.element, name)
			}
			sum := sha256.Sum256([]byte(part.text))
			want += "; " + part.directive + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
		want += "; base-uri 'none'; form-action 'none'"
		if csp != want {
			t.Errorf("the policy is\n%s\nand not\n%s", csp, want)
		}
		if strings.Contains(csp, "unsafe") {
			t.Error("the policy allows what is unsafe")
		}
	}
}

// styles and scripts are the files of a page: of changes, or of an audit.
func styles(page string) []string {
	if page == "audit" {
		return []string{"page.css", "audit.css"}
	}
	return []string{"page.css"}
}

func scripts(page string) []string { return []string{"common.js", page + ".js"} }

func files(t interface{ Fatal(...any) }, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	return b.String()
}

func TestHostile(t *testing.T) {
	p := hostile()
	written := write(t, p)
	if err := harmless(written, len(p.Routers), files(t, scripts("page")...)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"\u202e", "\u2066", "\x00", "\x1b", "\u0085", "\r"} {
		if bytes.Contains(written, []byte(bad)) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if !bytes.Contains(written, []byte(`user\u202etxt.exe`)) {
		t.Error("nothing says where a mark was that turns the direction")
	}
}

// TestAnyStrings: whatever the texts are, a parser reads back as many routers as there are, and no
// script but ours.
func TestAnyStrings(t *testing.T) {
	ours, oursOfAudit := files(t, scripts("page")...), files(t, scripts("audit")...)
	rapid.Check(t, func(t *rapid.T) {
		strange := rapid.OneOf(
			rapid.String(),
			rapid.SampledFrom(hostileTexts()[:len(hostileTexts())-2]),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) string { return string(b) }),
			rapid.StringMatching(`[<>/"'&=! \-a-z]{0,30}`),
		)
		text := func() string { return strange.Draw(t, "text") }
		p := document{Page: page.Page{Title: text(), Command: text(), Actor: text(), Tool: text(), Plans: []string{text()}}}
		for range rapid.IntRange(0, 3).Draw(t, "routers") {
			p.Routers = append(p.Routers, everywhere(text))
		}
		if err := harmless(write(t, p), len(p.Routers), ours); err != nil {
			t.Fatal(err)
		}
		if err := harmless(writeAudit(t, auditEverywhere(text)), 2, oursOfAudit); err != nil {
			t.Fatal("audit: ", err)
		}
	})
}

// harmless parses a page and looks for anything that does not belong there.
func harmless(written []byte, routers int, script string) error {
	doc, err := html.Parse(bytes.NewReader(written))
	if err != nil {
		return err
	}
	if got := len(find(doc, "details", func(n *html.Node) bool { return strings.HasPrefix(attribute(n, "class"), "router") })); got != routers {
		return fmt.Errorf("%d sections for %d routers", got, routers)
	}
	if details, summaries := len(find(doc, "details", nil)), len(find(doc, "summary", nil)); details != routers || summaries != routers {
		return fmt.Errorf("%d details with %d summaries for %d routers", details, summaries, routers)
	}
	if scripts := find(doc, "script", nil); len(scripts) != 1 || text(scripts[0]) != script {
		return fmt.Errorf("%d scripts, or not ours", len(scripts))
	}
	for n := range doc.Descendants() {
		if err := belongs(n); err != nil {
			return err
		}
	}
	return nil
}

// link is a link within a page.
var link = regexp.MustCompile(`^#(routers|results|r[0-9]+(-[0-9]+)?|[efkn][0-9]+)$`)

// belongs knows what the template is made of.
func belongs(n *html.Node) error {
	elements := strings.Fields(`html head meta title style script body a header h1 h2 h3 h4 h5 dl div dt dd time main section table caption thead tbody tr th td
		span p article form label input fieldset legend button b select option optgroup details summary ol ul li code strong i del ins mark em footer`)
	switch n.Type {
	case html.CommentNode:
		return fmt.Errorf("a comment: %q", n.Data)
	case html.TextNode:
		if i := strings.IndexFunc(n.Data, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }); i >= 0 {
			return fmt.Errorf("a control character in %q", n.Data)
		}
	case html.ElementNode:
		if !slices.Contains(elements, n.Data) {
			return fmt.Errorf("an element %s", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || (a.Key == "href" && !link.MatchString(a.Val)) {
				return fmt.Errorf("an attribute %s=%q", a.Key, a.Val)
			}
		}
	}
	return nil
}

// TestDiff: a diff changes nothing, so it says so.
func TestDiff(t *testing.T) {
	for would, want := range map[bool]string{true: "to change", false: "changed"} {
		doc := parse(t, write(t, document{Page: page.Page{Would: would}, Routers: []page.Router{{Name: "a", Outcome: "changed"}}}))
		summary := find(doc, "summary", nil)[0]
		if got := text(summary); !strings.Contains(got, want) {
			t.Errorf("%v: %q does not say %q", would, got, want)
		}
	}
}

// TestFailures: what needs somebody stands in the table, with the most telling reason at hand.
func TestFailures(t *testing.T) {
	no := false
	cases := map[string]page.Router{
		"connection refused":                {Outcome: "failed", Error: "connection refused"},
		"step 2: no such item":              {Outcome: "failed", Steps: []page.Step{{}, {Done: &no, Error: "no such item"}}},
		"proof fails: locked out":           {Outcome: "changed", Proof: &page.Proof{Failures: [][]string{{"locked out"}}}},
		"proof fails":                       {Outcome: "changed", Proof: &page.Proof{}},
		"unknown, without an error":         {},
		"refused, without an error":         {Outcome: "refused"},
		"the inventory names nobody for it": {Outcome: "skipped", Error: "the inventory names nobody for it"},
		"":                                  {Outcome: "unchanged"},
	}
	for want, router := range cases {
		doc := parse(t, write(t, document{Routers: []page.Router{router}}))
		section := find(doc, "section", func(n *html.Node) bool { return attribute(n, "class") == "failures" })[0]
		rows := find(section, "td", func(n *html.Node) bool { return attribute(n, "class") == "text" })
		if want == "" && len(rows) > 0 || want != "" && (len(rows) != 1 || text(rows[0]) != want) {
			t.Errorf("%q: the table has %d rows: %s", want, len(rows), text(section))
		}
	}
}

// TestHeadings: no level is left out, so that people who move by headings find their way.
func TestHeadings(t *testing.T) {
	for _, written := range [][]byte{write(t, small()), writeAudit(t, smallAudit())} {
		headings(t, parse(t, written))
	}
}

func headings(t *testing.T, doc *html.Node) {
	t.Helper()
	last := 0
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || len(n.Data) != 2 || n.Data[0] != 'h' || n.Data == "hr" {
			continue
		}
		level := int(n.Data[1] - '0')
		if level > last+1 {
			t.Errorf("%s %q follows a heading of level %d", n.Data, text(n), last)
		}
		last = level
	}
}

func parse(t *testing.T, written []byte) *html.Node {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func find(in *html.Node, element string, which func(*html.Node) bool) []*html.Node {
	var out []*html.Node
	for n := range in.Descendants() {
		if n.Type == html.ElementNode && n.Data == element && (which == nil || which(n)) {
			out = append(out, n)
		}
	}
	return out
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func BenchmarkWrite500(b *testing.B) {
	p := fleet(500, 30)
	for b.Loop() {
		if err := p.write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(write(b, p)))/1e6, "MB")
}
