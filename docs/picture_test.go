package docs

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// box is a package in the picture.
type box struct {
	name string
	row  int // 0 is the innermost
	x, y int
	pure bool
	uses []string // what it imports, without what that imports
}

// The picture's measures, in pixels.
const (
	boxHeight = 30
	rowHeight = 84
	margin    = 20
	gap       = 16
	letter    = 8 // width of a letter, about
)

func (b box) width() int { return len(b.name)*letter + 20 }

// boxes lays the map of layers out: each package stands above all that it imports.
func boxes() []box {
	all := layers()
	uses := map[string][]string{}
	for name, l := range all {
		switch {
		case strings.HasPrefix(name, "docs") || name == "fixtures" || strings.HasSuffix(name, "/lab"):
		case l.ours == "*": // it may import everything, which is one arrow too many for each
			uses[name] = []string{"cmd/rosknock/view"}
		default:
			uses[name] = strings.Fields(l.ours)
		}
	}
	var row func(name string) int
	row = func(name string) int {
		deepest := 0
		for _, u := range uses[name] {
			deepest = max(deepest, row(u)+1)
		}
		return deepest
	}
	var out []box
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		out = append(out, box{name: name, row: row(name), pure: !all[name].impure, uses: direct(uses, name)})
	}
	slices.SortStableFunc(out, func(a, b box) int { return cmp.Compare(a.row, b.row) })
	return out
}

// direct returns what a package imports, without what one of those imports itself.
func direct(uses map[string][]string, name string) []string {
	var reaches func(from, to string) bool
	reaches = func(from, to string) bool {
		return slices.ContainsFunc(uses[from], func(u string) bool { return u == to || reaches(u, to) })
	}
	var out []string
	for _, u := range slices.Sorted(slices.Values(uses[name])) {
		if !slices.ContainsFunc(uses[name], func(o string) bool { return reaches(o, u) }) {
			out = append(out, u)
		}
	}
	return out
}

// picture draws the packages, the innermost at the bottom, with arrows to what they import.
func picture() string {
	all := boxes()
	rows := map[int][]int{}
	for i, b := range all {
		rows[b.row] = append(rows[b.row], i)
	}
	wide := 0
	widths := map[int]int{}
	for row, members := range rows {
		for _, i := range members {
			widths[row] += all[i].width() + gap
		}
		wide = max(wide, widths[row])
	}
	wide += 2 * margin
	top := len(rows) - 1
	for row, members := range rows {
		x := (wide - widths[row]) / 2
		for _, i := range members {
			all[i].x, all[i].y = x, margin+(top-row)*rowHeight
			x += all[i].width() + gap
		}
	}
	at := map[string]box{}
	for _, b := range all {
		at[b.name] = b
	}
	height := margin*2 + top*rowHeight + boxHeight + 30
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="ui-monospace, monospace" font-size="13" role="img">`+"\n", wide, height)
	s.WriteString("<title>The packages of rosknock: each stands above what it imports</title>\n")
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", wide, height)
	s.WriteString(`<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 10 5 0 10z" fill="#8a94a3"/></marker></defs>` + "\n")
	for _, b := range all {
		for _, u := range b.uses {
			fmt.Fprintf(&s, `<path d="%s" fill="none" stroke="#8a94a3" marker-end="url(#tip)"/>`+"\n", way(all, b, at[u], wide))
		}
	}
	for _, b := range all {
		fill := "#dbe9ff"
		if !b.pure {
			fill = "#ffe3c2"
		}
		fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%d" height="%d" rx="5" fill="%s" stroke="#4a5565"/>`+"\n", b.x, b.y, b.width(), boxHeight, fill)
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="middle" fill="#16202e">%s</text>`+"\n", b.x+b.width()/2, b.y+20, b.name)
	}
	fmt.Fprintf(&s, `<text x="%d" y="%d" fill="#16202e">blue: values to values. orange: may use sockets, files, the clock. cmd/rosknock imports all of them.</text>`+"\n</svg>\n", margin, height-14)
	return s.String()
}

// way leads from the bottom of a box to the top of one further down. In the rows between it goes
// through the gap that is nearest to the straight line, so that no line passes behind a box.
func way(all []box, from, to box, wide int) string {
	x, y := from.x+from.width()/2, from.y+boxHeight
	d := fmt.Sprintf("M%d %d", x, y)
	curve := func(nx, ny int) {
		bend := (ny - y) / 2
		d += fmt.Sprintf(" C%d %d %d %d %d %d", x, y+bend, nx, ny-bend, nx, ny)
		x, y = nx, ny
	}
	end := to.x + to.width()/2
	for row := from.row - 1; row > to.row; row-- {
		top := from.y + (from.row-row)*rowHeight
		straight := x + (end-x)*(top-y)/(to.y-y)
		gap := free(all, row, straight, wide)
		curve(gap, top)
		d += fmt.Sprintf(" V%d", top+boxHeight)
		y = top + boxHeight
	}
	curve(end, to.y)
	return d
}

// free returns where a line can pass a row, as near to x as can be.
func free(all []box, row, x, wide int) int {
	edges := []int{margin / 2, wide - margin/2}
	for _, b := range all {
		if b.row == row {
			edges = append(edges, b.x-gap/2, b.x+b.width()+gap/2)
		}
	}
	return slices.MinFunc(edges, func(a, b int) int { return cmp.Compare(max(a-x, x-a), max(b-x, x-b)) })
}

// TestPicture holds the picture and the table of packages to the map of layers. ROSKNOCK_UPDATE=1
// draws it anew.
func TestPicture(t *testing.T) {
	want := picture()
	if os.Getenv("ROSKNOCK_UPDATE") != "" {
		if err := os.WriteFile("architecture.svg", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("architecture.svg"); err != nil || string(got) != want {
		t.Errorf("architecture.svg is out of date (%v): run ROSKNOCK_UPDATE=1 go test ./docs", err)
	}
	page, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range layers() {
		if name != "fixtures" && name != "docs" && name != "cmd/rosknock/view" && !strings.Contains(string(page), "| `"+name+"`") {
			t.Errorf("architecture.md: the package %s is not in the table", name)
		}
	}
}
