package routeros_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

func rows(pairs ...string) []routeros.Attributes {
	return []routeros.Attributes{routeros.MakeAttributes(pairs...)}
}

// TestReadSerial: MikroTik's own hardware, a PC, a Cloud Hosted Router, and what tells nothing.
func TestReadSerial(t *testing.T) {
	tests := []struct {
		name           string
		board, license []routeros.Attributes
		want           string
	}{
		{"a RouterBOARD", rows("routerboard", "true", "serial-number", "HGB09Z3KXYZ"), rows("software-id", "AB12-CD34"), "HGB09Z3KXYZ"},
		{"a PC", rows("routerboard", "false"), rows("software-id", "AB12-CD34", "nlevel", "4"), "software-id/AB12-CD34"},
		{"a Cloud Hosted Router", nil, rows("system-id", "7dM3xa+B/cE", "level", "free"), "system-id/7dM3xa+B/cE"},
		{"nothing", nil, nil, ""},
		{"an empty serial number", rows("routerboard", "true", "serial-number", ""), rows("level", "free"), ""},
		{"a serial number with a space", rows("serial-number", "A B"), nil, "digest/"},
		{"an escape sequence", rows("serial-number", "A\x1b]0;x\x07"), nil, "digest/"},
		{"an endless one", nil, rows("system-id", strings.Repeat("x", 1<<20)), "system-id/digest/"},
	}
	for _, test := range tests {
		got := routeros.ReadSerial(test.board, test.license)
		if got != test.want && !(strings.HasSuffix(test.want, "digest/") && strings.HasPrefix(got, test.want) && len(got) == len(test.want)+32) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		one, two := routeros.ReadSerial(rows("serial-number", a), nil), routeros.ReadSerial(rows("serial-number", b), nil)
		if len(one) > 64 || strings.ContainsFunc(one, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q can't be kept", one)
		}
		if strings.TrimSpace(a) != strings.TrimSpace(b) && one == two {
			t.Fatalf("%q and %q are one: %s", a, b, one)
		}
	})
}
