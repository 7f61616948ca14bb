package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
)

// prints is a session to a router that prints its scheduler in another way.
type prints struct {
	apply.Session
	scheduler func(rows []routeros.Attributes) []routeros.Attributes
}

// Run implements [apply.Session].
func (p prints) Run(ctx context.Context, c routeros.Command) (api.Reply, error) {
	reply, err := p.Session.Run(ctx, c)
	if c.Path == routeros.Scheduler.Verb("print") && err == nil {
		reply.Rows = p.scheduler(reply.Rows)
	}
	return reply, err
}

// Batch implements [apply.Session].
func (p prints) Batch(ctx context.Context, commands []routeros.Command) ([]api.Result, error) {
	results, err := p.Session.Batch(ctx, commands)
	for i := range results {
		if commands[i].Path == routeros.Scheduler.Verb("print") && results[i].Err == nil {
			results[i].Rows = p.scheduler(results[i].Rows)
		}
	}
	return results, err
}

// install applies the plan of the matrix under a dead-man, to a router that prints its scheduler in
// another form.
func (p *place) install(scheduler func([]routeros.Attributes) []routeros.Attributes, o apply.Options) apply.Result {
	p.t.Helper()
	s, before := p.read(p.ctx)
	c, err := computeVariant(p.t, before, plans.Chain, "first")
	if err != nil {
		p.t.Fatal(err)
	}
	o.Before, o.Plan, o.Protect, o.Owner = before, "m", apply.DeadMan, "alice@example"
	return apply.Run(p.ctx, prints{s, scheduler}, c, o)
}

// entries are the names of what is in the scheduler.
func (p *place) entries() []string {
	p.t.Helper()
	s, _ := p.read(p.ctx)
	reply, err := s.Run(p.ctx, routeros.Print(routeros.Scheduler))
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, row := range reply.Rows {
		names = append(names, row.Get("name"))
	}
	return names
}

// reprinted gives next-run another form; ahead is by how much the router's clock is.
func reprinted(form func(time.Time) string, ahead time.Duration) func([]routeros.Attributes) []routeros.Attributes {
	return func(rows []routeros.Attributes) []routeros.Attributes {
		for i, row := range rows {
			if at, ok := routeros.ParseMoment(row.Get("next-run"), time.Now().UTC().Add(ahead)); ok {
				rows[i] = row.With("next-run", form(at))
			}
		}
		return rows
	}
}

// nextRunForms are the known forms, and some invented ones.
func nextRunForms() map[string]func(time.Time) string {
	return map[string]func(time.Time) string{
		"whole": func(at time.Time) string { return at.Format("2006-01-02 15:04:05") },
		"old":   func(at time.Time) string { return strings.ToLower(at.Format("Jan/02/2006 15:04:05")) },
		"year":  func(at time.Time) string { return strings.ToLower(at.Format("Jan/02 15:04:05")) },
		"month": func(at time.Time) string { return at.Format("01-02 15:04:05") },
		"day":   func(at time.Time) string { return at.Format("15:04:05") },
		"odd":   func(at time.Time) string { return at.Format(time.RFC1123) },
		"left":  func(time.Time) string { return "4m59s" },
	}
}

// TestNextRunForms: a dead-man is armed on a router with each form of next-run, at any hour; with
// an unknown form, nothing is done and nothing is left.
func TestNextRunForms(t *testing.T) {
	for _, version := range []string{"6.49", "7.8", "7.14"} {
		for form, printed := range nextRunForms() {
			for _, shift := range []time.Duration{0, 12 * time.Hour, 24*time.Hour - 2*time.Minute, 366*24*time.Hour - 2*time.Minute} { // of the first of January 2000, a leap year
				synctest.Test(t, func(t *testing.T) {
					p := newPlace(t, version, sim.Knobs{}, opened(version), func(o *sim.Options) { o.Now = func() time.Time { return time.Now().Add(shift) } })
					defer p.close()
					read := form != "odd" && form != "left"
					result := p.install(reprinted(printed, shift), apply.Options{})
					_, refused := errors.AsType[*apply.ProtectionError](result.Err)
					if read && result.Outcome != apply.Changed || !read && (result.Outcome != apply.Refused || !refused || !strings.Contains(result.Err.Error(), "can't be read (next-run \"")) {
						t.Errorf("%s, %s, at %s: %s, %v", version, form, shift, result.Outcome, result.Err)
					}
					if left := p.entries(); len(left) > 0 {
						t.Errorf("%s, %s, at %s: %q is left", version, form, shift, left)
					}
				})
			}
		}
	}
}

// TestZoneChanges: a change of daylight saving that is due before the dead-man, or was just now, is
// no reason to refuse.
func TestZoneChanges(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		change := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 2 {
			_, change = change.In(zone).ZoneBounds()
			for _, before := range []time.Duration{6 * time.Minute, 2 * time.Minute, time.Second, -time.Second} {
				for _, version := range []string{"6.49", "7.14"} {
					synctest.Test(t, func(t *testing.T) {
						offset := time.Until(change.Add(-before))
						p := newPlace(t, version, sim.Knobs{}, opened(version), func(o *sim.Options) {
							o.Zone, o.Now = zone, func() time.Time { return time.Now().Add(offset) }
						})
						defer p.close()
						if got := p.run(plans.Chain, "first", apply.Options{Protect: apply.DeadMan}); got.Outcome != apply.Changed {
							t.Errorf("%s on %s, %s before %s: %s, %v", name, version, before, change, got.Outcome, got.Err)
						}
					})
				}
			}
		}
	}
}

// TestLateRows: rosknock waits for a router that shows rows late. If it never shows them, both
// entries are still removed, by the ids that it returned.
func TestLateRows(t *testing.T) {
	hidden := map[string]func(row routeros.Attributes) bool{
		"both":     func(routeros.Attributes) bool { return true },
		"first":    func(row routeros.Attributes) bool { return row.Get("name") == "rosknock-dead-man" },
		"the twin": func(row routeros.Attributes) bool { return row.Get("name") != "rosknock-dead-man" },
	}
	for name, hides := range hidden {
		for _, late := range []time.Duration{time.Second, 4 * time.Second, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, "7.14", sim.Knobs{}, opened("7.14"))
				defer p.close()
				var added time.Time
				p.on(func(q sim.Request) sim.Action {
					if q.Words[0] == "/system/scheduler/add" {
						added = time.Now()
					}
					return sim.Action{}
				})
				result := p.install(func(rows []routeros.Attributes) []routeros.Attributes {
					var out []routeros.Attributes
					for _, row := range rows {
						if time.Since(added) >= late || !hides(row) {
							out = append(out, row)
						}
					}
					return out
				}, apply.Options{})
				if want := late < time.Hour; want != (result.Outcome == apply.Changed) || !want && result.Outcome != apply.Refused {
					t.Errorf("%s late by %s: %s, %v", name, late, result.Outcome, result.Err)
				}
				if left := p.entries(); len(left) > 0 {
					t.Errorf("%s late by %s: %q is left, %v", name, late, left, result.Err)
				}
			})
		}
	}
}

// TestNameTaken: whatever the router's message for a name that is taken, the other run is noticed,
// even if its entry is shown a moment later. Nothing of this run is left, and the other's entry
// stays.
func TestNameTaken(t *testing.T) {
	for _, message := range []string{"failure: item with such name already exists", "failure: scheduler with that name already exists (7)", "failure: name must be unique"} {
		for _, taken := range []string{"rosknock-dead-man", "rosknock-dead-man-at-start"} {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, "7.14", sim.Knobs{}, opened("7.14"))
				defer p.close()
				other := false
				p.nested(func(q sim.Request) sim.Action {
					if q.Words[0] != "/system/scheduler/add" || !slices.Contains(q.Words, "=name="+taken) {
						return sim.Action{}
					}
					if !other {
						other = true
						if err := p.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", taken, "comment", "bob is at work", "interval", "10m")); err != nil {
							t.Error(err)
						}
					}
					return sim.Action{Kind: sim.Trap, Message: message}
				})
				result := p.install(func(rows []routeros.Attributes) []routeros.Attributes { return rows }, apply.Options{})
				if _, held := errors.AsType[*apply.HeldError](result.Err); !held || result.Outcome != apply.Refused || !strings.Contains(result.Err.Error(), "bob is at work") {
					t.Errorf("%q: %s, %v", message, result.Outcome, result.Err)
				}
				if left := p.entries(); len(left) != 1 || left[0] != taken {
					t.Errorf("%q: in the scheduler is %q", message, left)
				}
			})
		}
	}
}

// TestNotDisarmed: entries that can't be removed are named, with the command that removes them; the
// advice is not to run without protection.
func TestNotDisarmed(t *testing.T) {
	for name, knobs := range map[string]sim.Knobs{"never runs": {JobsNeverRun: true}, "the second is refused": {}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, "7.14", knobs, opened("7.14"))
			defer p.close()
			p.on(func(q sim.Request) sim.Action {
				second := q.Words[0] == "/system/scheduler/add" && slices.Contains(q.Words, "=name=rosknock-dead-man-at-start")
				if q.Words[0] == "/system/scheduler/remove" || second && !knobs.JobsNeverRun {
					return sim.Action{Kind: sim.Trap, Message: "failure: out of memory"}
				}
				return sim.Action{}
			})
			result := p.install(func(rows []routeros.Attributes) []routeros.Attributes { return rows }, apply.Options{})
			if result.Outcome != apply.Refused || !strings.Contains(result.Err.Error(), `remove them there with /system/scheduler/remove [find where name~"^rosknock-dead-man"]`) {
				t.Errorf("%s: %s, %v", name, result.Outcome, result.Err)
			}
			if strings.Contains(result.Err.Error(), "--protect=none") {
				t.Errorf("%s: %v", name, result.Err)
			}
		})
	}
}

// TestAdoptForms: an undo adopts the armed dead-man of an interrupted run if the form of next-run
// is known, with the time that is really left. If the form is unknown, or the time is too short,
// nothing is touched and the dead-man does its work.
func TestAdoptForms(t *testing.T) {
	for form, printed := range nextRunForms() {
		for _, late := range []time.Duration{time.Minute, 4*time.Minute + 50*time.Second} {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, "7.14", sim.Knobs{}, opened("7.14"))
				defer p.close()
				start, c, err := p.cutOff()
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(late)
				s, now := p.read(t.Context())
				written := own(now)
				back, err := undo.Changes(now, start, c, "m")
				if err != nil {
					t.Fatal(err)
				}
				got := apply.Run(t.Context(), prints{s, reprinted(printed, 0)}, back, apply.Options{Before: now, Plan: "m", Adopt: "one", Dial: p.dial})
				is := own(p.router.Snapshot())
				_, held := errors.AsType[*apply.HeldError](got.Err)
				if goes := late == time.Minute && form != "odd" && form != "left"; goes {
					if got.Outcome != apply.Changed || is != own(start) || len(p.entries()) > 0 {
						t.Errorf("%s after %s: %s, %v", form, late, got.Outcome, got.Err)
					}
				} else if got.Outcome != apply.Refused || !held || is != written || len(p.entries()) != 2 {
					t.Errorf("%s after %s: %s, %v", form, late, got.Outcome, got.Err)
				}
				time.Sleep(10 * time.Minute)
				if own(p.router.Snapshot()) != own(start) {
					t.Errorf("%s after %s: the router did not come back", form, late)
				}
			})
		}
	}
}

// cutOff is a run under a dead-man whose program was killed just before the jump went live.
func (p *place) cutOff() (start routeros.Snapshot, c change.ChangeSet, err error) {
	p.t.Helper()
	p.on(func(q sim.Request) sim.Action {
		if q.Words[0] == "/ip/firewall/filter/set" && slices.Contains(q.Words, "=disabled=no") {
			return sim.Action{Kind: sim.CutBefore}
		}
		return sim.Action{}
	})
	defer p.calm()
	s, start := p.read(p.ctx)
	if c, err = computeVariant(p.t, start, plans.Chain, "first"); err != nil {
		return start, c, err
	}
	// Without a way to dial again it is as if the program had been killed.
	if got := apply.Run(p.ctx, s, c, apply.Options{Before: start, Plan: "m", Protect: apply.DeadMan, Owner: "alice", Change: "one"}); got.Outcome != apply.Unknown {
		err = fmt.Errorf("%s: %w", got.Outcome, got.Err)
	}
	return start, c, err
}
