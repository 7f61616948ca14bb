package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFence(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"text", "a\tb\nc\n", "a\tb\nc\n"},
		{"our colours", "\x1b[1mr1\x1b[0m \x1b[31mfailed\x1b[0m\n", "\x1b[1mr1\x1b[0m \x1b[31mfailed\x1b[0m\n"},
		{"a title", "\x1b]0;owned\x07\n", `\x1b]0;owned\x07` + "\n"},
		{"the cursor", "\x1b[2J\x1b[1;1H\x1b[m\x1b[123m\x1b[1", `\x1b[2J\x1b[1;1H\x1b[m\x1b[123m\x1b[1`},
		{"over the line", "r1 failed\rr1 changed", `r1 failed\rr1 changed`},
		{"C1 and direction", "\u009b2J\u202e", `\x9b2J\u202e`},
		{"no UTF-8", "a\xffb", "a\uFFFDb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			f := &fence{to: &out}
			for i := range len(c.text) { // a byte at a time can't carry a colour, so that is written whole
				if strings.Contains(c.text, "\x1b[") {
					break
				}
				if _, err := f.Write([]byte{c.text[i]}); err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(c.text, "\x1b[") {
				if n, err := f.Write([]byte(c.text)); n != len(c.text) || err != nil {
					t.Fatal(n, err)
				}
			}
			if out.String() != c.want {
				t.Errorf("%q, want %q", out.String(), c.want)
			}
		})
	}
}

// TestFenceAlways: however it is cut into pieces, what comes out is fit for a terminal, and text
// without anything odd in it is what it was.
func TestFenceAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.SampledFrom([]string{"\x1b", "\x1b]0;x\x07", "\r", "\u009b", "\u202e", "\xc3", "\xff", "é", "東", "\n", "\t"})
		pieces := rapid.SliceOfN(rapid.OneOf(rapid.String(), odd), 0, 20).Draw(t, "pieces")
		var out bytes.Buffer
		f := &fence{to: &out}
		for _, piece := range pieces {
			if _, err := f.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		text := strings.ReplaceAll(strings.ReplaceAll(strings.Join(pieces, ""), "FORGED", ""), "\x1b[", "")
		if strings.Contains(strings.Join(pieces, ""), "\x1b[") {
			return // which may be a colour
		}
		if why := unfit(out.String()); why != "" {
			t.Fatal(why)
		}
		if unfit(text) == "" && text != out.String() && !strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e }) {
			t.Fatalf("%q became %q", text, out.String())
		}
	})
}

// TestOneWriter fails when text for people is written by another way than view.Say, which makes
// visible what others say. A local buffer may be filled by any means.
func TestOneWriter(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "view/*.go"} {
		found, err := filepath.Glob(pattern)
		check(t, err)
		files = append(files, found...)
	}
	whole := []string{"render.go", "view/import.go", "view/json.go", "view/junit.go", "view/table.go"} // files, formats of programs, and what is visible already
	says := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == filepath.Join("view", "visible.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, 0)
		check(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			to := types.ExprString(call.Args[0])
			switch name := types.ExprString(call.Fun); {
			case name == "view.Say", name == "Say":
				says++
			case name == "io.WriteString" && !slices.Contains(whole, filepath.ToSlash(file)):
				t.Errorf("%s: io.WriteString writes what others say as it is: use view.Say", set.Position(call.Pos()))
			case strings.HasPrefix(name, "fmt.Fprint") && !strings.HasPrefix(to, "&") && to != "b":
				t.Errorf("%s: %s(%s, …) writes what others say as it is: use view.Say", set.Position(call.Pos()), name, to)
			}
			return true
		})
	}
	if says < 100 {
		t.Errorf("only %d calls were seen", says)
	}
}
