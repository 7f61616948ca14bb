package docs

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// factsPage is the page of facts about RouterOS that comments cite by section.
const factsPage = "routeros-facts.md"

// section is a numbered section of the page of facts.
type section struct {
	number string
	items  []string // what it states: bullets, and rows of tables
	parent bool     // it has sections of its own
}

// factSections reads the page: its numbered sections, and the sources that it names.
func factSections(t *testing.T) (sections map[string]*section, sources map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(factsPage)
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`^#+ ((\d+)(\.\d+)?\.?|T\d+) `)
	source := regexp.MustCompile(`^\| ([A-Z0-9]{2,}) \| `)
	sections, sources = map[string]*section{}, map[string]bool{}
	var in *section
	chapter, fenced, tables := "", false, 0
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced || strings.HasPrefix(line, "```") {
			tables = 0
			continue
		}
		if found := heading.FindStringSubmatch(line); found != nil {
			number := strings.TrimSuffix(found[1], ".")
			if strings.HasPrefix(number, "T") {
				number = chapter + " " + number
			}
			if sections[number] != nil {
				t.Errorf("%s: there are two sections § %s", factsPage, number)
			}
			in = &section{number: number}
			sections[number] = in
			if found[2] == "" || found[3] != "" {
				sections[chapter].parent = true
			} else {
				chapter = number
			}
			continue
		}
		if found := source.FindStringSubmatch(line); found != nil && in == nil {
			sources[found[1]] = true
		}
		if !strings.HasPrefix(line, "|") {
			tables = 0
		}
		switch {
		case in == nil:
		case strings.HasPrefix(line, "- "):
			in.items = append(in.items, line)
		case strings.HasPrefix(line, "|"):
			if tables++; tables > 2 { // below the head of the table
				in.items = append(in.items, line)
			}
		case strings.HasPrefix(line, "  ") && len(in.items) > 0:
			in.items[len(in.items)-1] += " " + strings.TrimSpace(line)
		}
	}
	return sections, sources
}

// TestFacts fails when a fact does not say how sure it is and from which source, when a source is
// not in the page's list, or when one in the list serves nothing.
func TestFacts(t *testing.T) {
	sections, sources := factSections(t)
	mark := regexp.MustCompile(`\[(?:U|I: [^\]]+|[DTSKC] ([A-Z0-9]+(?:, [A-Z0-9]+)*))\]`)
	used := map[string]bool{}
	for _, s := range sections {
		if len(s.items) == 0 && !s.parent {
			t.Errorf("§ %s states nothing", s.number)
		}
		for _, item := range s.items {
			marks := mark.FindAllStringSubmatch(item, -1)
			if len(marks) == 0 {
				t.Errorf("§ %s says neither how sure this is nor where it is from: %s", s.number, item)
			}
			for _, found := range marks {
				for name := range strings.SplitSeq(found[1], ", ") {
					used[name] = true
					if name != "" && !sources[name] {
						t.Errorf("§ %s names the source %s, which is not in the list: %s", s.number, name, item)
					}
				}
			}
		}
	}
	for name := range sources {
		if !used[name] {
			t.Errorf("the source %s serves no fact", name)
		}
	}
}

// citation is how everything but the page itself cites a section; more of them follow after commas.
const citation = `routeros-facts § (\d+(?:\.\d+)?(?: T\d+)?)((?:, § \d+(?:\.\d+)?)*)`

// TestFactsCited fails when a comment or a page cites a section of the facts that is not there, or
// in another form than "routeros-facts § 2.4". A § is of these facts, or of an RFC.
func TestFactsCited(t *testing.T) {
	sections, _ := factSections(t)
	cited := 0
	cite := regexp.MustCompile(citation)
	other := regexp.MustCompile(`RFC \d+ § \d+(\.\d+)*`)
	comment, own := regexp.MustCompile(`\s*\n\s*(//\s*)?`), regexp.MustCompile(`§ (\d+(\.\d+)?)`)
	eachText(t, func(file, text string) {
		text = comment.ReplaceAllString(text, " ")
		text = other.ReplaceAllString(text, "")
		if file == path.Join("docs", factsPage) {
			text = own.ReplaceAllString(text, "routeros-facts § $1")
			text = strings.ReplaceAll(text, "routeros-facts routeros-facts", "routeros-facts")
		}
		for _, found := range cite.FindAllStringSubmatch(text, -1) {
			cited++
			numbers := append([]string{found[1]}, strings.Split(found[2], ", § ")[1:]...)
			for _, number := range numbers {
				if sections[number] == nil {
					t.Errorf("%s: cites § %s, which %s does not have", file, number, factsPage)
				}
			}
		}
		if rest := cite.ReplaceAllString(text, ""); strings.Contains(rest, "§") {
			at := strings.Index(rest, "§")
			t.Errorf("%s: a § is cited as neither %q nor an RFC's: …%s…", file, "routeros-facts § 2.4", around(rest, at))
		}
	})
	if cited < 100 {
		t.Errorf("%d citations were found: does this test still read the comments?", cited)
	}
}

// around is the text near a place.
func around(text string, at int) string {
	return strings.ToValidUTF8(text[max(0, at-60):min(len(text), at+30)], "")
}

// eachText calls check with every text file of the project in which sections may be cited.
func eachText(t *testing.T, check func(file, text string)) {
	t.Helper()
	root := os.DirFS("..")
	look := func(file string, _ fs.DirEntry, err error) error {
		// This file is about the sign itself.
		if err != nil || file == "docs/facts_test.go" || !slices.Contains([]string{".go", ".md", ".txtar", ".yaml"}, path.Ext(file)) {
			return err
		}
		text, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		check(file, string(text))
		return nil
	}
	for _, top := range append(sources(), "README.md") {
		if err := fs.WalkDir(root, top, look); err != nil {
			t.Fatal(err)
		}
	}
}
