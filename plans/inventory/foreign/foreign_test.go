package foreign_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/rosknock/rosknock/plans/inventory/foreign"
)

// planted stands wherever a test file has a password.
const planted = "s3cr3t-pass"

// show prints a list so that a difference shows at a glance.
func show(l foreign.List) string {
	var b strings.Builder
	for _, r := range l.Routers {
		fmt.Fprintf(&b, "%s = %s user=%q groups=%v tags=%v vars=%v note=%q at %s\n", r.Name, r.Address, r.User, r.Groups, r.Tags, r.Vars, r.Note, r.Place)
	}
	for _, name := range slices.Sorted(mapKeys(l.Groups)) {
		fmt.Fprintf(&b, "group %s: %v\n", name, l.Groups[name])
	}
	for _, s := range l.Skipped {
		fmt.Fprintf(&b, "- %s\n", s)
	}
	return b.String()
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestFiles reads the files in testdata as what they are, and compares with the list in NAME.want.
func TestFiles(t *testing.T) {
	for _, test := range testFiles(t) {
		file, data, format := test.name, test.data, test.format
		t.Run(file, func(t *testing.T) {
			if f, err := foreign.Detect("unnamed", data); f != format || err != nil {
				t.Errorf("detected as %q, %v; it is %q", f, err, format)
			}
			list, err := foreign.Read(file, data, format)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := os.ReadFile(filepath.Join("testdata", file+".want"))
			if got := show(list); got != string(want) {
				t.Errorf("read as\n%s\nwant\n%s", got, want)
			}
			sound(t, list, true)
		})
	}
}

type testFile struct {
	name   string
	data   []byte
	format foreign.Format
}

func testFiles(t testing.TB) []testFile {
	t.Helper()
	out := []testFile{{name: "hosts.ini", format: foreign.AnsibleINI}, {name: "mistakes.ini", format: foreign.AnsibleINI}, {name: "hosts.yaml", format: foreign.AnsibleYAML},
		{name: "routers.csv", format: foreign.CSV}, {name: "netbox-table.csv", format: foreign.NetBoxCSV}, {name: "netbox-all.csv", format: foreign.NetBoxCSV},
		{name: "netbox.json", format: foreign.NetBoxJSON}}
	for i := range out {
		data, err := os.ReadFile(filepath.Join("testdata", out[i].name))
		if err != nil {
			t.Fatal(err)
		}
		out[i].data = data
	}
	return out
}

// sound checks what holds for every list, whatever it was read from.
func sound(t *testing.T, l foreign.List, withSecret bool) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range l.Routers {
		if seen[r.Name] || !isName(r.Name) {
			t.Fatalf("the name %q is taken or no name", r.Name)
		}
		seen[r.Name] = true
		for _, list := range [][]string{r.Groups, r.Tags} {
			if !slices.IsSorted(list) || slices.ContainsFunc(list, func(s string) bool { return !isName(s) }) {
				t.Fatalf("%q are not sorted names", list)
			}
		}
		soundVars(t, r.Vars)
		if r.Address == "" || strings.ContainsAny(r.Address, " \t\n@/") || strings.ContainsAny(r.Note+r.User, "\n\x00\x1b") {
			t.Fatalf("address %q, user %q, note %q", r.Address, r.User, r.Note)
		}
	}
	for name, vars := range l.Groups {
		soundVars(t, vars)
		if !isName(name) {
			t.Fatalf("the group %q has no name", name)
		}
	}
	for _, s := range l.Skipped {
		if s.Place == "" || s.What == "" || s.Why == "" {
			t.Fatalf("a skip says nothing: %+v", s)
		}
	}
	if withSecret && strings.Contains(fmt.Sprintf("%+v", l), planted) {
		t.Fatalf("a password got through: %s", show(l))
	}
}

func soundVars(t *testing.T, vars map[string]string) {
	t.Helper()
	for name := range vars {
		if name[0] < 'a' || name[0] > 'z' || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			t.Fatalf("a variable is called %q", name)
		}
	}
}

func isName(s string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// TestDetect: content goes before the extension, and what fits nothing or too much is an error with
// the choices.
func TestDetect(t *testing.T) {
	tests := []struct {
		name, data string
		want       foreign.Format
		failure    string
	}{
		{"hosts", "router1\nrouter2\n", foreign.AnsibleINI, ""},
		{"a.ini", "router1\n", foreign.AnsibleINI, ""},
		{"a.yml", "all:\n", foreign.AnsibleYAML, ""},
		{"list.txt", "name,address\na,192.0.2.1\n", foreign.CSV, ""},
		{"list.txt", "name;ip\na;192.0.2.1\n", foreign.CSV, ""},
		{"list.yaml", "name,ip\na,192.0.2.1\n", foreign.CSV, ""},
		{"list.txt", "[core]\nx\n", foreign.AnsibleINI, ""},
		{"list.txt", "routers:\n  hosts:\n    a:\n", foreign.AnsibleYAML, ""},
		{"list.txt", `{"all":{"hosts":{"a":null}}}`, foreign.AnsibleYAML, ""},
		{"list.txt", `{"count":0,"results":[]}`, foreign.NetBoxJSON, ""},
		{"list.txt", ` [{"name":"x"}]`, foreign.NetBoxJSON, ""},
		{"list.txt", "{\"_meta\":{},\"all\":{\"children\":[]}}", foreign.AnsibleYAML, ""},
		{"list.txt", "[" + strings.Repeat("{\"name\":\"x\"},", 2<<20) + "{}]", foreign.NetBoxJSON, ""},
		{"list.txt", "\x0d\xf0\x1d\xc0", foreign.WinBoxCDB, ""},
		{"list.txt", "\x0d\xf0\x11\x40", foreign.WinBoxCDB, ""},
		{"list.txt", "\x0f\x10\xc0\xbe", foreign.WinBoxWBX, ""},
		{"list.csv", "name,address\n[core]\n", foreign.CSV, ""},
		{"list.ini", "name,address\n[core]\n", foreign.AnsibleINI, ""},
		{"list.txt", "name,address\n[core]\n", "", "it could be ansible-ini or csv: choose it with --format ansible-ini or csv"},
		{"list.txt", "hello\n", "", "choose it with --format ansible-ini, ansible-yaml,"},
		{"list.csv", " \n", "", "it is empty"},
	}
	for _, test := range tests {
		got, err := foreign.Detect(test.name, []byte(test.data))
		if got != test.want || (err == nil) != (test.failure == "") || err != nil && !strings.Contains(err.Error(), test.failure) {
			t.Errorf("%s %q is %q, %v", test.name, test.data, got, err)
		}
	}
}

// TestTables: what Excel and other programs make of a table.
func TestTables(t *testing.T) {
	const plain = "host,login\nr1,ops\n192.0.2.2,\n"
	const want = "r1 = r1 user=\"ops\" groups=[] tags=[] vars=map[] note=\"\" at x.csv:2\n" +
		"192.0.2.2 = 192.0.2.2 user=\"\" groups=[] tags=[] vars=map[] note=\"\" at x.csv:3\n"
	units := utf16.Encode([]rune("\ufeff" + strings.ReplaceAll(plain, ",", "\t")))
	little, big := []byte{}, []byte{}
	for _, u := range units {
		little, big = binary.LittleEndian.AppendUint16(little, u), binary.BigEndian.AppendUint16(big, u)
	}
	tests := map[string]string{
		"plain": plain, "semicolon": strings.ReplaceAll(plain, ",", ";"), "tab": strings.ReplaceAll(plain, ",", "\t"),
		"bom": "\ufeff" + plain, "crlf": strings.ReplaceAll(plain, "\n", "\r\n"), "utf-16le": string(little), "utf-16be": string(big),
		"quoted": "\"Host\",\"LOGIN\"\n\"r1\",\"ops\"\n\"192.0.2.2\",\"\"\n",
	}
	for name, text := range tests {
		list, err := foreign.Read("x.csv", []byte(text), foreign.CSV)
		if err != nil || show(list) != want {
			t.Errorf("%s: %v\n%s", name, err, show(list))
		}
	}
	list, err := foreign.Read("x.csv", []byte("sep=;\nidentity;host;pass\nB\xfcro;192.0.2.1;"+planted+"\n\"a\" b;192.0.2.2;x\n\"open;192.0.2.3\n"), foreign.CSV)
	got := show(list)
	for _, part := range []string{"B-ro = 192.0.2.1", "x.csv:3", "- x.csv:1: the encoding", "- x.csv:4: this row", "- x.csv:5: this row", "- x.csv:1: column pass: passwords are not taken over"} {
		if err != nil || !strings.Contains(got, part) {
			t.Errorf("%v: %q is not in\n%s", err, part, got)
		}
	}
	sound(t, list, true)
}

// TestRefusals: what can't be read at all says why, and never what stands in it.
func TestRefusals(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i <= 'k'; i++ {
		laughs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	tests := []struct {
		format  foreign.Format
		data    string
		failure string
	}{
		{foreign.AnsibleYAML, laughs, "aliases stand for more than"},
		{foreign.AnsibleYAML, "all: &a\n  children: *a\n", "aliases stand for more than"},
		{foreign.AnsibleYAML, "all:\n  vars: {ansible_password: *" + planted + "}\n", "an alias has no anchor"},
		{foreign.AnsibleYAML, "all: [", "line 1"},
		{foreign.AnsibleYAML, "- a\n", "it is not an Ansible inventory"},
		{foreign.AnsibleYAML, "plugin: netbox.netbox.nb_inventory\ntoken: " + planted + "\n", "run ansible-inventory"},
		{foreign.AnsibleYAML, `{"_meta": {}, "all": {"hosts": ["a"]}}`, "run ansible-inventory"},
		{foreign.AnsibleYAML, strings.Repeat("{a: ", 300) + strings.Repeat("}", 300), "nested more than 200 deep"},
		{foreign.AnsibleYAML, strings.Repeat(" ", 17<<20), "16 MiB"},
		{foreign.AnsibleINI, "a\x00b", "not text"},
		{foreign.CSV, "", "empty"},
		{foreign.CSV, "name,password\nx," + planted + "\n", "no column of addresses"},
		{foreign.CSV, strings.Repeat(" ", 65<<20), "64 MiB"},
		{foreign.CSV, "ip\n" + strings.Repeat("192.0.2.1\n", 200_001), "200,000"},
		{foreign.CSV, "name,ip" + strings.Repeat(",", 1000) + "\n", "1,000 columns"},
		{foreign.CSV, "name,ip\n" + strings.Repeat("a,", 1<<20), "longer than 1 MiB"},
		{foreign.NetBoxCSV, "name,ip\n", "not a device table"},
		{foreign.NetBoxJSON, `{"results": [`, "cut off"},
		{foreign.NetBoxJSON, `{"results": 7}`, "not what NetBox"},
		{foreign.NetBoxJSON, `"` + planted + `"`, "not what NetBox"},
		{foreign.WinBoxCDB, "\x0d\xf0\x11\x40" + planted, "master password"},
		{foreign.WinBoxCDB, "hello", "not WinBox's"},
		{foreign.WinBoxWBX, "hello", "not an address book"},
		{"excel", "", "no format"},
	}
	for _, test := range tests {
		_, err := foreign.Read("x", []byte(test.data), test.format)
		if err == nil || !strings.Contains(err.Error(), test.failure) || strings.Contains(err.Error(), planted) {
			t.Errorf("%s %.40q: %v, want %s", test.format, test.data, err, test.failure)
		}
	}
}

// TestManyMistakes: the list of what was left out has an end, and says so.
func TestManyMistakes(t *testing.T) {
	list, err := foreign.Read("x.csv", []byte("name,ip\n"+strings.Repeat("x,\n", 60_000)), foreign.CSV)
	if err != nil || len(list.Skipped) != 50_001 || !strings.Contains(list.Skipped[50_000].Why, "10000 more") {
		t.Errorf("%v, %d skips", err, len(list.Skipped))
	}
}

// TestNames: foreign names become names, and stay apart.
func TestNames(t *testing.T) {
	long := strings.Repeat("x", 70)
	list, err := foreign.Read("x.csv", []byte("name,ip\nEdge  Router (2),192.0.2.1\nEdge Router 2,192.0.2.2\n"+long+",192.0.2.3\n"+long+"y,192.0.2.4\nЯдро,2001:db8::1\n..,192.0.2.6\nEdge-Router-2-2,192.0.2.7\n"), foreign.CSV)
	var got []string
	for _, r := range list.Routers {
		got = append(got, r.Name)
	}
	want := []string{"Edge-Router-2", "Edge-Router-2-2", long[:63], long[:61] + "-2", "2001-db8-1", "192.0.2.6", "Edge-Router-2-2-2"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %q\nwant %q", err, got, want)
	}
	sound(t, list, true)
}

// TestGroupNames: a group or tag of which no name is left is not dropped in silence.
func TestGroupNames(t *testing.T) {
	list, err := foreign.Read("x.csv", []byte("name,ip,groups,tags\nr,192.0.2.1,\"Офис, Berlin HQ\",\"!!,a\"\n"), foreign.CSV)
	if err != nil || len(list.Routers) != 1 || len(list.Skipped) != 2 || !slices.Equal(list.Routers[0].Groups, []string{"Berlin-HQ"}) {
		t.Errorf("%v\n%s", err, show(list))
	}
}

// TestYAMLForms: what people write besides the usual, and what Ansible leaves out of it.
func TestYAMLForms(t *testing.T) {
	const text = `all:
  hosts: r1
  vars: [a]
  strange: {x: y}
other:
  hosts:
    r1: {made: !made-up s3cr3t-pass, site: one, site: two, x y: 1, Ünder: 1, ansible_ssh_port: 22, no: null}
    r2: just text
    "[2001:db8::1]:22": {api_port: 8729}
    "bad host": {}
    ? [a]
    : {}
  children:
    - listed
third: 7
---
more: {}
`
	list, err := foreign.Read("x", []byte(text), foreign.AnsibleYAML)
	want := `r1 = r1 user="" groups=[other] tags=[] vars=map[site:two x_y:1] note="" at x:2
r2 = r2 user="" groups=[other] tags=[] vars=map[] note="" at x:8
2001-db8-1 = [2001:db8::1]:8729 user="" groups=[other] tags=[] vars=map[] note="" at x:9
- x:1: the second document: Ansible reads only the first of a file
- x:3: the vars of group all: they are not a mapping: write each as name: with a colon behind it
- x:4: group all: a key of it is neither hosts, vars nor children: Ansible leaves it out too
- x:7: a key: it stands there twice: the last one counts
- x:7: r1 made: a value with a tag that is not known
- x:7: r1 a variable: its name is not made of letters, digits, _ and -: rename it to keep it
- x:7: r1 ansible_ssh_port: it is the port of SSH, not of the API: write api_port to set that one
- x:8: r2: its variables are not a mapping: they were left out
- x:9: a host: the port behind its name is that of SSH, not of the API: write api_port to set that one
- x:10: a host: it is not a host name
- x:11: a host: its name is not a text
- x:13: the children of group other: they are not a mapping: write each as name: with a colon behind it
- x:15: group third: it is not a mapping of hosts, vars and children
`
	if got := show(list); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}
