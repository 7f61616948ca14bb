package routeros_test

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

// TestDescribe: a rule is described in text, whatever bytes its comment and values hold, and never
// as nothing.
func TestDescribe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
		r := routeros.NewRule("chain", "input", "content", text.Draw(t, "content"), "comment", text.Draw(t, "comment"))
		if got := r.Describe(); got == "" || !utf8.ValidString(got) {
			t.Fatalf("%q", got)
		}
	})
	r := routeros.NewRule("chain", "input", "comment", "caf\xe9")
	r.ID = "*5"
	if got := r.Describe(); got != `"caf\E9" (*5)` {
		t.Errorf("%s", got)
	}
	r.ID = "+5" // of a state in the middle of a change set
	if got := r.Describe(); got != `"caf\E9" (of step 6)` {
		t.Errorf("%s", got)
	}
}
