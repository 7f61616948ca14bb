package sequence

import (
	"fmt"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// suffixes is after how many windows their names repeat; at most three are valid at once.
const suffixes = 4

// ScheduleOf returns the schedule of a rotating door.
func ScheduleOf(r plans.Rotate) Schedule { return Schedule{Every: r.Every, Overlap: r.Overlap} }

// Unroll returns a plan with the knocks of its rotating doors: for each window that which chooses,
// a door of the same name, list and services. router is the router's own name. secret looks up
// where the secret is kept. It leaves the plan that it is given alone.
//
//	now, err := sequence.Unroll(p, identity, func(s sequence.Schedule) []int64 { return s.Valid(at) }, secret)
func Unroll(p plans.Plan, router string, which func(Schedule) []int64, secret func(plans.Credential) (string, error)) (plans.Plan, error) {
	return unroll(p, router, func(r plans.Rotate) []standing {
		var out []standing
		for _, window := range which(ScheduleOf(r)) {
			out = append(out, standing{window: window, name: place(window, suffixes)})
		}
		return out
	}, secret)
}

// standing is a window on a router: under a name that repeats, and with its hours if it is
// installed in advance.
type standing struct {
	window int64
	name   int
	hours  []routeros.Hours
}

// place numbers windows from 1 to some number, and then begins again.
func place(window int64, of int) int {
	n := int64(of)
	return int((window%n+n)%n) + 1
}

func unroll(p plans.Plan, router string, which func(plans.Rotate) []standing, secret func(plans.Credential) (string, error)) (plans.Plan, error) {
	if !p.Rotates() {
		return p, nil
	}
	var doors []plans.Door
	for _, d := range p.Doors {
		if d.Rotate == nil || d.Window != 0 {
			doors = append(doors, d)
			continue
		}
		if err := ScheduleOf(*d.Rotate).Check(); err != nil {
			return p, fmt.Errorf("door %s: %w", d.Name, err)
		}
		text, err := secret(d.Rotate.Secret)
		if err != nil {
			return p, fmt.Errorf("door %s: the secret: %w", d.Name, err)
		}
		spec := specOf(p, *d.Rotate)
		for _, w := range which(*d.Rotate) {
			one := d
			one.Window, one.Hours = w.name, w.hours
			scope := Scope{Plan: p.Name, Door: d.Name, Router: router, User: d.Rotate.User}
			one.Knock, err = Derive([]byte(text), scope, w.window, spec)
			if err == nil && d.Rotate.Payload > 0 {
				err = demand(one.Knock, []byte(text), scope, w.window, *d.Rotate)
			}
			if err != nil {
				return p, fmt.Errorf("door %s: %w", d.Name, err)
			}
			doors = append(doors, one)
		}
	}
	p.Doors = doors
	return p, nil
}

// demand gives the udp stages of a knock their payloads.
func demand(knock []plans.Stage, secret []byte, scope Scope, window int64, r plans.Rotate) error {
	for i := range knock {
		if knock[i].Protocol != "udp" {
			continue
		}
		token, err := Token(secret, scope, window, i+1, r.Payload)
		if err != nil {
			return err
		}
		knock[i].PayloadFrom, knock[i].Payload = r.Secret, string(token)
	}
	return nil
}

// specOf is the Spec of a derived knock. It follows from the plan alone, so that both ends agree.
func specOf(p plans.Plan, r plans.Rotate) Spec {
	spec := Spec{Stages: r.Stages, Low: r.Ports.First, High: r.Ports.Last}
	for _, s := range p.Services.Ports {
		spec.Avoid = append(spec.Avoid, s.Port)
	}
	for _, d := range p.Doors {
		for _, t := range d.Opens {
			const most = 200
			for port := int(t.Port.First); t.Kind == plans.PortTarget && port <= int(t.Port.Last) && port < int(t.Port.First)+most; port++ {
				spec.Avoid = append(spec.Avoid, uint16(port)) // #nosec G115 -- between two ports
			}
		}
	}
	for _, f := range p.Gate.Forwards {
		spec.Avoid = append(spec.Avoid, f.Port)
	}
	slices.Sort(spec.Avoid)
	spec.Avoid = slices.Compact(spec.Avoid)
	return spec
}

// Example returns a plan with an example knock for each rotating door, similar to the real ones, to
// rate it.
func Example(p plans.Plan) plans.Plan {
	out, err := Unroll(p, "example", func(Schedule) []int64 { return []int64{0} }, func(plans.Credential) (string, error) { return "an example, and no secret at all", nil })
	if err != nil {
		return p
	}
	return out
}

// Overlap returns the shortest overlap of the rotating doors of a plan, derived or not; ok says
// whether there are any.
func Overlap(p plans.Plan) (shortest time.Duration, ok bool) {
	for _, d := range p.Doors {
		if d.Rotate != nil && (!ok || d.Rotate.Overlap < shortest) {
			shortest, ok = d.Rotate.Overlap, true
		}
	}
	return shortest, ok
}
