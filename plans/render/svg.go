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
	var body strings.Builder
	height := 0
	for _, d := range p.Doors {
		a := p.automaton(d)
		fmt.Fprintf(&body, "<g transform=\"translate(0 %d)\">\n", height)
		drawDoor(&body, a)
		body.WriteString("</g>\n")
		height += svgTop + len(a.states)*svgStep
	}
	title := "The doors of the plan " + p.Plan
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"title about\">\n", svgWidth, height, svgWidth, height) +
		"<title id=\"title\">" + escaped(title) + "</title>\n<desc id=\"about\">What the router remembers of a source at each door, and which packets lead from one state to the next.</desc>\n" +
		svgStyle + fmt.Sprintf("<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", svgWidth, height) + body.String() + "</svg>\n"
}

const svgStyle = `<style>
svg { color-scheme: light dark; --page: #ffffff; --ink: #1c2733; --soft: #5b6875; --line: #7a8794; --box: #eef2f6; --good: #d9f0e1; --bad: #fbe3df; }
@media (prefers-color-scheme: dark) { svg { --page: #12181f; --ink: #e6edf3; --soft: #9fadba; --line: #7f8d9a; --box: #222c37; --good: #17402a; --bad: #4f2420; } }
text { font: 14px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
.door { font-weight: 600; font-size: 18px; }
.name { font-weight: 600; text-anchor: middle; }
.sub { font-size: 12px; fill: var(--soft); text-anchor: middle; }
.small { font-size: 12px; fill: var(--soft); }
.end { text-anchor: end; }
.page { fill: var(--page); }
.box { fill: var(--box); stroke: var(--line); }
.good { fill: var(--good); }
.bad { fill: var(--bad); }
.way { fill: none; stroke: var(--line); stroke-width: 1.5; marker-end: url(#tip); }
.line { fill: none; stroke: var(--line); stroke-width: 1.5; }
.group { fill: none; stroke: var(--line); stroke-dasharray: 5 4; }
#tip path { fill: var(--line); }
</style>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z"/></marker></defs>
`

func drawDoor(b *strings.Builder, a automaton) {
	line := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	top := func(n int) int { return svgTop + n*svgStep }
	last := len(a.states) - 1
	line(`<text class="door" x="24" y="34">%s</text>`, escaped("door "+a.door))
	if a.remark != "" {
		line(`<text class="small" x="24" y="54">%s</text>`, escaped(a.remark))
	}
	for n, s := range a.states {
		drawBox(b, svgLeft, top(n), svgBox, map[bool]string{true: "box good", false: "box"}[n == last], s)
	}
	for n, knock := range a.knocks {
		line(`<path class="way" d="M%d %dV%d"/>`, svgMiddle, top(n)+svgTall, top(n+1))
		first, more, _ := strings.Cut(knock, ", ")
		line(`<text x="%d" y="%d">%s</text>`, svgMiddle+10, top(n)+svgTall+26, escaped(first))
		line(`<text class="small" x="%d" y="%d">%s</text>`, svgMiddle+10, top(n)+svgTall+42, escaped(more))
	}
	// Forgotten sources return to the outside along the left, trusted ones further out.
	home := top(0) + svgTall/2
	if a.forgets != "" {
		bus := svgLeft - 60
		for n := 1; n < last; n++ {
			line(`<path class="line" d="M%d %dH%d"/>`, svgLeft, top(n)+svgTall/2, bus)
			line(`<text class="small end" x="%d" y="%d">%s</text>`, bus-6, top(n)+svgTall/2+4, escaped(a.forgets))
		}
		line(`<path class="way" d="M%d %dV%dH%d"/>`, bus, top(last-1)+svgTall/2, home+8, svgLeft)
	}
	if a.leaves != "" {
		line(`<path class="way" d="M%d %dH%dV%dH%d"/>`, svgLeft, top(last)+svgTall/2, 40, home-8, svgLeft)
		line(`<text class="small" x="48" y="%d">%s</text>`, top(last)+svgTall/2-8, escaped(a.leaves))
	}
	if a.trap != "" {
		drawQuarantine(b, a, top(last-1))
	}
}

// drawQuarantine draws the quarantine beside a frame around all states that lead into it; below is
// the last of these boxes.
func drawQuarantine(b *strings.Builder, a automaton, below int) {
	frame := below + svgTall + 14 - (svgTop - 14)
	middle := svgTop - 14 + frame/2
	fmt.Fprintf(b, "<rect class=\"group\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"14\"/>\n", svgLeft-14, svgTop-14, svgBox+28, frame)
	box := max(middle, svgTop+svgTall+50) - svgTall/2
	fmt.Fprintf(b, "<path class=\"way\" d=\"M%d %dH%d\"/>\n", svgRight+14, box+svgTall/2, svgTrap)
	for n, part := range strings.Split(a.trap, ", ") {
		fmt.Fprintf(b, "<text class=\"small\" x=\"%d\" y=\"%d\">%s</text>\n", svgRight+22, box+svgTall/2+18+n*16, escaped(part))
	}
	fmt.Fprintf(b, "<path class=\"way\" d=\"M%d %dV%dH%d\"/>\n", svgTrap+svgTrapW/2, box, svgTop+svgTall/2, svgRight)
	fmt.Fprintf(b, "<text class=\"small\" x=\"%d\" y=\"%d\">%s</text>\n", svgTrap+8, svgTop+svgTall/2-8, escaped(a.release))
	drawBox(b, svgTrap, box, svgTrapW, "box bad", station{"quarantine", "no knock counts"})
}

func drawBox(b *strings.Builder, x, y, width int, class string, s station) {
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", class, x, y, width, svgTall)
	fmt.Fprintf(b, "<text class=\"name\" x=\"%d\" y=\"%d\">%s</text>\n", x+width/2, y+22, escaped(s.name))
	fmt.Fprintf(b, "<text class=\"sub\" x=\"%d\" y=\"%d\">%s</text>\n", x+width/2, y+40, escaped(fitted(s.sub, width)))
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
