package state_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/state"
)

// TestFileName: the names that keys have given since there are keys stay as they are, or what was
// written is not found any more.
func TestFileName(t *testing.T) {
	for key, want := range map[string]string{
		"pop1/r0001": "pop1_2fr0001", "-/192.0.2.1:8729": "-_2f192.0.2.1_3a8729", "-/[2001:db8::1]:8729": "-_2f_5b2001_3adb8_3a_3a1_5d_3a8729",
		"Pop/R": "_50op_2f_52", "": "__", ".": "_2e", "..": "_2e_2e", "nul": "_6eul", "com1.x": "_63om1.x", "lpt10": "lpt10", "a.": "a_2e", "é": "_c3_a9", "a_2f": "a_5f2f",
		"pop1/" + strings.Repeat("x", 300): "pop1_2f" + strings.Repeat("x", 47) + "__da22b32904e23770d00abf524ab2c27dfaad2feaf2061cd78e28b474f35999a4",
	} {
		if got := state.FileName(key); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
	}
}

// TestFileNames: whatever keys there are, each has a name of its own, also for a file system that
// can't tell upper from lower case and drops dots at the end; none leads elsewhere, and none is too
// long.
func TestFileNames(t *testing.T) {
	plain := regexp.MustCompile(`^[a-z0-9._-]{1,120}$`)
	device := regexp.MustCompile(`^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
	key := rapid.OneOf(
		rapid.String(), rapid.StringMatching(`[a-cA-C./_ -]{0,6}`), rapid.StringMatching(`(con|NUL|com1|lpt9)?[._]{0,2}[2fe]{0,3}`), rapid.StringMatching(`(pop1/)?[xX]{100,130}`),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		name := state.FileName(a)
		if !plain.MatchString(name) || !filepath.IsLocal(name) || name == "." || device.MatchString(name) || strings.HasSuffix(name, ".") {
			t.Fatalf("%q is the file %q", a, name)
		}
		if a != b && name == state.FileName(b) {
			t.Fatalf("%q and %q are one file: %s", a, b, name)
		}
		// What two file names share after a file system folded them, they share before.
		if a != b && strings.EqualFold(strings.TrimRight(name, ". "), strings.TrimRight(state.FileName(b), ". ")) {
			t.Fatalf("%q and %q are one file to some: %s, %s", a, b, name, state.FileName(b))
		}
	})
}
