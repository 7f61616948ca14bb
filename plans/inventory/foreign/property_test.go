package foreign_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/inventory/foreign"
)

// TestRanges: a range stands for as many hosts as arithmetic says, all of them different.
func TestRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, want := "h", 1
		for range rapid.IntRange(1, 3).Draw(t, "ranges") {
			first := rapid.IntRange(0, 30).Draw(t, "first")
			last := first + rapid.IntRange(0, 30).Draw(t, "more")
			step := rapid.IntRange(1, 5).Draw(t, "step")
			form := rapid.SampledFrom([]string{"-[%d:%d:%d]", "-[%03d:%03d:%d]"}).Draw(t, "form")
			pattern += fmt.Sprintf(form, first, last, step)
			want *= (last-first)/step + 1
		}
		for format, text := range map[foreign.Format]string{foreign.AnsibleINI: "[g]\n" + pattern + "\n", foreign.AnsibleYAML: "g: {hosts: {\"" + pattern + "\": }}\n"} {
			list, err := foreign.Read("x", []byte(text), format)
			if err != nil || len(list.Routers) != want || len(list.Skipped) != 0 {
				t.Fatalf("%s %s: %d routers, want %d: %v %v", format, pattern, len(list.Routers), want, list.Skipped, err)
			}
			names := map[string]bool{}
			for _, r := range list.Routers {
				names[r.Name] = true
			}
			if len(names) != want {
				t.Fatalf("%s: %d names", pattern, len(names))
			}
		}
	})
}

// TestRoundTrip: a list that is written as CSV reads back the same, whatever separates the fields.
func TestRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,20}[A-Za-z0-9]`)
	plain := rapid.StringMatching(`([A-Za-z0-9é"'#,;|]( ?[A-Za-z0-9é"'#,;|]){0,10})?`)
	rapid.Check(t, func(t *rapid.T) {
		var routers []foreign.Router
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Comma = rapid.SampledFrom([]rune{',', ';', '\t'}).Draw(t, "delimiter")
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		_ = w.Write([]string{"name", "address", "user", "groups", "tags", "site", "note", "password"})
		for i, n := range rapid.SliceOfNDistinct(name, 0, 8, rapid.ID[string]).Draw(t, "names") {
			r := foreign.Router{Name: n, Address: rapid.SampledFrom([]string{"192.0.2.1", "2001:db8::1", "[2001:db8::1]:8729", "r.example.net:1"}).Draw(t, "address"),
				User: plain.Draw(t, "user"), Note: plain.Draw(t, "note"), Place: fmt.Sprintf("x.csv:%d", i+2),
				Groups: rapid.SliceOfNDistinct(name, 0, 3, rapid.ID[string]).Draw(t, "groups"), Tags: rapid.SliceOfNDistinct(name, 0, 3, rapid.ID[string]).Draw(t, "tags")}
			slices.Sort(r.Groups)
			slices.Sort(r.Tags)
			if site := plain.Draw(t, "site"); site != "" {
				r.Vars = map[string]string{"site": site}
			}
			routers = append(routers, r)
			_ = w.Write([]string{r.Name, r.Address, r.User, strings.Join(r.Groups, "|"), strings.Join(r.Tags, ","), r.Vars["site"], r.Note, planted})
		}
		w.Flush()
		list, err := foreign.Read("x.csv", b.Bytes(), foreign.CSV)
		if err != nil || len(list.Skipped) != 1 || show(foreign.List{Routers: list.Routers}) != show(foreign.List{Routers: routers}) {
			t.Fatalf("%v\n%s\nread as\n%s\nwant\n%s", err, b.String(), show(list), show(foreign.List{Routers: routers}))
		}
		if f, err := foreign.Detect("x", b.Bytes()); f != foreign.CSV || err != nil {
			t.Fatalf("detected as %q, %v", f, err)
		}
	})
}

// seed gives a fuzz target the test files of some formats.
func seed(f *testing.F, formats ...foreign.Format) {
	f.Helper()
	for _, text := range []string{"", "a", "[core]\n", "name,ip\n", "a[1:3]", "\"", "all:\n  hosts:\n    x: {ansible_host: 192.0.2.1}\n", "[{\"name\":\"x\",\"status\":\"active\"}]"} {
		f.Add([]byte(text), text)
	}
	for _, file := range testFiles(f) {
		if slices.Contains(formats, file.format) {
			f.Add(file.data, "core 1")
		}
	}
}

// raw reads anything in some formats: it never panics, and what it returns is sound.
func raw(t *testing.T, data []byte, formats ...foreign.Format) {
	t.Helper()
	if _, err := foreign.Detect("x.csv", data); err != nil && strings.Contains(err.Error(), planted) {
		t.Fatal(err)
	}
	for _, format := range formats {
		if list, err := foreign.Read("x", data, format); err == nil {
			sound(t, list, false)
		}
	}
}

// withPassword reads a file that has the password in its place and any text around it.
func withPassword(t *testing.T, data []byte, format foreign.Format) {
	t.Helper()
	list, err := foreign.Read("x", data, format)
	if err != nil {
		if strings.Contains(err.Error(), planted) {
			t.Fatal(err)
		}
		return
	}
	sound(t, list, true)
}

func FuzzAnsibleINI(f *testing.F) {
	seed(f, foreign.AnsibleINI)
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		raw(t, data, foreign.AnsibleINI)
		if !bytes.Contains(data, []byte("s3cr3t")) && !strings.Contains(text, "s3cr3t") && !bytes.HasPrefix(data, []byte("\xff\xfe")) && !bytes.HasPrefix(data, []byte("\xfe\xff")) {
			lines := "\nr1 ansible_password=" + planted + "\nr2 x=\"" + "\nr3 ansible_ssh_pass='" + planted + "\n"
			withPassword(t, []byte(string(data)+lines+"[all:vars]\nansible_password = "+planted+"\n"+text), foreign.AnsibleINI)
		}
	})
}

func FuzzAnsibleYAML(f *testing.F) {
	seed(f, foreign.AnsibleYAML)
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		raw(t, data, foreign.AnsibleYAML)
		if strings.Contains(text, "s3cr3t") || strings.Contains(text, "$ANSIBLE_VAULT") {
			return
		}
		vars := map[string]any{"ansible_password": planted, "x": text, text: "y", "ansible_host": "192.0.2.1", "nested": map[string]any{"y": planted}}
		out, err := yaml.Marshal(map[string]any{"all": map[string]any{"hosts": map[string]any{text: vars, "r1": vars}, "vars": vars}, text: map[string]any{"hosts": map[string]any{text: vars}}})
		if err == nil {
			withPassword(t, out, foreign.AnsibleYAML)
		}
	})
}

func FuzzCSV(f *testing.F) {
	seed(f, foreign.CSV, foreign.NetBoxCSV)
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		raw(t, data, foreign.CSV, foreign.NetBoxCSV)
		if strings.Contains(text, "s3cr3t") {
			return
		}
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		_ = w.Write([]string{"name", "ip address", "status", "password", "site", "role"})
		_ = w.Write([]string{text, "192.0.2.1", "active", planted, text, text})
		_ = w.Write([]string{"x", text, text, planted, text, text, text})
		w.Flush()
		withPassword(t, b.Bytes(), foreign.CSV)
		withPassword(t, b.Bytes(), foreign.NetBoxCSV)
	})
}

func FuzzNetBox(f *testing.F) {
	seed(f, foreign.NetBoxJSON)
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		raw(t, data, foreign.NetBoxJSON)
		if strings.Contains(text, "s3cr3t") {
			return
		}
		device := map[string]any{"name": text, "status": map[string]any{"value": "active"}, "primary_ip": map[string]any{"address": "192.0.2.1/24"},
			"site": map[string]any{"slug": text}, "tags": []any{text, 7}, "comments": text, "custom_fields": map[string]any{"x_password": planted, text: text}}
		other := maps.Clone(device)
		other["primary_ip"], other["status"] = text, text
		if out, err := json.Marshal([]any{device, device, other}); err == nil {
			withPassword(t, out, foreign.NetBoxJSON)
		}
	})
}

func FuzzWinBox(f *testing.F) {
	seed(f)
	f.Add(cdb(entry("192.0.2.1", "a", "b", "c", "d")), "note")
	f.Add(wbx([]string{"type", "addr", "host", "192.0.2.1", "pwd", "x"}), "note")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		raw(t, data, foreign.WinBoxCDB, foreign.WinBoxWBX)
		raw(t, append([]byte("\x0d\xf0\x1d\xc0"), data...), foreign.WinBoxCDB)
		raw(t, append([]byte("\x0f\x10\xc0\xbe"), data...), foreign.WinBoxWBX)
		if text = text[:min(len(text), 1000)]; strings.Contains(text, "s3cr3t") {
			return
		}
		withPassword(t, cdb(entry("192.0.2.1", text, planted, text, text), entry(text, text, planted, text, text)), foreign.WinBoxCDB)
		withPassword(t, wbx([]string{"type", "addr", "host", "192.0.2.1", "login", text, "pwd", planted, "note", text}, []string{"host", text, "pwd", planted, "group", text}), foreign.WinBoxWBX)
	})
}
