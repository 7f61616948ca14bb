package state_test

import (
	"reflect"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

// TestOrigin: what was before a plan follows from the changes that were carried out and not rolled
// back, since it came.
func TestOrigin(t *testing.T) {
	service := func(name, what, was, is string) state.Touched {
		return state.Touched{Path: "/ip/service", Name: name, What: what, Was: state.Text(was), Is: state.Text(is)}
	}
	record := func(change, command, outcome string, installs bool, touched ...state.Touched) state.Record {
		return state.Record{Event: state.End, Address: "r", Plan: "m", Change: change, Command: command, Outcome: outcome, Installs: installs, Touched: touched}
	}
	came := record("1", "apply", "changed", true, service("telnet", "disabled", "false", "true"), service("ssh", "port", "22", "2200"))
	moved := record("2", "apply", "changed", false, service("ssh", "port", "2200", "2222"))
	gone := record("3", "remove", "changed", false, service("telnet", "disabled", "true", "false"))
	telnet := remove.Service{Name: "telnet", What: "disabled", Was: "false", Is: "true"}
	ssh := func(is string) remove.Service { return remove.Service{Name: "ssh", What: "port", Was: "22", Is: is} }
	undone := func(of string) state.Record {
		return state.Record{Event: state.End, Address: "r", Plan: "m", Change: "9" + of, Undoes: of, Command: "undo", Outcome: "changed"}
	}
	begun := func(r state.Record) state.Record { r.Event, r.Outcome = state.Begin, ""; return r }
	elsewhere, another := moved, moved
	elsewhere.Address, another.Plan = "s", "n"
	for name, tt := range map[string]struct {
		records []state.Record
		want    remove.Origin
	}{
		"nothing":                    {nil, remove.Origin{}},
		"it came":                    {[]state.Record{begun(came), came}, remove.Origin{Known: true, Services: []remove.Service{telnet, ssh("2200")}}},
		"it was changed":             {[]state.Record{begun(came), came, begun(moved), moved}, remove.Origin{Known: true, Services: []remove.Service{telnet, ssh("2222")}}},
		"the change was rolled back": {[]state.Record{begun(came), came, begun(moved), moved, undone("2")}, remove.Origin{Known: true, Services: []remove.Service{telnet, ssh("2200")}}},
		"it came from elsewhere":     {[]state.Record{begun(moved), moved}, remove.Origin{Services: []remove.Service{{Name: "ssh", What: "port", Was: "2200", Is: "2222"}}}},
		"it went":                    {[]state.Record{begun(came), came, begun(gone), gone}, remove.Origin{}},
		"it went and came back":      {[]state.Record{begun(came), came, begun(gone), gone, undone("3")}, remove.Origin{Known: true, Services: []remove.Service{telnet, ssh("2200")}}},
		"a removal was cut off":      {[]state.Record{begun(came), came, begun(gone)}, remove.Origin{Known: true, Services: []remove.Service{telnet, ssh("2200")}}},
		"another router, and plan":   {[]state.Record{begun(came), came, begun(elsewhere), elsewhere, begun(another), another}, remove.Origin{Known: true, Services: []remove.Service{telnet, ssh("2200")}}},
		"the run was killed":         {[]state.Record{begun(came)}, remove.Origin{Known: true, Services: []remove.Service{telnet, ssh("2200")}}},
	} {
		if got := state.Origin(tt.records, "r", "m"); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestTouched: services and rules that change hands are written down, rows of the plan's own are
// not, and a rule is known again by what it does.
func TestTouched(t *testing.T) {
	dir, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rule := routeros.Rule{ID: "*1", Attrs: routeros.MakeAttributes("chain", "input", "action", "drop", "comment", "my \xe9 own")}
	before := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: {rule}}}
	taken := routeros.Mark{Plan: "m", Slot: "gate/tcp"}.Comment("my \xe9 own")
	comment := func(was, is string) change.Step {
		return change.Step{Op: change.Set, Menu: routeros.Filter, ID: "*1", Was: routeros.MakeAttributes("comment", was), Set: routeros.MakeAttributes("comment", is)}
	}
	c := change.ChangeSet{Steps: []change.Step{
		{Op: change.Add, Menu: routeros.Filter, Set: routeros.MakeAttributes("comment", "[rosknock m/jump]")},
		comment("my \xe9 own", taken), comment(taken, "[rosknock m/gate/tcp]"),
		{Op: change.Disable, Menu: routeros.ServiceMenu, Slot: "telnet", Set: routeros.MakeAttributes("disabled", "true"), Was: routeros.MakeAttributes("disabled", "false")},
		{Op: change.Set, Menu: routeros.ServiceMenu, Slot: "ssh", Set: routeros.MakeAttributes("available-from", "10.0.0.0/8", "port", "2222"), Was: routeros.MakeAttributes("available-from", "", "port", "22")},
	}}
	got, err := dir.Touched(before, c, "m")
	if err != nil {
		t.Fatal(err)
	}
	known, err := dir.RuleFingerprint(routeros.Rule{Attrs: routeros.MakeAttributes("action", "drop", "chain", "input", "comment", taken, "disabled", "false")})
	if err != nil {
		t.Fatal(err)
	}
	want := []state.Touched{
		{Path: "/ip/firewall/filter", ID: "*1", What: "comment", Was: "my \xe9 own", Is: state.Text(taken), Fingerprint: known},
		{Path: "/ip/service", Name: "telnet", What: "disabled", Was: "false", Is: "true"},
		{Path: "/ip/service", Name: "ssh", What: "from", Was: "", Is: "10.0.0.0/8"},
		{Path: "/ip/service", Name: "ssh", What: "port", Was: "22", Is: "2222"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
	// The journal keeps bytes that are no UTF-8.
	if err := dir.Append(state.Record{Touched: got}); err != nil {
		t.Fatal(err)
	}
	records, err := dir.Journal()
	if err != nil || !reflect.DeepEqual(records[0].Touched, want) {
		t.Errorf("%+v, %v", records, err)
	}
}
