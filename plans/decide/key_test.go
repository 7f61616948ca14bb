package decide_test

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/rosknock/rosknock/plans/decide"
)

// TestKeyHasEveryField: whatever changes in the inputs, their key changes, and it is the old one
// again when the change is undone. A field that comes to a plan, a snapshot or a session is in this
// test at once. Two fields could only be taken for one another where they follow each other and the
// first one has no length, which no encoding here does.
func TestKeyHasEveryField(t *testing.T) {
	var in decide.Inputs
	n := 0
	filled(reflect.ValueOf(&in).Elem(), &n)
	key := in.Key()
	seen := map[decide.Key]string{key: "nothing"}
	all := leaves(&in)
	if len(all) < 300 {
		t.Fatalf("only %d values were found", len(all))
	}
	for _, l := range all {
		was := reflect.New(l.value.Type()).Elem()
		was.Set(l.value)
		for _, other := range l.others() {
			l.set(reflect.ValueOf(other))
			changed := in.Key()
			if changed == key {
				t.Errorf("%s: the key is the same with %v instead of %v", l.path, other, was)
			}
			if at, twice := seen[changed]; twice && changed != key {
				t.Errorf("%s as %v has the key of %s", l.path, other, at)
			}
			seen[changed] = l.path
			if l.set(was); in.Key() != key {
				t.Fatalf("%s: the key is another one although all is as it was", l.path)
			}
		}
	}
}

// TestSee: of a router, a decision sees everything but what this list names.
func TestSee(t *testing.T) {
	hidden := regexp.MustCompile(`^\.Router\.(Identity|Serial|Board|Arch|Uptime|Active(\..*)?|Clock|Entries\..*\.Created|Services\.0\.(ID|Local|Remote))$`)
	var in decide.Inputs
	n := 0
	filled(reflect.ValueOf(&in).Elem(), &n)
	in.Router.Services[0].Connection, in.Router.Services[1].Connection = true, false
	for i := range in.Plan.Doors { // nothing in the plan asks for the time
		in.Plan.Doors[i].Rotate, in.Plan.Doors[i].Window, in.Plan.Doors[i].Hours = nil, 0, nil
	}
	key := func() decide.Key { return decide.See(in.Plan, in.Router, in.Session).Key() }
	before := key()
	for _, l := range leaves(&in) {
		was := reflect.New(l.value.Type()).Elem()
		was.Set(l.value)
		for _, other := range l.others() {
			if l.path == ".Router.Clock" && reflect.ValueOf(other).IsZero() {
				continue // whether there is a clock is seen
			}
			l.set(reflect.ValueOf(other))
			if same := key() == before; same != hidden.MatchString(l.path) {
				t.Errorf("%s as %v instead of %v: the decision sees the same: %t", l.path, other, was, same)
			}
			l.set(was)
		}
	}
	if key() != before {
		t.Error("the value is not as it was")
	}
}

// TestSeeTime: the clock is seen where a rule or a knock asks for the time.
func TestSeeTime(t *testing.T) {
	var in decide.Inputs
	n := 0
	filled(reflect.ValueOf(&in).Elem(), &n)
	for i := range in.Plan.Doors {
		in.Plan.Doors[i].Rotate, in.Plan.Doors[i].Window, in.Plan.Doors[i].Hours = nil, 0, nil
	}
	sees := func() bool {
		now, later := in.Router, in.Router
		later.Clock = later.Clock.Add(1)
		return decide.See(in.Plan, now, in.Session).Key() != decide.See(in.Plan, later, in.Session).Key()
	}
	if sees() {
		t.Error("the clock is seen where nothing asks for it")
	}
	for menu := range in.Router.Rules {
		was := in.Router.Rules[menu][1]
		in.Router.Rules[menu][1].Attrs = was.Attrs.With("time", "8h-18h")
		if !sees() {
			t.Errorf("a rule of %s asks for the time, and the clock is not seen", menu)
		}
		in.Router.Rules[menu][1] = was
	}
	var whole decide.Inputs
	filled(reflect.ValueOf(&whole).Elem(), &n)
	in.Plan.Doors[1].Window = whole.Plan.Doors[1].Window
	if !sees() {
		t.Error("a door rotates, and the clock is not seen")
	}
	in.Plan.Doors[1].Window, in.Plan.Doors[1].Hours = 0, whole.Plan.Doors[1].Hours
	if !sees() {
		t.Error("a knock has its hours, and the clock is not seen")
	}
	in.Plan.Doors[1].Hours, in.Plan.Doors[1].Rotate = nil, whole.Plan.Doors[1].Rotate
	if !sees() {
		t.Error("a door has a way to rotate, and the clock is not seen")
	}
}
