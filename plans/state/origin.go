package state

import (
	"slices"
	"strconv"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/routeros"
)

// Touched is one thing on a router that is not a plan's own and that a change of the plan has
// changed: of a service whether it is disabled, its port, or from where it answers; of a rule that
// the plan took over its comment.
type Touched struct {
	Path string `json:"path"`
	ID   string `json:"id,omitempty"`   // of a rule
	Name string `json:"name,omitempty"` // of a service
	What string `json:"what"`           // disabled, port, from, comment
	Was  Text   `json:"was"`
	Is   Text   `json:"is"`
	// Fingerprint tells whether the rule still does the same, and not what it does.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Touched lists what a change set of a plan does to what is not the plan's own. Steps of one change
// that do something to the same thing come in their order.
func (d Dir) Touched(before routeros.Snapshot, c change.ChangeSet, plan string) ([]Touched, error) {
	var out []Touched
	for _, step := range c.Steps {
		switch {
		case step.Menu == routeros.ServiceMenu:
			out = append(out, touchedService(step)...)
		case change.HandsOver(step, plan) && step.Menu.IsRuleTable():
			at := slices.IndexFunc(before.Rules[step.Menu], func(r routeros.Rule) bool { return r.ID == step.ID })
			if mark, ours := routeros.FindMark(step.Set.Get("comment")); at < 0 || !ours || mark.Plan != plan {
				continue // it is given back
			}
			known, err := d.RuleFingerprint(before.Rules[step.Menu][at])
			if err != nil {
				return nil, err
			}
			out = append(out, Touched{
				Path: string(step.Menu), ID: step.ID, What: "comment", Fingerprint: known,
				Was: Text(step.Was.Get("comment")), Is: Text(step.Set.Get("comment")),
			})
		}
	}
	return out, nil
}

func touchedService(step change.Step) []Touched {
	var out []Touched
	for name, value := range change.Written(step).All() {
		what := name
		if name != "disabled" && name != "port" {
			what = "from" // address, or available-from since 7.24 (routeros-facts § 4)
		}
		was := step.Was.Get(name)
		if name == "disabled" {
			value, was = strconv.FormatBool(value == "true"), strconv.FormatBool(step.Was.Bool(name))
		}
		out = append(out, Touched{Path: string(step.Menu), Name: step.Slot, What: what, Was: Text(was), Is: Text(value)})
	}
	return out
}

// RuleFingerprint tells whether a rule does the same as another time, whatever its comment says.
func (d Dir) RuleFingerprint(r routeros.Rule) (string, error) {
	return d.Fingerprint([]byte(r.Canonical().Without("comment").String()))
}

// Origin returns what a router was before a plan came there, as far as the journal tells: what its
// changes have touched since, and none has put back. A change that was rolled back counts as none;
// one that removed the plan is the end of what was before.
func Origin(records []Record, key, plan string) remove.Origin {
	var o remove.Origin
	for _, r := range slices.Backward(Undoable(records, key)) { // the oldest first
		switch {
		case r.Plan != plan:
			continue
		case r.Command == Removal && r.Outcome == "changed":
			o = remove.Origin{}
			continue
		case r.Command == Removal:
			continue // it puts back what is known already
		case r.Installs:
			o.Known = true
		}
		for _, t := range r.Touched {
			o = touched(o, t)
		}
	}
	return o
}

// Removal is the command of a record that takes a plan off a router.
const Removal = "remove"

func touched(o remove.Origin, t Touched) remove.Origin {
	if t.Path != string(routeros.ServiceMenu) {
		if !slices.ContainsFunc(o.Rules, func(r remove.Rule) bool { return string(r.Menu) == t.Path && r.ID == t.ID }) {
			o.Rules = append(o.Rules, remove.Rule{Menu: routeros.Menu(t.Path), ID: t.ID, Comment: string(t.Was), Fingerprint: t.Fingerprint})
		}
		return o
	}
	at := slices.IndexFunc(o.Services, func(s remove.Service) bool { return s.Name == t.Name && s.What == t.What })
	if at < 0 {
		o.Services = append(o.Services, remove.Service{Name: t.Name, What: t.What, Was: string(t.Was), Is: string(t.Is)})
		return o
	}
	o.Services[at].Is = string(t.Is)
	return o
}
