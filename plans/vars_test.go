package plans_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
)

func TestVariables(t *testing.T) {
	text := strings.Replace(string(fixture(t, "seed.yaml")), "tcp/33333", "\"tcp/${first}\"", 1)
	text = strings.Replace(text, "list: trusted", "list: \"${list}-x\"", 1)
	if got := plans.Variables([]byte(text)); !slices.Equal(got, []string{"first", "list"}) {
		t.Errorf("variables %v", got)
	}
	p, err := plans.ReadWith("p", []byte(text), map[string]string{"first": "4711", "list": "home"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Doors[0].Knock[0].Port != 4711 || p.Doors[0].Trusted.List != "home-x" {
		t.Errorf("%+v", p.Doors[0])
	}
	_, err = plans.ReadWith("p", []byte(text), map[string]string{"frist": "4711", "list": "a: b, c: [d]"})
	if err == nil || !strings.Contains(err.Error(), `did you mean "frist"`) || strings.Contains(err.Error(), "4711") {
		t.Errorf("%v", err)
	}
}

// TestVariableStaysText: whatever a value holds, it never becomes keys or items.
func TestVariableStaysText(t *testing.T) {
	text := strings.Replace(string(fixture(t, "seed.yaml")), "list: trusted", "list: \"${list}\"", 1)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[ -~]{1,30}`).Draw(t, "value")
		p, err := plans.ReadWith("p", []byte(text), map[string]string{"list": value})
		if err == nil && p.Doors[0].Trusted.List != value {
			t.Fatalf("%q became %q", value, p.Doors[0].Trusted.List)
		}
	})
}
