package sshjump

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseHops(t *testing.T) {
	for text, want := range map[string][]Hop{
		"ann@gate":      {{"ann", "gate", 22}},
		"ann@gate:2222": {{"ann", "gate", 2222}},
		" ann@Gate.Example.NET , bob@10.0.0.2:22": {{"ann", "gate.example.net", 22}, {"bob", "10.0.0.2", 22}},
		"ann@[2001:DB8::1]":                       {{"ann", "2001:db8::1", 22}},
		"ann@[fe80::1%Eth0]:23,b@c,d@e:1":         {{"ann", "fe80::1%Eth0", 23}, {"b", "c", 22}, {"d", "e", 1}},
		"ann@example.net@gate":                    {{"ann@example.net", "gate", 22}},
		`LAB\ann@gate`:                            {{`LAB\ann`, "gate", 22}},
	} {
		if got, err := ParseHops(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

// TestParseHopsMistakes wants each mistake named, and no text shown that may be a password.
func TestParseHopsMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "no jump host is named",
		"  ":                    "no jump host is named",
		"ann@gate,":             "jump host 2 of 2: it is empty",
		"gate":                  "names no user: write user@host",
		"gate:secret":           "names no user",
		"ann:secret@gate":       "passwords do not belong here",
		"ann:secret@gate:99999": "passwords do not belong here",
		"@gate":                 "user before the @ is empty",
		"-oProxyCommand=x@gate": "begins with a hyphen",
		"ann@-oProxyCommand=x":  "begins with a hyphen",
		"a n@gate":              "blank",
		"$(x)@gate":             "character",
		"ann@":                  "host after the @ is empty",
		"ann@:22":               "host after the @ is empty",
		"ann@ga te":             "letters, digits",
		"ann@gate/":             "letters, digits",
		"ann@gate:":             "1 to 65535",
		"ann@gate:0":            "1 to 65535",
		"ann@gate:65536":        "1 to 65535",
		"ann@gate:+1":           "1 to 65535",
		"ann@gate:ssh":          "1 to 65535",
		"ann@2001:db8::1":       "brackets",
		"ann@[2001:db8::1":      "not closed",
		"ann@[gate]:22":         "not an IPv6 address",
		"ann@[10.0.0.1]:22":     "not an IPv6 address",
		"ann@[::1]22":           "1 to 65535",
		"ann@[fe80::1%a b]":     "letters, digits",
		"ssh://ann@gate:22":     "user@host:port alone",
		"a@b,c@d,bob:secret@e":  "jump host 3 of 3",
	} {
		hops, err := ParseHops(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || hops != nil {
			t.Errorf("%s: %v, %v", text, hops, err)
		}
	}
}

func printed(hops []Hop) string {
	var parts []string
	for _, h := range hops {
		parts = append(parts, h.String())
	}
	return strings.Join(parts, ",")
}

// TestHopsRoundTrip prints hops and reads them back.
func TestHopsRoundTrip(t *testing.T) {
	hop := rapid.Custom(func(t *rapid.T) Hop {
		host := rapid.OneOf(
			rapid.StringMatching(`[a-z0-9_][a-z0-9._-]{0,20}`),
			rapid.Custom(func(t *rapid.T) string {
				return fmt.Sprintf("2001:db8::%x", rapid.IntRange(1, 0xffff).Draw(t, "v6"))
			}),
		).Draw(t, "host")
		return Hop{rapid.StringMatching(`[a-zA-Z0-9_.][a-zA-Z0-9_.@\\-]{0,12}`).Draw(t, "user"), host, rapid.Uint16Range(1, 65535).Draw(t, "port")}
	})
	rapid.Check(t, func(t *rapid.T) {
		hops := rapid.SliceOfN(hop, 1, 5).Draw(t, "hops")
		got, err := ParseHops(printed(hops))
		if err != nil || !reflect.DeepEqual(got, hops) {
			t.Fatalf("%v became %v, %v", hops, got, err)
		}
	})
}

func FuzzHops(f *testing.F) {
	for _, seed := range []string{"ann@gate", "a@b:22,c@[::1]:23", "ann@[fe80::1%eth0]", "ann:secret@gate", "@", ",", "a@[", "a@[::ffff:1.2.3.4]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hops, err := ParseHops(text)
		if (err == nil) != (len(hops) > 0) {
			t.Fatalf("%q: %v, %v", text, hops, err)
		}
		if err != nil {
			return
		}
		again, err := ParseHops(printed(hops))
		if err != nil || !reflect.DeepEqual(again, hops) {
			t.Fatalf("%q: %v became %v, %v", text, hops, again, err)
		}
	})
}
