package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/rosknock/rosknock/routeros/rsc"
)

// genuineAudit is an export of a stranger, with what the program's JSON says of it.
type genuineAudit struct {
	path  string
	file  string
	read  rsc.Export
	Reach []struct {
		Name, Kind, Protocol, Ports, Family, State string
		By                                         []struct {
			Who     string
			Perhaps bool
		}
	}
	Lint []struct{ ID, Place, What string }
}

// genuineAudits audits the exports in the folder shared beside the repository, or in ROSKNOCK_SHARED.
func genuineAudits(t *testing.T) []genuineAudit {
	t.Helper()
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, _ := filepath.Glob(filepath.Join(root, "corpus", "exports", "*.rsc"))
	if len(files) == 0 {
		t.Skip("no shared corpus beside the repository")
	}
	out := make([]genuineAudit, len(files))
	for i, file := range files {
		data, err := os.ReadFile(file)
		check(t, err)
		code, form, _ := called(t, "audit", "--export", file, "-o", "json")
		if code != 0 {
			t.Fatalf("%s: exit code %d", filepath.Base(file), code)
		}
		out[i] = genuineAudit{path: file, file: filepath.Base(file), read: rsc.Read(data)}
		var all struct{ Routers []json.RawMessage }
		check(t, json.Unmarshal([]byte(form), &all))
		check(t, json.Unmarshal(all.Routers[0], &out[i]))
	}
	return out
}

// reached says who of outside reaches a service: anyone, perhaps or nobody.
func (g genuineAudit) reached(name string) string {
	widest := "nobody"
	for _, r := range g.Reach {
		for _, by := range r.By {
			switch {
			case r.Name != name && name != "" || r.Kind != "service" || by.Who != "anyone":
			case !by.Perhaps:
				return "anyone"
			default:
				widest = "perhaps"
			}
		}
	}
	return widest
}

// TestGenuineAudits: these exports were published with most menus left out. So of none of them may it
// be said that nothing is open, and what is not known to run is said so on each line that tells of it.
func TestGenuineAudits(t *testing.T) {
	for _, g := range genuineAudits(t) {
		_, text, _ := called(t, "audit", "--export", g.path)
		for _, c := range text {
			if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == unicode.ReplacementChar) {
				t.Errorf("%s: %q in its text", g.file, c)
			}
		}
		plain := strings.Join(strings.Fields(text), " ")
		if strings.Contains(plain, "nothing is open to anyone") {
			t.Errorf("%s: nothing is said to be open, and most menus are not shown", g.file)
		}
		unknown := map[string]bool{}
		for _, r := range g.Reach {
			if r.State != "unknown" {
				continue
			}
			unknown[r.Name+", "+r.Protocol+"/"+r.Ports], unknown["service "+r.Name] = true, true
			row := r.Name + " " + r.Protocol + "/" + r.Ports + " " + r.Family
			if _, after, listed := strings.Cut(plain, " "+row+" "); listed && !strings.Contains(before(after, "ipv4"), "; not known") {
				t.Errorf("%s: %s: %q", g.file, row, before(after, "ipv4"))
			}
		}
		for _, f := range g.Lint {
			if unknown[f.Place] && !strings.HasPrefix(f.What, "if it runs") {
				t.Errorf("%s: %s %s: %s", g.file, f.ID, f.Place, f.What)
			}
		}
	}
}

// before returns what comes before a word.
func before(text, word string) string {
	text, _, _ = strings.Cut(text, word)
	return text
}

// checked is an item of a checklist: how many exports can be judged by it, how many fail it, and who
// reaches what in those.
type checked struct {
	item           string
	judged, failed int
	by             map[string]int
}

func (c *checked) count(fails bool, reached string) {
	c.judged++
	if fails {
		c.failed++
		c.by[reached]++
	}
}

func (c checked) String() string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d |", c.item, c.judged, c.failed, c.by["anyone"], c.by["perhaps"], c.by["nobody"])
}

// service returns what an export writes of a service: disabled, and limited to addresses. shown is
// false where it has no row of /ip/service at all; of a row that it leaves out, the default counts.
func (g genuineAudit) service(name string) (off, limited, shown bool) {
	for _, st := range g.read.Statements {
		if st.Menu != "/ip/service" {
			continue
		}
		shown = true
		for _, a := range st.Attrs {
			if st.Target == name {
				off = off || a.Name == "disabled" && (a.Value == "yes" || a.Value == "true")
				limited = limited || a.Name == "address" && a.Value != ""
			}
		}
	}
	return off, limited, shown
}

// drops reports whether an export drops or rejects anything in input.
func (g genuineAudit) drops() bool {
	return slices.ContainsFunc(g.read.Statements, func(st rsc.Statement) bool {
		has := map[string]string{}
		for _, a := range st.Attrs {
			has[a.Name] = a.Value
		}
		return st.Menu == "/ip/firewall/filter" && has["chain"] == "input" && has["disabled"] != "yes" && has["disabled"] != "true" && (has["action"] == "drop" || has["action"] == "reject")
	})
}

// TestChecklist: what a checklist says of the exports by their text, beside who really gets in. The
// audit and the text agree about which services are on, and docs/audit.md shows these numbers.
func TestChecklist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "audit.md"))
	check(t, err)
	audits := genuineAudits(t)
	var lines []string
	row := func(item string, each func(g genuineAudit, c *checked)) {
		c := checked{item: item, by: map[string]int{}}
		for _, g := range audits {
			each(g, &c)
		}
		lines = append(lines, c.String())
	}
	for _, name := range []string{"telnet", "ftp", "www", "api", "api-ssl"} {
		row(name+" is disabled", func(g genuineAudit, c *checked) {
			off, _, shown := g.service(name)
			if !shown {
				return
			}
			for _, r := range g.Reach {
				if r.Name == name && (r.State == "off") != off {
					t.Errorf("%s: %s is %s, and disabled is %v", g.file, name, r.State, off)
				}
			}
			c.count(!off, g.reached(name))
		})
	}
	for _, name := range []string{"ssh", "winbox"} {
		row(name+" is disabled or has `address=`", func(g genuineAudit, c *checked) {
			if off, limited, shown := g.service(name); shown {
				c.count(!off && !limited, g.reached(name))
			}
		})
	}
	row("a rule in `input` drops", func(g genuineAudit, c *checked) { c.count(!g.drops(), g.reached("")) })
	row("passes: telnet, ftp, www and api are off, and a rule drops", func(g genuineAudit, c *checked) {
		passes, judged := g.drops(), false
		for _, name := range []string{"telnet", "ftp", "www", "api"} {
			off, _, shown := g.service(name)
			passes, judged = passes && off, shown
		}
		if judged {
			c.count(passes, g.reached(""))
		}
	})
	for _, line := range lines {
		t.Log(line)
		if !strings.Contains(string(page), line) {
			t.Errorf("docs/audit.md lacks the line %s", line)
		}
	}
}
