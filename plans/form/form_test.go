package form_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
)

// menu describes a file that has nothing to do with routers.
func menu() form.Form {
	soup := form.Scalar{What: "a soup", Enum: []string{"leek", "tomato"}}
	dish := form.Mapping(
		form.Field{Name: "of", Required: true, About: "What it is made of.", Value: form.Of(form.TextScalar("a text"))},
		form.Field{Name: "price", About: "Its price.", Value: form.Number("a price", 1, 99)},
		form.Field{Name: "offer", About: "Its price at noon.", Value: form.Number("a price", 1, 99)},
	).ExactlyOne("price", "offer")
	return form.Mapping(
		form.Field{Name: "version", Required: true, About: "The version.", Value: form.Number("the version", 1, 1)},
		form.Field{Name: "soups", Fallback: "[leek]", About: "Soups, or none.", Value: form.Choice(form.Scalar{What: "none", Enum: []string{"none"}}, form.List(form.Of(soup)).AtLeast(1).AtMost(2))},
		form.Field{Name: "dishes", About: "Dishes by name.", Value: form.Table(form.VariableScalar(), dish).AtLeast(1)},
		form.Field{Name: "best", About: "A dish of the menu.", Value: form.Of(form.Scalar{What: "a dish", Defined: true, Check: func(string) (string, string) { return "there is no such dish", "" }})},
		form.Field{Name: "safe", About: "A number to keep.", Value: form.Of(form.TextScalar("a text")).Secret()},
		form.Field{Name: "recipe", About: "A text to keep.", Value: form.Of(form.TextScalar("a text")).Private()},
	)
}

func document(whole bool) form.Document {
	return form.Document{What: "a menu", Plural: "menus", MaxBytes: 1000, TooLarge: "the menu is too long", Empty: "write a version", HideWhole: whole}
}

// read checks a menu. The dishes are the names that it defines.
func read(text string, whole bool) (*form.Reader, *yaml.Node) {
	r := form.NewReader("menu.yaml", []byte(text), document(whole))
	root := r.Parse()
	if root != nil {
		r.Expand(root, map[string]string{"day": "monday", "sum": "7"}, func(name string) string { return "set " + name })
		var dishes []string
		for _, e := range r.Entries(root, "dishes") {
			dishes = append(dishes, e.Key.Value)
		}
		r.Define(dishes)
		r.Check(root, menu(), "a menu")
	}
	return r, root
}

const lunch = `version: 1
soups: [leek, tomato]
dishes:
  pie: {of: "${day}", price: 12}
  stew:
    of: beef
    offer: ${sum}
best: stew
`

// TestValues: what fits is read as it stands, with variables put in.
func TestValues(t *testing.T) {
	r, root := read(lunch, false)
	if got := r.Problems(); got != nil {
		t.Fatal(got)
	}
	if got := r.Texts(root, "soups"); !slices.Equal(got, []string{"leek", "tomato"}) {
		t.Errorf("soups %v", got)
	}
	if got := r.Text(root, "dishes", "pie", "of"); got != "monday" {
		t.Errorf("pie of %q", got)
	}
	if got := r.Text(root, "dishes", "stew", "offer"); got != "7" {
		t.Errorf("stew for %q", got)
	}
	if r.Child(root, "dishes", "soup") != nil || len(r.Entries(root, "dishes")) != 2 || !form.HasKey(root, "best") || !r.Sound() {
		t.Error("keys are missing, or there are too many")
	}
}

// TestMistakes: each mistake is found at its place, and nothing is built from what is wrong.
func TestMistakes(t *testing.T) {
	for _, test := range []struct{ text, place, want string }{
		{"", "1:1", "the file is empty: write a version"},
		{strings.Repeat("#", 1001), "1:1", "too long: a menu is a short text"},
		{"- a\n", "1:1", "a menu is a mapping, and this is a list"},
		{"version: 1\nsoup: []\n", "2:1", `unknown key "soup": did you mean "soups"?`},
		{"version: 1\nsoups: [leak]\n", "2:9", `did you mean "leek"?`},
		{"version: 1\nsoups: [leek, leek]\n", "2:15", `"leek" is repeated`},
		{"version: 1\nsoups: [leek, tomato, leek]\n", "2:23", "soups has 3 items, and 2 are the most"},
		{"version: 1\nsoups: []\n", "2:8", "soups is empty"},
		{"version: 1\nsoups: all\n", "2:8", "write one of none"},
		{"soups: none\n", "1:1", `a menu lacks the key "version": the version`},
		{"version: 01\n", "1:10", "leading zero"},
		{"version: 2\n", "1:10", `version "2" is unknown: write 1`},
		{"version: \"1\"\n", "1:10", "write it without quotes"},
		{"version: 1\ndishes: {pie: {of: a}}\n", "2:15", "write price or offer"},
		{"version: 1\ndishes: {pie: {of: a, price: 1, offer: 2}}\n", "2:15", "dishe pie has price and offer"},
		{"version: 1\ndishes: {pie: {of: a, price: 100}}\n", "2:30", "write a price from 1 to 99"},
		{"version: 1\ndishes: {Pie: {of: a, price: 1}}\n", "2:10", "begins with a letter"},
		{"version: 1\ndishes: {pie: {of: a, price: 1}}\nbest: pies\n", "3:7", `did you mean "pie"?`},
		{"version: 1\nbest: &a b\n", "2:7", "anchors are not read in menus"},
		{"version: 1\nbest: \"${x}\"\n", "2:7", `the variable "x" has no value: set x`},
		{"version: 1\nbest: \"${dya}\"\n", "2:7", `did you mean "day"?`},
		{"version: 1\n\"${day}\": b\n", "2:1", "a key takes no variable"},
	} {
		r, root := read(test.text, false)
		problems := r.Problems()
		if !slices.ContainsFunc(problems, func(p form.Problem) bool {
			return fmt.Sprintf("%d:%d", p.Line, p.Column) == test.place && strings.Contains(p.Message+": "+p.Remedy, test.want)
		}) {
			t.Errorf("%q: want %s %q, got\n%v", test.text, test.place, test.want, problems)
		}
		if root != nil && (r.Text(root, "best") != "" || r.Sound()) {
			t.Errorf("%q: a value that was rejected is used", test.text)
		}
	}
}

// TestSecrets: a secret value is masked in excerpts, and a private one is cut off, under a misspelt
// key, too.
func TestSecrets(t *testing.T) {
	for _, test := range []struct {
		line  string
		whole bool
		want  string
	}{
		{"safe: !x no 4711", false, "safe: !x no ••••"},
		{"safe: !x no 4711", true, "safe: •••••"},
		{"recipe: !x salt", false, "recipe: •••••"},
		{"receipt: salt", false, "receipt: •••••"},
		{"best: tcp/4711", false, "best: tcp/••••"},
		{"best: a:salt@b", true, "best: a:••••@b"},
	} {
		r, _ := read("version: 1\n"+test.line+"\n", test.whole)
		text := r.Problems().Error()
		if !strings.Contains(text, "| "+test.want+"\n") || strings.Contains(text, "salt") || strings.Contains(text, "| "+test.line) {
			t.Errorf("%s: want %q in\n%s", test.line, test.want, text)
		}
	}
}

// TestDescribed: the schema and the reference say what the reader takes.
func TestDescribed(t *testing.T) {
	schema := string(menu().Schema("menu"))
	for _, want := range []string{`"title": "menu"`, `"minProperties": 1`, `"maxItems": 2`, `"description": "Soups, or none. Default: [leek]."`, `"maximum": 99`} {
		if !strings.Contains(schema, want) {
			t.Errorf("%s is not in the schema\n%s", want, schema)
		}
	}
	page := string(menu().Reference("# The menu\n"))
	for _, want := range []string{"# The menu\n\n## At the top\n", "| `version` | `1` | The version. **Required.** |\n", "| `soups` | `none`, or a list: `leek`, `tomato` | Soups, or none. Default: `[leek]`. |\n", "\n## dishes.NAME\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not in the reference\n%s", want, page)
		}
	}
}

// TestWritten: what is written reads back as it was, also where YAML would read something else.
func TestWritten(t *testing.T) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	form.Put(root, "version", form.Integer(1))
	form.Put(root, "soups", form.Texts(nil))
	form.Put(root, "dishes", form.Keys("pie", form.Keys("of", form.Text("010"), "price", form.Integer(5))))
	text := string(form.Encode(root))
	if want := "version: 1\ndishes:\n  pie:\n    of: \"010\"\n    price: 5\n"; text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	if r, _ := read(text, false); !r.Sound() {
		t.Error(r.Problems())
	}
}

// TestDocument: places and variables of a file, checked or not.
func TestDocument(t *testing.T) {
	places := document(false).Places([]byte(lunch))
	if got := places["dishes.stew.offer"]; got != (form.Place{Line: 7, Column: 5}) || len(places) != 10 {
		t.Errorf("%v of %v", got, places)
	}
	if got := document(false).Variables([]byte("version: \"${b}\"\nsoups: [\"${a}${b}\"]\n")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("variables %v", got)
	}
	if document(false).Variables([]byte("a: [")) != nil || document(false).Places([]byte("a: [")) != nil {
		t.Error("something of a file that is not YAML")
	}
}

func ExampleReader() {
	r := form.NewReader("menu.yaml", []byte("version: 1\nsoups: [tomatoe]\n"), document(false))
	if root := r.Parse(); root != nil {
		r.Check(root, menu(), "a menu")
	}
	if problems := r.Problems(); problems != nil {
		fmt.Println(problems)
	}
	// Output:
	// menu.yaml:2:9: an item of soups can't be "tomatoe": did you mean "tomato"?
	//     2 | soups: [tomatoe]
	//       |         ^
}
