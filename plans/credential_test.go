package plans_test

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
)

func TestCredential(t *testing.T) {
	for _, text := range []string{"env:X", "file:/a b", "command:pass show x:y", "keyring:branch", "prompt"} {
		if c, err := plans.ParseCredential(text); err != nil || c.String() != text {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"", "hunter2", "env:", "prompt:x", "pass:hunter2"} {
		if _, err := plans.ParseCredential(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
