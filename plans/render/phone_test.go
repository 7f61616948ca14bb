package render_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/render"
	"github.com/rosknock/rosknock/routeros"
)

// imported is what Knock on Ports knows of a file (SequencesDataV1 in its sources, version 2): a key
// that is not there means nothing to it, and a word that it does not know makes it refuse the file.
type imported struct {
	Version   int
	Sequences []struct {
		Name, Host string
		Delay      int
		ICMPType   string `json:"icmp_type"`
		IPv        string
		Steps      []struct {
			Type              string
			Port              int
			Size              int `json:"icmp_size"`
			Count             int `json:"icmp_count"`
			Content, Encoding string
		}
	}
}

// sent are the packets that the app sends for a sequence, as stages: a port, or the size of the whole
// packet, and what it carries. This follows its Knocker and IcmpType.
func sent(t *rapid.T, file imported, at int, family routeros.Family) []plans.Stage {
	s := file.Sequences[at]
	if !slices.Contains([]string{"prefer_ipv4", "only_ipv4", "only_ipv6"}, s.IPv) || s.Delay < 1 || s.Host == "" {
		t.Fatalf("%+v", s)
	}
	header := 20
	if family == routeros.IPv6 {
		header = 40
	}
	var out []plans.Stage
	for _, step := range s.Steps {
		content := []byte(step.Content)
		switch step.Encoding {
		case "base64":
			var err error
			if content, err = base64.StdEncoding.DecodeString(step.Content); err != nil {
				t.Fatal(err)
			}
		case "raw":
			if content = nil; step.Content != "x" {
				t.Fatalf("%+v", step)
			}
		case "":
		default:
			t.Fatalf("the app knows no encoding %q", step.Encoding)
		}
		stage := plans.Stage{Protocol: step.Type, Port: uint16(step.Port), Payload: string(content)}
		switch step.Type {
		case "tcp", "udp":
		case "icmp":
			const icmpHeader = 8
			if s.ICMPType != "without_headers" || step.Count != 1 || step.Size < 0 {
				t.Fatalf("%+v in %+v", step, s)
			}
			stage.Size = uint16(step.Size + icmpHeader + header)
		default:
			t.Fatalf("the app knows no step %q", step.Type)
		}
		out = append(out, stage)
	}
	return out
}

// TestKnockOnPorts: what the app sends for a file is the knock, packet by packet, in the family that
// the file allows.
func TestKnockOnPorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		families := rapid.SampledFrom([][]routeros.Family{nil, {routeros.IPv4}, {routeros.IPv6}, {routeros.IPv4, routeros.IPv6}}).Draw(t, "families")
		var clients []render.Client
		for range rapid.IntRange(1, 3).Draw(t, "doors") {
			var knock []plans.Stage
			for range rapid.IntRange(1, 6).Draw(t, "stages") {
				s := plans.Stage{Protocol: rapid.SampledFrom([]string{"tcp", "udp", "icmp"}).Draw(t, "protocol")}
				if s.Protocol == "icmp" {
					s.Size = rapid.Uint16Range(48, 1500).Draw(t, "size")
				} else {
					s.Port = rapid.Uint16Range(1, 65535).Draw(t, "port")
				}
				if s.Protocol != "tcp" && rapid.Bool().Draw(t, "carries") {
					s.Payload = string(rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "payload"))
				}
				knock = append(knock, s)
			}
			clients = append(clients, render.Client{Plan: "branch", Door: plans.Door{Name: "admin", Knock: knock}, Host: "192.0.2.1", Families: families})
		}
		text, err := render.KnockOnPorts(clients)
		if err != nil {
			t.Fatal(err)
		}
		var file imported
		if err := json.Unmarshal([]byte(text), &file); err != nil || file.Version != 1 || len(file.Sequences) != len(clients) {
			t.Fatalf("%v: %s", err, text)
		}
		for i, c := range clients {
			family := routeros.IPv4
			if file.Sequences[i].IPv == "only_ipv6" {
				family = routeros.IPv6
			}
			if len(families) > 0 && !slices.Contains(families, family) {
				t.Errorf("it knocks over %s, and the plan over %v", family, families)
			}
			if got := sent(t, file, i, family); !slices.Equal(got, c.Door.Knock) {
				t.Errorf("it sends %v, and the knock is %v", got, c.Door.Knock)
			}
		}
	})
}

// TestPageIsRead: a reader of codes that is not ours reads from the page the very file that the app
// imports, and so does a browser that follows the link.
func TestPageIsRead(t *testing.T) {
	zbar, err := exec.LookPath("zbarimg")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("there is no zbarimg here: install zbar-tools")
	} else if err != nil {
		t.Skip("there is no zbarimg here: install zbar-tools")
	}
	door := knock(tcp(41873), udp(17259, awkward), plans.Stage{Protocol: "icmp", Size: 245}, tcp(52614), udp(3391, ""))
	for _, doors := range [][]plans.Door{{door}, {door, door, door}} {
		var clients []render.Client
		for _, d := range doors {
			clients = append(clients, render.Client{Plan: "branch", Door: d, Host: "2001:db8::1", Families: []routeros.Family{routeros.IPv6}})
		}
		page, err := render.Page(clients)
		if err != nil {
			t.Fatal(err)
		}
		file, err := render.KnockOnPorts(clients)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "code.png")
		if err := os.WriteFile(name, painted(t, page), 0o600); err != nil {
			t.Fatal(err)
		}
		read, err := exec.Command(zbar, "--raw", "-q", name).Output()
		if err != nil || strings.TrimSpace(string(read)) != strings.TrimSpace(file) {
			t.Errorf("%v: it reads %q, want %q", err, read, file)
		}
		link := regexp.MustCompile(`href="data:application/json;base64,([^"]*)"`).FindStringSubmatch(page)
		if saved, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(link[1], "&#43;", "+")); err != nil || string(saved) != file {
			t.Errorf("%v: the link saves %q", err, saved)
		}
	}
}

// painted paints the code of a page, 4 pixels for a module, and returns it as PNG.
func painted(t *testing.T, page string) []byte {
	t.Helper()
	const scale = 4
	size, err := strconv.Atoi(regexp.MustCompile(`viewBox="0 0 (\d+) `).FindStringSubmatch(page)[1])
	if err != nil {
		t.Fatal(err)
	}
	picture := image.NewGray(image.Rect(0, 0, size*scale, size*scale))
	for i := range picture.Pix {
		picture.Pix[i] = 255
	}
	_, black, _ := strings.Cut(page, `fill="#000" d="`)
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-\d+z`).FindAllStringSubmatch(black, -1) {
		x, _ := strconv.Atoi(run[1])
		y, _ := strconv.Atoi(run[2])
		wide, _ := strconv.Atoi(run[3])
		for px := x * scale; px < (x+wide)*scale; px++ {
			for py := y * scale; py < (y+1)*scale; py++ {
				picture.SetGray(px, py, color.Gray{})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPage: it loads nothing, runs nothing, says until when a knock that changes is valid, and refuses
// what no code holds.
func TestPage(t *testing.T) {
	window := &render.Window{From: time.Unix(0, 0), Until: time.Unix(3600, 0)}
	client := render.Client{Plan: "branch", Door: knock(tcp(41873)), Host: "<img src=//evil.example>", Window: window}
	page, err := render.Page([]render.Client{client})
	if err != nil || strings.Contains(page, "<script") || strings.Contains(page, "<img") || strings.Contains(page, `src="`) || !strings.Contains(page, "until 1970-01-01 01:00 UTC") {
		t.Errorf("%v: %s", err, page)
	}
	for _, link := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(link[1], "data:") {
			t.Errorf("it leads to %s", link[1])
		}
	}
	client.Door.Knock = []plans.Stage{udp(1, strings.Repeat("x", 3000))}
	if _, err := render.Page([]render.Client{client}); err == nil || !strings.Contains(err.Error(), "too many for a QR code: choose one door") {
		t.Error(err)
	}
	client.Door.Knock, client.Families = []plans.Stage{{Protocol: "icmp", Size: 40}}, []routeros.Family{routeros.IPv6}
	if _, err := render.KnockOnPorts([]render.Client{client}); err == nil {
		t.Error("a ping that IPv6 has no room for")
	} else if _, ok := errors.AsType[*render.CannotError](err); !ok {
		t.Error(err)
	}
}

// TestCmd reads the batch file by the rules of cmd.exe that people trip over: lines end in CR LF, or
// a label may not be found; what is expanded stands in quotes, or a blank or & in a folder's name
// cuts it; there is no block, which a bracket in an expanded name would end; each jump has its label.
func TestCmd(t *testing.T) {
	text := render.Cmd()
	if strings.Count(text, "\n") != strings.Count(text, "\r\n") || strings.Contains(text, "!") {
		t.Errorf("%q", text)
	}
	labels, jumps := []string{}, []string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		command, rest, _ := strings.Cut(strings.TrimPrefix(line, "@"), " ")
		switch {
		case strings.HasPrefix(line, ":"):
			labels = append(labels, line[1:])
			continue
		case command == "rem":
			continue
		}
		bare := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(line, "")
		for _, found := range regexp.MustCompile(`%[^ ]*`).FindAllString(bare, -1) {
			if found != "%*" && found != "%code%" {
				t.Errorf("%s: %s is not in quotes", line, found)
			}
		}
		if strings.ContainsAny(bare, "()&|<>^") {
			t.Errorf("%s: a sign that means something to cmd.exe", line)
		}
		if _, label, jumps2 := strings.Cut(rest, "goto "); jumps2 || command == "goto" {
			if command == "goto" {
				label = rest
			}
			jumps = append(jumps, label)
		}
	}
	for _, to := range jumps {
		if !slices.Contains(labels, to) {
			t.Errorf("goto %s, and the labels are %q", to, labels)
		}
	}
	if len(jumps) != 2 || !strings.Contains(text, `-ExecutionPolicy Bypass -File "%~dpn0.ps1" %*`) {
		t.Errorf("%q", text)
	}
}
