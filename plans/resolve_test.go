package plans_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
)

const worded = "knock: [{protocol: udp, port: 2000, payload: {secret: \"env:WORD\"}}, {protocol: icmp, size: 200, payload: {secret: \"keyring:w\"}}, tcp/1000]\ntrusted: {list: t, for: 1h}"

func TestResolve(t *testing.T) {
	p, err := plans.Read("p.yaml", []byte(door(worded)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := plans.Read("p.yaml", plans.Write(p))
	if err != nil || string(plans.Write(again)) != string(plans.Write(p)) || !strings.Contains(string(plans.Write(p)), "env:WORD") {
		t.Errorf("%v\n%s", err, plans.Write(p))
	}
	tests := []struct{ word, ring, want string }{
		{"twelve-chars", "another-word", ""},
		{"short", "another-word", "stage 1: its length in characters is 5"},
		{"twelve-chars", strings.Repeat("x", 101), "stage 2: its length in characters is 101"},
		{"with a space", "another-word", "stage 1: it holds a character"},
		{"twelve-chars", "", "stage 2: not there"},
		{"twelve-chars", strings.Repeat("y", 99), ""},
	}
	for _, test := range tests {
		got, err := p.Resolve(func(c plans.Credential) (string, error) {
			switch text := map[string]string{"env:WORD": test.word, "keyring:w": test.ring}[c.String()]; text {
			case "":
				return "", errors.New("not there")
			default:
				return text, nil
			}
		})
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "word") || strings.Contains(err.Error(), "xxx")) {
			t.Errorf("%+v: %v", test, err)
		}
		if err == nil && (got.Unresolved() || got.Doors[0].Knock[0].Payload != test.word || got.Doors[0].Knock[1].Payload != test.ring) {
			t.Errorf("%+v: %s", test, plans.Write(got))
		}
		if !p.Unresolved() || p.Doors[0].Knock[0].Payload != "" {
			t.Error("the plan itself was changed")
		}
		if strings.Contains(string(plans.Write(got)), "twelve") {
			t.Error("the text stands in the plan that is printed")
		}
	}
}

func TestPayloadMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"knock: [{protocol: tcp, port: 2000, payload: {secret: \"env:X\"}}]\ntrusted: {list: t, for: 1h}":  "a stage of tcp carries no payload",
		"knock: [{protocol: udp, port: 2000, payload: {secret: hunter2}}]\ntrusted: {list: t, for: 1h}":    "not a place where the payload is kept",
		"knock: [{protocol: udp, port: 2000, payload: {}}]\ntrusted: {list: t, for: 1h}":                   `lacks the key "secret"`,
		"knock: [{protocol: udp, port: 2000, payload: {text: hunter2}}]\ntrusted: {list: t, for: 1h}":      `unknown key "text"`,
		"knock: [{protocol: udp, port: 2000, paylod: {secret: hunter2}}]\ntrusted: {list: t, for: 1h}":     `did you mean "payload"`,
		"knock: [{protocol: udp, port: 2000, payload: hunter2}]\ntrusted: {list: t, for: 1h}":              "payload is a mapping",
		"knock: [{protocol: icmp, size: 200, payload: {secret: [hunter2]}}]\ntrusted: {list: t, for: 1h}":  "this is a list",
		"knock: [{protocol: icmp, size: 200, payload: {secret: \"env:\"}}]\ntrusted: {list: t, for: 1h}\n": "nothing follows env",
	} {
		_, err := plans.Read("p.yaml", []byte(door(text)))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
