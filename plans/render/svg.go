package render

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The measures of a picture.
const (
	svgWidth  = 840
	svgLeft   = 190 // of the boxes
	svgBox    = 280
	svgTall   = 52
	svgStep   = 104 // from box to box
	svgTop    = 84  // of the first box, below the door's name
	svgRight  = svgLeft + svgBox
	svgMiddle = svgLeft + svgBox/2
	svgTrap   = 650 // left edge of the quarantine
	svgTrapW  = 160
)

// Draw returns the doors as one SVG picture, one below the other. It needs no other files, and is
// readable on light and dark backgrounds.
func Draw(p Picture) string {
	var body pen
	height := 0
	for _, d := range p.Doors {
		a := p.automaton(d)
		body.printf("<g transform=\"translate(0 %d)\">", height)
		body.door(a)
		body.printf("</g>")
		height += svgTop + len(a.states)*svgStep
	}
	var whole pen
	whole.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title about" font-family="%s" font-size="14">`,
		svgWidth, height, svgWidth, height, "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif")
	whole.printf(`<title id="title">%s</title>`, escaped("The doors of the plan "+p.Plan))
	whole.printf(`<desc id="about">What the router remembers of a source at each door, and which packets lead from one state to the next.</desc>`)
	whole.printf("%s", svgStyle)
	whole.rect("page", 0, 0, svgWidth, height)
	return whole.String() + body.String() + "</svg>\n"
}

// svgStyle is for programs that know style sheets, and only changes colours where it is dark: all
// that a picture needs stands in its attributes, which every program reads.
const svgStyle = `<style>
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.sub, .small { fill: #9fadba; }
.page { fill: #12181f; }
.box { fill: #222c37; stroke: #7f8d9a; }
.good { fill: #17402a; }
.bad { fill: #4f2420; }
.way, .line, .group { stroke: #7f8d9a; }
#tip path { fill: #7f8d9a; }
}
</style>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 10 5 0 10z" fill="#7a8794"/></marker></defs>`

// pen writes elements of a picture.
type pen struct{ strings.Builder }

func (p *pen) printf(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *pen) rect(class string, x, y, width, height int) {
	p.printf(`<rect %s x="%d" y="%d" width="%d" height="%d"/>`, look(class), x, y, width, height)
}

// look returns the class of an element, and the attributes that it has where nothing is known of
// classes.
func look(class string) string {
	const ink, soft, edge = "#1c2733", "#5b6875", "#7a8794"
	var attributes string
	switch class {
	case "knock":
		attributes = `fill="` + ink + `"`
	case "door":
		attributes = `fill="` + ink + `" font-weight="600" font-size="18"`
	case "name":
		attributes = `fill="` + ink + `" font-weight="600" text-anchor="middle"`
	case "sub":
		attributes = `fill="` + soft + `" font-size="12" text-anchor="middle"`
	case "small":
		attributes = `fill="` + soft + `" font-size="12"`
	case "small end":
		attributes = `fill="` + soft + `" font-size="12" text-anchor="end"`
	case "page":
		attributes = `fill="#ffffff"`
	case "box":
		attributes = `fill="#eef2f6" stroke="` + edge + `" rx="8"`
	case "box good":
		attributes = `fill="#d9f0e1" stroke="` + edge + `" rx="8"`
	case "box bad":
		attributes = `fill="#fbe3df" stroke="` + edge + `" rx="8"`
	case "group":
		attributes = `fill="none" stroke="` + edge + `" stroke-dasharray="5 4" rx="14"`
	case "line":
		attributes = `fill="none" stroke="` + edge + `" stroke-width="1.5"`
	case "way":
		attributes = `fill="none" stroke="` + edge + `" stroke-width="1.5" marker-end="url(#tip)"`
	}
	return `class="` + class + `" ` + attributes
}

func (p *pen) door(a automaton) {
	top := func(n int) int { return svgTop + n*svgStep }
	last := len(a.states) - 1
	p.text("door", 24, 34, "door "+a.door)
	if a.remark != "" {
		p.text("small", 24, 54, a.remark)
	}
	for n, s := range a.states {
		p.box(map[bool]string{true: "box good", false: "box"}[n == last], svgLeft, top(n), svgBox, s)
	}
	for n, knock := range a.knocks {
		p.path("way", "M%d %dV%d", svgMiddle, top(n)+svgTall, top(n+1))
		first, more, _ := strings.Cut(knock, ", ")
		p.text("knock", svgMiddle+10, top(n)+svgTall+26, first)
		p.text("small", svgMiddle+10, top(n)+svgTall+42, more)
	}
	// Forgotten sources return to the outside along the left, trusted ones further out.
	home := top(0) + svgTall/2
	if a.forgets != "" {
		bus := svgLeft - 60
		for n := 1; n < last; n++ {
			p.path("line", "M%d %dH%d", svgLeft, top(n)+svgTall/2, bus)
			p.text("small end", bus-6, top(n)+svgTall/2+4, a.forgets)
		}
		p.path("way", "M%d %dV%dH%d", bus, top(last-1)+svgTall/2, home+8, svgLeft)
	}
	if a.leaves != "" {
		p.path("way", "M%d %dH%dV%dH%d", svgLeft, top(last)+svgTall/2, 40, home-8, svgLeft)
		p.text("small", 48, top(last)+svgTall/2-8, a.leaves)
	}
	if a.trap != "" {
		p.quarantine(a, top(last-1))
	}
}

func (p *pen) text(class string, x, y int, text string) {
	p.printf(`<text %s x="%d" y="%d">%s</text>`, look(class), x, y, escaped(text))
}

// path draws along the commands of a path.
func (p *pen) path(class, format string, args ...any) {
	p.printf(`<path %s d="%s"/>`, look(class), fmt.Sprintf(format, args...))
}

// quarantine draws the quarantine beside a frame around all states that lead into it; below is the
// last of these boxes.
func (p *pen) quarantine(a automaton, below int) {
	frame := below + svgTall + 8 - (svgTop - 14)
	middle := svgTop - 14 + frame/2
	p.rect("group", svgLeft-14, svgTop-14, svgBox+28, frame)
	box := max(middle, svgTop+svgTall+50) - svgTall/2
	p.path("way", "M%d %dH%d", svgRight+14, box+svgTall/2, svgTrap)
	for n, part := range strings.Split(a.trap, ", ") {
		p.text("small", svgRight+22, box+svgTall/2+18+n*16, part)
	}
	p.path("way", "M%d %dV%dH%d", svgTrap+svgTrapW/2, box, svgTop+svgTall/2, svgRight)
	p.text("small", svgTrap+8, svgTop+svgTall/2-8, a.release)
	p.box("box bad", svgTrap, box, svgTrapW, station{"quarantine", "no knock counts"})
}

func (p *pen) box(class string, x, y, width int, s station) {
	p.rect(class, x, y, width, svgTall)
	p.text("name", x+width/2, y+22, s.name)
	p.text("sub", x+width/2, y+40, fitted(s.sub, width))
}

// fitted cuts a text to the width of a box, by the width of most letters.
func fitted(s string, width int) string {
	const letter = 6
	if most := width/letter - 1; utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most-1]) + "…"
	}
	return s
}

// escaped escapes a text for XML.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
