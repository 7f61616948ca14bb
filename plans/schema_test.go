package plans_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans"
)

// fits is as much of JSON Schema as ours uses.
func fits(s map[string]any, v any) bool {
	if of, ok := s["oneOf"].([]any); ok && s["type"] == nil {
		n := 0
		for _, one := range of {
			if fits(one.(map[string]any), v) {
				n++
			}
		}
		return n == 1
	}
	if enum, ok := s["enum"].([]any); ok {
		return slices.Contains(enum, v)
	}
	switch s["type"] {
	case "object":
		return fitsObject(s, v)
	case "array":
		list, ok := v.([]any)
		if least, has := s["minItems"].(float64); has && float64(len(list)) < least {
			return false
		}
		return ok && !slices.ContainsFunc(list, func(item any) bool { return !fits(s["items"].(map[string]any), item) })
	case "integer":
		n, ok := v.(int)
		return ok && float64(n) >= s["minimum"].(float64) && float64(n) <= s["maximum"].(float64)
	case "string":
		text, ok := v.(string)
		pattern, has := s["pattern"].(string)
		return ok && (!has || regexp.MustCompile(pattern).MatchString(text))
	}
	return false
}

func fitsObject(s map[string]any, v any) bool {
	object, ok := v.(map[string]any)
	if !ok {
		return false
	}
	properties, _ := s["properties"].(map[string]any)
	for key, value := range object {
		if names, has := s["propertyNames"].(map[string]any); has && !fits(names, key) {
			return false
		}
		below, known := properties[key].(map[string]any)
		if !known {
			below, known = s["additionalProperties"].(map[string]any)
		}
		if !known || !fits(below, value) {
			return false
		}
	}
	if either, ok := s["oneOf"].([]any); ok {
		n := 0
		for _, e := range either {
			name := e.(map[string]any)["required"].([]any)[0].(string)
			if _, has := object[name]; has {
				n++
			}
		}
		if n != 1 {
			return false
		}
	}
	required, _ := s["required"].([]any)
	return !slices.ContainsFunc(required, func(key any) bool { _, has := object[key.(string)]; return !has })
}

// TestSchema: the schema takes every plan that the reader takes, and refuses what it can see to be
// wrong.
func TestSchema(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(plans.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	check := func(text string, want bool) {
		t.Helper()
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if fits(s, v) != want {
			t.Errorf("fits: %v\n%s", !want, text)
		}
	}
	for _, name := range names() {
		check(string(fixture(t, name)), true)
	}
	check(door(good), true)
	for _, bad := range []string{
		"a: 1\n", door(good + "\nstage-timout: 5s"), door("knock: []\ntrusted: {list: t, for: 1h}"), door("knock: [tpc/1]\ntrusted: {list: t, for: 1h}"),
		door(good + "\nopens: [Winbox]"), door(good + "\nopens: [tcp/0]"), door(good) + "gate: {forwards: [{name: a}]}\n", door(good) + "gate: {vpns: [x]}\n", door(good) + "services: {ports: {ssh: 70000}}\n", door(good) + "services: {ports: {shh: 22}}\n",
		door("knock: [tcp/1, udp/2]"), "version: 2\n" + door(good)[11:], door(good + "\nrotate: {}"), door(good) + "firewall: {layout: ring}\n",
	} {
		check(bad, false)
	}
}
