package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// scene is a command of the recording, and the lines of its output that the picture shows.
type scene struct {
	command string
	shows   string // a regular expression; other lines become one …
}

// recording is what the README's picture shows: a plan on a router, the same plan with a mistake,
// and the way back.
func recording() []scene {
	return []scene{
		{"rosknock apply branch.yaml -i routers.yaml --yes", `safe mode|step (1|39) of|again|changed`},
		{"sed s/LAN/WAN/ branch.yaml > slip.yaml   # a mistake", ""},
		{"rosknock apply slip.yaml -i routers.yaml --yes", `refused|^  `},
		{"rosknock undo -i routers.yaml --yes", `changed`},
	}
}

const recordingFile = "../../docs/recording.svg"

// TestRecording runs the recording on a simulated router, and fails when the picture in the README
// shows something else than what comes out. ROSKNOCK_UPDATE=1 draws it anew.
func TestRecording(t *testing.T) {
	r := newReader(t, "127.0.0.1:8728", 5)
	r.env = append(r.env, "ROSKNOCK_PASSWORD=any")
	r.do(step{command: "cp fixtures/plans/quarantine.yaml branch.yaml"})
	r.start(step{command: r.moved("$ rosknock sim --tls --write-inventory routers.yaml")[2:], want: []string{"…", "stop with Ctrl-C"}})
	var lines []string
	for _, s := range recording() {
		lines = append(lines, "\x1b[1m$ "+s.command)
		lines = append(lines, s.excerpt(r.colored(s.command))...)
		lines = append(lines, "")
	}
	want := drawn(lines[:len(lines)-1])
	if os.Getenv("ROSKNOCK_UPDATE") != "" {
		if err := os.WriteFile(recordingFile, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(recordingFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/recording.svg shows something else than what comes out (%v): run ROSKNOCK_UPDATE=1 go test ./cmd/rosknock -run TestRecording", err)
	}
	if len(got) > 100_000 {
		t.Errorf("docs/recording.svg has %d bytes", len(got))
	}
}

// colored runs a command as a terminal with colours would, whatever its exit code.
func (r *reader) colored(command string) string {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	c := r.shell(ctx, strings.ReplaceAll(command, " --yes", " --yes --color always"))
	out, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		r.Fatal(err)
	}
	return string(out)
}

// excerpt returns the lines that a scene shows.
func (s scene) excerpt(out string) []string {
	shows := regexp.MustCompile(s.shows)
	var lines []string
	left := false
	for line := range strings.SplitSeq(strings.TrimRight(out, "\n"), "\n") {
		switch plain := sgr.ReplaceAllString(line, ""); {
		case plain == "":
		case !shows.MatchString(plain):
			left = true
			continue
		default:
			if left {
				lines = append(lines, "\x1b[2m…")
			}
			lines = append(lines, folded(line)...)
		}
		left = false
	}
	return lines
}

var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// The picture's measures, in pixels, and its screenWidth.
const (
	cellWidth   = 8.4
	lineHeight  = 19
	textTop     = 52
	screenWidth = 99
)

// folded breaks a line as a terminal with so many screenWidth does.
func folded(line string) []string {
	var parts []string
	width, start, style := 0, 0, ""
	for i := 0; i < len(line); {
		if at := sgr.FindStringIndex(line[i:]); at != nil && at[0] == 0 {
			style = line[i : i+at[1]]
			i += at[1]
			continue
		}
		if width == screenWidth {
			parts = append(parts, line[start:i])
			line, i, start, width = style+line[i:], len(style), 0, 0
			continue
		}
		_, size := utf8.DecodeRuneInString(line[i:])
		i += size
		width++
	}
	return append(parts, line[start:])
}

// drawn draws the lines in plain attributes, which every program that shows SVG knows. Nothing
// moves: what matters can be read at once.
func drawn(lines []string) []byte {
	var s bytes.Buffer
	height := textTop + len(lines)*lineHeight + 4
	width := math.Ceil(screenWidth*cellWidth) + 36
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" role="img">`+"\n", width, height, width, height)
	s.WriteString("<title>rosknock applies a plan, refuses one with a mistake and shows the packet that it would drop, and undoes the change</title>\n")
	fmt.Fprintf(&s, `<rect x="1" y="1" width="%.0f" height="%d" rx="9" fill="#16202e" stroke="#4a5565"/>`+"\n", width-2, height-2)
	for i, color := range []string{"#ff6b68", "#f2c55c", "#62c554"} {
		fmt.Fprintf(&s, `<circle cx="%d" cy="20" r="6" fill="%s"/>`+"\n", 22+20*i, color)
	}
	for i, line := range lines {
		if line != "" {
			fmt.Fprintln(&s, spans(line, textTop+i*lineHeight))
		}
	}
	s.WriteString("</svg>\n")
	return s.Bytes()
}

// spans writes the parts of a line that look alike, each at its own column: fonts differ in width.
func spans(line string, y int) string {
	var s strings.Builder
	look := ""
	column := 0
	write := func(text string) {
		for _, word := range regexp.MustCompile(`\S+( \S+)*`).FindAllStringIndex(text, -1) {
			at := column + utf8.RuneCountInString(text[:word[0]])
			fmt.Fprintf(&s, `<text x="%.1f" y="%d"%s>%s</text>`, 18+float64(at)*cellWidth, y, colors()[look], html.EscapeString(text[word[0]:word[1]]))
		}
		column += utf8.RuneCountInString(text)
	}
	rest := steady(line)
	for {
		at := sgr.FindStringSubmatchIndex(rest)
		if at == nil {
			write(rest)
			return s.String()
		}
		write(rest[:at[0]])
		look = rest[at[2]:at[3]]
		rest = rest[at[1]:]
	}
}

// colors says how a terminal's colours look in the picture.
func colors() map[string]string {
	return map[string]string{
		"": ` fill="#d6dde8"`, "0": ` fill="#d6dde8"`, "1": ` fill="#ffffff" font-weight="bold"`, "2": ` fill="#94a1b4"`,
		"31": ` fill="#ff8480"`, "32": ` fill="#7fd671"`, "33": ` fill="#f2c55c"`,
	}
}

// steady puts one name in place of those of changes, which differ from run to run.
func steady(text string) string {
	return regexp.MustCompile(`\d{8}-\d{6}-[0-9a-f]{4}`).ReplaceAllString(text, "20261121-050950-be19")
}
