package script_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

func TestParse(t *testing.T) {
	s, err := script.Parse(`# a comment
:log warning "taking \"back\" \$5 \E9\n"; :delay 2s
:do {
  /ip firewall filter get *1F chain
  /ip/firewall/filter/set *1F disabled=no comment="a b"
} on-error={
  :if ([:len [/ip firewall filter find chain="input" comment~"^x"]] < 2) do={/ip firewall filter add chain=input place-before=[find comment="y z"]} else={:log error "no"}
}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(s) != 3 {
		t.Fatalf("%d statements", len(s))
	}
	if l := s[0].(*script.Log); l.Topic != "warning" || l.Message != "taking \"back\" $5 \xe9\n" {
		t.Errorf("%+v", l)
	}
	do := s[2].(*script.Do)
	get, set := do.Body[0].(*script.Command), do.Body[1].(*script.Command)
	if get.Menu != routeros.Filter || get.Verb != "get" || len(get.Bare) != 2 || get.Bare[0].Text != "*1F" || get.Bare[1].Text != "chain" {
		t.Errorf("%+v", get)
	}
	if set.Menu != routeros.Filter || set.Verb != "set" || len(set.Args) != 2 || set.Args[1].Value.Text != "a b" {
		t.Errorf("%+v", set)
	}
	decide := do.OnError[0].(*script.If)
	if f := decide.Condition.Find; f.Menu != routeros.Filter || !f.Args[1].Like || decide.Condition.Holds(2) || !decide.Condition.Holds(1) {
		t.Errorf("%+v", decide.Condition)
	}
	add := decide.Then[0].(*script.Command)
	if f := add.Args[1].Value.Find; add.Verb != "add" || f == nil || f.Menu != routeros.Filter || f.Args[0].Value.Text != "y z" {
		t.Errorf("%+v", add)
	}
	if len(decide.Else) != 1 {
		t.Errorf("%+v", decide.Else)
	}
}

// TestImport: what counts steps, stops a script and keeps it together.
func TestImport(t *testing.T) {
	s, err := script.Parse("# for /import\n{\n:local stepsDone 0\n:if ([:len [/ip firewall filter find chain=\"input\"]] != 2) do={:error \"not \\\"this\\\" router\"}\n" +
		":do {\n  /ip firewall filter add chain=input\n  :set stepsDone 1\n} on-error={\n  :if ($stepsDone > 0) do={/ip firewall filter remove [find comment=\"x\"]}\n  :error \"rolled back\"\n}\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	body := s[0].(*script.Block).Body
	if c := body[0].(*script.Count); c.Name != "stepsDone" || c.Number != 0 || !c.Local {
		t.Errorf("%+v", c)
	}
	if e := body[1].(*script.If).Then[0].(*script.Error); e.Message != `not "this" router` {
		t.Errorf("%+v", e)
	}
	do := body[2].(*script.Do)
	if c := do.Body[1].(*script.Count); c.Name != "stepsDone" || c.Number != 1 || c.Local {
		t.Errorf("%+v", c)
	}
	if c := do.OnError[0].(*script.If).Condition; c.Find != nil || c.Variable != "stepsDone" || c.Holds(0) || !c.Holds(1) {
		t.Errorf("%+v", c)
	}
}

// TestTypos: a script with a typo is never taken for one without.
func TestTypos(t *testing.T) {
	for _, text := range []string{
		`/ip firewall filter remove [fnd comment="x"]`,
		`/ip firewall filter remove [find comment="x"`,
		`/ip firewall filter remove [find comment="x]`,
		`:do {/ip firewall filter remove *1} onerror={}`,
		`:do {/ip firewall filter remove *1}`,
		`:do {/ip firewall filter remove *1} on-error={`,
		`:if ([:len [find chain=x]] = 1) do={}`,
		`:if ([:len [/ip firewall filter find chain=x]] == 1) do={}`,
		`:if ([:len [/ip firewall filter find chain=x]] = one) do={}`,
		`:if (1 = 1) do={}`,
		`:lg warning "x"`, `:log warn "x"`, `:log warning x`, `:delay soon`,
		`:error x`, `:error`, `:local 1`, `:local x`, `:set x y`, `:set x 1 2`, `:if ($ > 1) do={}`, `:if ($x) do={}`, `{`, `{/ip firewall filter remove *1`,
		`remove *1`, `/remove`, `}`, `/ip firewall filter remove *1 }`,
		`:log warning "$x"`, `:log warning "\q"`, `/ip firewall filter set *1 comment=a b="`, `/ip firewall filter set *1 comment=`,
		strings.Repeat(":do {", 100),
	} {
		_, err := script.Parse(text)
		if _, ok := errors.AsType[*script.SyntaxError](err); !ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestQuoted: every text comes back from quotes as it went in.
func TestQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		s, err := script.Parse("/ip firewall filter set *1 comment=" + routeros.Quote(text) + " disabled=no")
		if err != nil {
			t.Fatal(err)
		}
		if got := s[0].(*script.Command).Args[0].Value.Text; got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(`:do {/ip firewall filter remove [find comment="x"]} on-error={:log error "y"}`)
	f.Add("{\n:local n 0; :set n 1; :if ($n > 0) do={:error \"x\"}\n}")
	f.Add(`:if ([:len [/ip firewall filter find chain=x]] < 1) do={/ip service set *7 port=1} else={:delay 1s}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := script.Parse(text)
		if (err == nil) == (s == nil && strings.Trim(text, " \t\r\n;") != "" && !strings.Contains(text, "#")) && err == nil {
			t.Errorf("%q: neither a script nor an error", text)
		}
	})
}
