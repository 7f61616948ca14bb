package inventory_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/inventory"
)

// fleetOf is an inventory of many routers, as programs write them: a line each.
func fleetOf(routers int) string {
	var b strings.Builder
	b.WriteString("version: 1\ndefaults: {user: provision, transport: api-ssl, password: \"command:pass show ${router}\"}\ngroups:\n")
	for g := range 20 {
		fmt.Fprintf(&b, "  region%02d: {plans: [plans/branch.yaml], tags: [edge], vars: {country: c%02d}}\n", g, g)
	}
	b.WriteString("  vip: {vars: {wan: ether5}, tags: [vip]}\nrouters:\n")
	for i := range routers {
		groups := fmt.Sprintf("region%02d", i%20)
		if i%10 == 3 {
			groups += ", vip"
		}
		fmt.Fprintf(&b, "  r%06d: {address: \"10.%d.%d.%d:8729\", groups: [%s], vars: {office: 198.51.100.%d}, site: pop%d}\n", i, i>>16, i>>8&255, i&255, groups, i%250, i%500)
	}
	return b.String()
}

// waysToWrite are inventories of 60 routers, each written in another way.
func waysToWrite() map[string]string {
	each := func(head, router string) string {
		for i := range 60 {
			head += strings.ReplaceAll(router, "NN", fmt.Sprintf("%02d", i+10))
		}
		return head
	}
	return map[string]string{
		"a line each": fleetOf(60),
		"blocks": each("version: 1\ngroups:\n  b:\n    tags: [x]\nrouters:\n",
			"\n  rNN:\n    address: 192.0.2.NN:8729\n    groups: [b]\n    # where it is\n    site: pop1 # there\n    vars:\n      wan: ether1\n      office: \"198.51.100.NN\"\n    password: command:pass show ${router}\n"),
		"lists below their keys": each("version: 1 # the first\ngroups:\n  b: {}\n  c: {tags: []}\nrouters:\n",
			"    rNN:\n        groups:\n        - b\n        - 'c' # two\n        address: 192.0.2.1\n        tags:\n            - \"x\"\n            - y.z\n    sNN: {'address': \"a\", \"tags\": [ 'x' , y ]}\n"),
		"numbers and words": each("version: 1\nrouters:\n", "  rNN: {address: r1, vars: {a: 010, b: true, c: 1.5, d: ~x, e: 0xNN, f: 2026-11-30}}\n  yes-NN: {address: 1.2.3.4}\n  \"NN\": {address: 10.0.0.1:8729, user: no}\n"),
		"later lines":       each("\n\n# a\nversion: 1\n\nrouters:\n\n", "  # b\n  rNN: {address: r1}\n# c\n    # d\n  sNN:\n\n    address: r3\n"),
	}
}

// sameInFull fails where an inventory reads otherwise once the quick reader gives it up: as it does
// for a tab, which a comment may hold.
func sameInFull(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, texts ...string,
) {
	t.Helper()
	read := func(tail string) (inventory.Inventory, error) {
		var files []inventory.File
		for i, text := range texts {
			files = append(files, inventory.File{Name: fmt.Sprintf("dir%d/inv.yaml", i), Data: []byte(text + tail)})
		}
		return inventory.Read(files...)
	}
	got, err := read("\n")
	want, errInFull := read("\n#\t\n")
	if err != nil {
		return // as the library has it
	}
	if errInFull != nil {
		t.Fatalf("%v\nin full: %v\n%s", err, errInFull, strings.Join(texts, "\n=====\n"))
	}
	if !slices.Equal(got.Groups, want.Groups) || got.Len() != want.Len() {
		t.Fatalf("%v, %d routers; in full %v, %d\n%s", got.Groups, got.Len(), want.Groups, want.Len(), strings.Join(texts, "\n=====\n"))
	}
	for i := range got.Len() {
		if !reflect.DeepEqual(got.Router(i), want.Router(i)) {
			t.Fatalf("%+v\nin full: %+v\n%s", got.Router(i), want.Router(i), strings.Join(texts, "\n=====\n"))
		}
		a, b := got.Member(i), want.Member(i)
		if a.Name != b.Name || a.Site != b.Site || !slices.Equal(a.Groups, b.Groups) || !slices.Equal(a.Tags, b.Tags) {
			t.Fatalf("%+v\nin full: %+v\n%s", a, b, strings.Join(texts, "\n=====\n"))
		}
	}
}

// TestInventoryQuick: an inventory is read the same with the YAML library and without, and the ways
// in which long ones are written need no library.
func TestInventoryQuick(t *testing.T) {
	for name, text := range waysToWrite() {
		t.Run(name, func(t *testing.T) {
			mustRead(t, text)
			sameInFull(t, text)
			allocated := func(text string) float64 {
				return testing.AllocsPerRun(5, func() { mustRead(t, text) })
			}
			if quick, full := allocated(text), allocated(text+"#\t\n"); quick > 0.5*full {
				t.Errorf("%.0f allocations, and %.0f with the library", quick, full)
			}
		})
	}
}

// TestInventorySame: the same for inventories of several files that are written in all manners,
// with mistakes and without.
func TestInventorySame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var texts []string
		for range rapid.IntRange(1, 3).Draw(t, "files") {
			texts = append(texts, drawnInventory(t))
		}
		sameInFull(t, texts...)
	})
}

// drawnInventory writes an inventory in drawn manners.
func drawnInventory(t *rapid.T) string {
	d := writer{T: t}
	rarely := func(label string) bool { return rapid.IntRange(0, 60).Draw(t, label) == 31 }
	some := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	scalars := []string{"a", "b", "x y", "ether1", "010", "5s", "true", "~", "null", "1.5", "a:b", "a: b", "a #b", "a#b", "'q'", "\"q\"", "'it''s'", "\"a\\tb\"", "-", "- a", "?", "a,b", "[a", "{a}", "&a", "*a", "!a",
		"${router}", "command:pass show x", "env:X", "file:secret", "prompt", "api", "api-ssl", "ü", "\u2028", "\u00a0", "x\u0085y", "@a", "%a", "a%", "sha256:" + hexPin, "192.0.2.1:8729", "2001:db8::1", "a ", "a  b", "|", ">", "a\n      b"}
	good := map[string][]string{
		"user": {"a", "x y", "'q'", "no", "\"ü\"", "a#b", "a,b"}, "site": {"pop1", "\"pop2\"", "a.b"}, "password": {"env:X", "file:secret", "prompt", "command:pass show x", "\"command:pass show ${router}\""},
		"transport": {"api", "api-ssl", "'api'"}, "tls-ca": {"ca.pem", "/etc/ca.pem", "~/ca.pem"}, "ssh-jump": {"bob@gate:22", "\"a,b\""}, "timeout": {"5s", "\"1m\""},
		"": {"a", "b", "x y", "ether1", "010", "true", "~x", "1.5", "a:b", "a#b", "'q'", "198.51.100.7", "a  b", "-1", "\"a: b\"", "@a"},
	}
	value := func(key string) string {
		if rarely("odd") {
			return some("value", scalars...)
		}
		return some("value", good[key]...)
	}
	common := func(indent int) []pair {
		var out []pair
		for _, key := range []string{"user", "site", "password", "transport", "tls-ca", "ssh-jump", "timeout"} {
			if rapid.IntRange(0, 9).Draw(t, key) == 0 {
				out = append(out, pair{key, value(key)})
			}
		}
		if rarely("unknown key") {
			out = append(out, pair{"usr", "a"})
		}
		if rapid.IntRange(0, 2).Draw(t, "vars") == 0 {
			var vars []pair
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"wan", "office", "o-2"}), 0, 3, rapid.ID[string]).Draw(t, "variables") {
				vars = append(vars, pair{name, value("")})
			}
			if rarely("a wrong name") {
				vars = append(vars, pair{some("wrong", "W", "wan"), "a"})
			}
			out = append(out, pair{"vars", d.mapping(indent+2, vars)})
		}
		for _, key := range []string{"tags", "plans"} {
			if rapid.IntRange(0, 3).Draw(t, key) == 0 {
				out = append(out, pair{key, d.list(indent, rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "'q'"}), 1, 3, rapid.ID[string]).Draw(t, "items"))})
			}
		}
		return out
	}
	root := []pair{{"version", "1"}}
	if rapid.Bool().Draw(t, "defaults") {
		root = append(root, pair{"defaults", d.mapping(2, common(2))})
	}
	var groups, routers []pair
	names := []string{"g1", "g2"}
	for _, name := range names {
		groups = append(groups, pair{name, d.mapping(4, common(4))})
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"r1", "r2", "r3", "'r4'", "\"10\""}), 1, 5, rapid.ID[string]).Draw(t, "routers") {
		keys := common(4)
		if rapid.IntRange(0, 30).Draw(t, "address") > 0 {
			keys = append(keys, pair{"address", some("host", "192.0.2.1", "\"192.0.2.1:8729\"", "host", "'h'", "192.0.2.2:8729", "2001:db8::1")})
		}
		if rapid.Bool().Draw(t, "member") {
			keys = append(keys, pair{"groups", d.list(4, rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, rapid.ID[string]).Draw(t, "of"))})
		}
		if rarely("a wrong router") {
			name = some("name", "10", "r 6", "true", "r1")
		}
		routers = append(routers, pair{name, d.mapping(4, keys)})
	}
	root = append(root, pair{"groups", d.mapping(2, groups)})
	root = append(root, pair{"routers", d.mapping(2, routers)})
	return d.block(0, root)
}

type pair struct{ key, value string }

// writer writes values in drawn manners.
type writer struct{ *rapid.T }

// mapping writes a mapping that stands behind its key.
func (d writer) mapping(indent int, pairs []pair) string {
	if len(pairs) > 0 && rapid.IntRange(0, 2).Draw(d.T, "block") > 0 {
		return "\n" + d.block(indent+rapid.IntRange(-1, 1).Draw(d.T, "indent"), pairs)
	}
	var items []string
	for _, p := range pairs {
		items = append(items, p.key+": "+strings.TrimSuffix(p.value, "\n"))
	}
	return "{" + d.between(items) + "}"
}

func (d writer) between(items []string) string {
	return strings.Join(items, rapid.SampledFrom([]string{", ", ",", " , "}).Draw(d.T, "comma"))
}

func (d writer) block(indent int, pairs []pair) string {
	var b strings.Builder
	for _, p := range pairs {
		gap := " "
		if strings.HasPrefix(p.value, "\n") {
			gap = ""
		}
		fmt.Fprintf(&b, "%s%s:%s%s%s\n", strings.Repeat(" ", indent), p.key, gap, strings.TrimSuffix(p.value, "\n"), rapid.SampledFrom([]string{"", "", "", " ", " # c", "#", "\n", "\n# c: d", "\n        # e"}).Draw(d.T, "behind"))
	}
	return b.String()
}

// list writes a list that stands behind its key.
func (d writer) list(indent int, items []string) string {
	if len(items) == 0 || rapid.Bool().Draw(d.T, "flow") {
		return "[" + d.between(items) + "]"
	}
	var b strings.Builder
	lead := strings.Repeat(" ", indent+rapid.IntRange(-1, 2).Draw(d.T, "indent"))
	for _, item := range items {
		b.WriteString("\n" + lead + "- " + item)
	}
	return b.String()
}

// BenchmarkInventory reads an inventory of 100,000 routers and builds one of them.
func BenchmarkInventory(b *testing.B) {
	files := map[string][]inventory.File{}
	text := fleetOf(100_000)
	files["one file"] = []inventory.File{{Name: "fleet.yaml", Data: []byte(text)}}
	head, routers, _ := strings.Cut(text, "routers:\n")
	for part := range slices.Chunk(slices.Collect(strings.Lines(routers)), 10_000) {
		files["ten files"] = append(files["ten files"], inventory.File{Name: "part.yaml", Data: []byte("version: 1\nrouters:\n" + strings.Join(part, ""))})
	}
	files["ten files"] = append(files["ten files"], inventory.File{Name: "head.yaml", Data: []byte(head)})
	var lines strings.Builder
	lines.WriteString(head + "routers:\n")
	for i := range 100_000 {
		fmt.Fprintf(&lines, "  r%06d:\n    address: 10.%d.%d.%d:8729\n    groups: [region%02d]\n    site: pop%d\n    vars:\n      office: 198.51.100.%d # there\n\n", i, i>>16, i>>8&255, i&255, i%20, i%500, i%250)
	}
	files["over many lines"] = []inventory.File{{Name: "fleet.yaml", Data: []byte(lines.String())}}
	for name, of := range files {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, err := inventory.Read(of...)
				if err != nil || i.Len() != 100_000 || i.Router(77_777).Name != "r077777" {
					b.Fatal(err)
				}
			}
		})
	}
}
