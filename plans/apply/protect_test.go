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

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
)

// TestVanishedAnchor: if somebody removes the anchor of a move at that moment, this is noticed
// before the router silently moves our rule to the end of the table.
func TestVanishedAnchor(t *testing.T) {
	for _, protect := range []apply.Protection{apply.SafeMode, apply.DeadMan} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, "7.20", sim.Knobs{}, opened("7.20"))
			defer p.close()
			admin := func(commands ...routeros.Command) {
				if err := p.router.Admin(commands...); err != nil {
					t.Fatal(err)
				}
			}
			admin(routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "drop", "in-interface-list", "!LAN", "comment", "final"))
			if got := p.run(plans.Inline, "first", apply.Options{}); got.Outcome != apply.Changed {
				t.Fatal(got.Outcome, got.Err)
			}
			var last, anchor string
			for _, r := range p.router.Snapshot().Rules[routeros.Filter] {
				if _, ours := r.Mark(); ours && r.Chain() == "input" {
					last = r.ID
				} else if r.Comment() == "final" {
					anchor = r.ID
				}
			}
			admin(routeros.NewCommand("/ip/firewall/filter/move", "numbers", last))
			before := own(p.router.Snapshot())
			tables, protected := 0, false
			p.on(func(q sim.Request) sim.Action {
				switch q.Words[0] {
				case "/safe-mode/take", "/system/scheduler/add":
					protected = true
				case "/ip/firewall/filter/print":
					if protected {
						if tables++; tables == 2 { // the first is that of the snapshot
							admin(routeros.NewCommand("/ip/firewall/filter/remove", "numbers", anchor))
						}
					}
				case "/ip/firewall/filter/move":
					t.Errorf("%s: %v was sent", protect, q.Words)
				}
				return sim.Action{}
			})
			result := p.run(plans.Inline, "first", apply.Options{Protect: protect})
			if result.Outcome != apply.Reverted || !strings.Contains(result.Err.Error(), "is gone: somebody else is changing this router") || own(p.router.Snapshot()) != before {
				t.Errorf("%s: %s, %v", protect, result.Outcome, result.Err)
			}
		})
	}
}

// TestShutOut: rules that drop the session's own packets, which no proof would allow: the router
// rolls back by itself within the delay of the dead-man, or when it notices that safe mode's
// session is dead, and the outcome says so.
func TestShutOut(t *testing.T) {
	for _, version := range []string{"6.49", "7.14", "7.20", "7.24"} {
		for _, protect := range []apply.Protection{apply.Auto, apply.DeadMan} {
			t.Run(fmt.Sprintf("%s/%s", version, protect), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPlace(t, version, sim.Knobs{}, opened(version))
					defer p.close()
					s, before := p.read(t.Context())
					rule := func(comment string) routeros.Attributes {
						return routeros.MakeAttributes("chain", "input", "action", "drop", "src-address", operator, "comment", comment+" [rosknock m/x]")
					}
					c := change.ChangeSet{Snapshot: before.Digest(), Steps: []change.Step{
						{Op: change.Add, Menu: routeros.Filter, Slot: "m/x", Before: "*1", Set: rule("one")},
						{Op: change.Add, Menu: routeros.Filter, Slot: "m/x", Before: "*1", Set: rule("two")},
					}}
					start := time.Now()
					result := apply.Run(t.Context(), s, c, apply.Options{Before: before, Plan: "m", Protect: protect, Dial: p.dial, Owner: "alice"})
					took := time.Since(start)
					most := apply.DefaultDelay + time.Minute
					if result.Protection == apply.SafeMode {
						most = 10 * time.Minute
					}
					if result.Outcome != apply.Reverted || took > most || own(p.router.Snapshot()) != own(before) || theirs(p.router.Snapshot()) != theirs(before) {
						t.Errorf("%s after %s, %v", result.Outcome, took, result.Err)
					}
					if got := p.run(plans.Chain, "first", apply.Options{}); got.Outcome != apply.Changed {
						t.Errorf("the next run: %s, %v", got.Outcome, got.Err)
					}
				})
			})
		}
	}
}

// TestTwoRuns: of two runs on one router, the second learns who is at work, and changes nothing;
// when the first is done, it works.
func TestTwoRuns(t *testing.T) {
	for _, version := range []string{"7.14", "7.20"} {
		for _, second := range []apply.Protection{apply.Auto, apply.DeadMan, apply.None} {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, version, sim.Knobs{}, opened(version))
				defer p.close()
				var other apply.Result
				first := p.run(plans.Chain, "first", apply.Options{Observe: func(e apply.Event) {
					if e.Done != nil && e.Done.Index == 3 {
						other = p.run(plans.Chain, "changed", apply.Options{Protect: second})
					}
				}})
				held, ok := errors.AsType[*apply.HeldError](other.Err)
				if first.Outcome != apply.Changed || other.Outcome != apply.Refused || !ok {
					t.Fatalf("%s: %s, %v; the other %s, %v", version, first.Outcome, first.Err, other.Outcome, other.Err)
				}
				if !strings.Contains(held.Error(), map[string]string{"7.14": "alice@example is at work since", "7.20": "safe mode is held by user admin over api"}[version]) {
					t.Error(held)
				}
				if got := p.run(plans.Chain, "changed", apply.Options{Protect: second}); got.Outcome != apply.Changed {
					t.Errorf("later: %s, %v", got.Outcome, got.Err)
				}
			})
		}
	}
}

// TestTakenOver: safe mode that ended silently and was then taken by somebody else is theirs: it is
// neither released nor unrolled, and the change is rolled back step by step.
func TestTakenOver(t *testing.T) {
	for _, trouble := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, "7.20", sim.Knobs{}, opened("7.20"))
			defer p.close()
			before := own(p.router.Snapshot())
			steps := 0
			p.on(func(q sim.Request) sim.Action {
				if q.Words[0] != "/ip/firewall/filter/add" {
					return sim.Action{}
				}
				switch steps++; {
				case steps == 3:
					for _, f := range faults() {
						if f.name == "safe mode overflows" {
							f.do(p)
						}
					}
					if err := p.router.Admin(routeros.NewCommand("/safe-mode/take", "on-error", "abort")); err != nil {
						t.Fatal(err)
					}
				case steps == 4 && trouble:
					return sim.Action{Kind: sim.Trap, Message: "failure: no"}
				}
				return sim.Action{}
			})
			result := p.run(plans.Inline, "first", apply.Options{})
			is := own(p.router.Snapshot())
			if result.Outcome != apply.Reverted || is != before {
				t.Errorf("%s, %v\n%s", result.Outcome, result.Err, is)
			}
			if err := p.router.Admin(routeros.NewCommand("/safe-mode/take", "on-error", "abort")); err == nil {
				t.Error("the other's safe mode is gone")
			}
		})
	}
}

// TestBothArm: two runs check at the same moment and see nobody: the name of the dead-man lets only
// one arm.
func TestBothArm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, "7.14", sim.Knobs{}, opened("7.14"))
		defer p.close()
		var first apply.Result
		begun := false
		p.nested(func(q sim.Request) sim.Action {
			if q.Words[0] == "/system/scheduler/add" && !begun {
				begun = true
				first = p.run(plans.Chain, "first", apply.Options{}) // at its whole length, before the other's entry is added
				begun = true
			}
			return sim.Action{}
		})
		second := p.run(plans.Chain, "first", apply.Options{})
		if _, moved := errors.AsType[*apply.MovedError](second.Err); first.Outcome != apply.Changed || second.Outcome != apply.Refused || !moved {
			t.Errorf("%s, %v; %s, %v", first.Outcome, first.Err, second.Outcome, second.Err)
		}
	})
}

// TestAdopt: an undo continues under the dead-man of the change that it rolls back, and of no
// other; it leaves none behind.
func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, "7.14", sim.Knobs{}, opened("7.14"))
		defer p.close()
		start, c, err := p.cutOff()
		if err != nil {
			t.Fatal(err)
		}
		for _, adopt := range []string{"", "two", "one"} {
			s, now := p.read(t.Context())
			back, err := undo.Changes(now, start, c, "m")
			if err != nil {
				t.Fatal(err)
			}
			got := apply.Run(t.Context(), s, back, apply.Options{Before: now, Plan: "m", Adopt: adopt, Dial: p.dial})
			if _, held := errors.AsType[*apply.HeldError](got.Err); held != (adopt != "one") || held != (got.Outcome == apply.Refused) {
				t.Errorf("adopting %q: %s, %v", adopt, got.Outcome, got.Err)
			}
		}
		if own(p.router.Snapshot()) != own(start) {
			t.Error("not everything was rolled back")
		}
		if err := p.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man")); err != nil {
			t.Error(err)
		}
	})
}

// TestUnarmed: if the dead-man can't be armed, nothing else is sent, and the reason is given; a
// router that requires a start time gets one.
func TestUnarmed(t *testing.T) {
	for name, test := range map[string]struct {
		odd  func(*sim.Options)
		says string // nothing: it works
	}{
		"never runs":   {func(o *sim.Options) { o.Knobs.JobsNeverRun = true }, "does not say that it will run the dead-man (no next-run, clock "},
		"runs at once": {func(o *sim.Options) { o.Knobs.JobsRunAtOnce = true }, ""},
		"home":         {func(o *sim.Options) { o.DeviceMode = "home" }, "device-mode home switches the scheduler off"},
		"flagged":      {func(o *sim.Options) { o.Flagged = true }, "flagged"},
		"may not":      {func(o *sim.Options) { o.Users[0].Group = "read" }, "give the user's group the policies"},
	} {
		for _, version := range []string{"6.49", "7.14"} {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, version, sim.Knobs{}, opened(version), test.odd)
				defer p.close()
				if version == "6.49" && (name == "home" || name == "flagged") {
					return // it came with 7
				}
				before := p.router.Snapshot().Digest()
				result := p.run(plans.Chain, "first", apply.Options{})
				_, ok := errors.AsType[*apply.ProtectionError](result.Err)
				switch {
				case test.says == "" && (result.Outcome != apply.Changed || result.Err != nil):
					t.Errorf("%s on %s: %s, %v", name, version, result.Outcome, result.Err)
				case test.says != "" && (result.Outcome != apply.Refused || !ok || !strings.Contains(result.Err.Error(), test.says) || p.router.Snapshot().Digest() != before):
					t.Errorf("%s on %s: %s, %v", name, version, result.Outcome, result.Err)
				}
				if name == "home" || name == "flagged" {
					return
				}
				if err := p.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man")); err != nil {
					t.Errorf("%s on %s: something is left: %v", name, version, err)
				}
			})
		}
	}
}

// TestSlow: a run that is slower than its dead-man stops in time and rolls back its steps, instead
// of working against the dead-man.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, "7.14", sim.Knobs{}, opened("7.14"))
		defer p.close()
		before := own(p.router.Snapshot())
		p.on(func(q sim.Request) sim.Action {
			if strings.HasSuffix(q.Words[0], "/add") {
				time.Sleep(9 * time.Second)
			}
			return sim.Action{}
		})
		result := p.run(plans.Chain, "first", apply.Options{Delay: time.Minute})
		if result.Outcome != apply.Reverted || !strings.Contains(result.Err.Error(), "too soon to go on") || own(p.router.Snapshot()) != before {
			t.Errorf("%s, %v", result.Outcome, result.Err)
		}
		if err := p.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man")); err != nil {
			t.Errorf("the dead-man is still there: %v", err)
		}
	})
}

// TestTooMany: more steps than safe mode remembers use a dead-man, or are refused if safe mode was
// requested; as many as it remembers use safe mode. That is rule L40 of lint, as TestTwoRuns is L41
// and TestUnarmed L43.
func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, "7.20", sim.Knobs{}, opened("7.20"))
		defer p.close()
		s, before := p.read(t.Context())
		c := change.ChangeSet{Snapshot: before.Digest()}
		for i := range 81 {
			c.Steps = append(c.Steps, change.Step{
				Op: change.Add, Menu: routeros.Filter, Slot: "m/x", Set: routeros.MakeAttributes("chain", "ours", "action", "accept", "comment", fmt.Sprintf("%d [rosknock m/x%d]", i, i)),
			})
		}
		asked := apply.Run(t.Context(), s, c, apply.Options{Before: before, Plan: "m", Protect: apply.SafeMode})
		if _, ok := errors.AsType[*apply.ProtectionError](asked.Err); asked.Outcome != apply.Refused || !ok {
			t.Errorf("%s, %v", asked.Outcome, asked.Err)
		}
		if got := apply.Run(t.Context(), s, c, apply.Options{Before: before, Plan: "m"}); got.Outcome != apply.Changed || got.Protection != apply.DeadMan {
			t.Errorf("%s under %s, %v", got.Outcome, got.Protection, got.Err)
		}
		s, before = p.read(t.Context())
		c.Snapshot, c.Steps = before.Digest(), c.Steps[:80]
		if got := apply.Run(t.Context(), s, c, apply.Options{Before: before, Plan: "m", Protect: apply.SafeMode}); got.Outcome != apply.Changed || got.Protection != apply.SafeMode {
			t.Errorf("80 steps: %s under %s, %v", got.Outcome, got.Protection, got.Err)
		}
	})
}

// TestCantTakeBack: if the router refuses the rollback steps, its protection stays, the program
// says so, and the protection rolls back.
func TestCantTakeBack(t *testing.T) {
	for version, hope := range map[string]string{"7.14": "the dead-man was armed when it was last read, at 00:00:00 by the router's clock: it rolls the router back in", "7.20": "when it sees that this session has ended"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, version, sim.Knobs{}, opened(version))
			defer p.close()
			before, steps := own(p.router.Snapshot()), 0
			p.on(func(q sim.Request) sim.Action {
				write := strings.HasPrefix(q.Words[0], "/ip/firewall/filter/") && !strings.HasSuffix(q.Words[0], "/print")
				if write {
					steps++
				}
				if write && steps > 3 || q.Words[0] == "/safe-mode/unroll" {
					return sim.Action{Kind: sim.Trap, Message: "failure: out of memory"}
				}
				return sim.Action{}
			})
			result := p.run(plans.Inline, "first", apply.Options{})
			if result.Outcome != apply.Failed || !strings.Contains(result.Err.Error(), hope) {
				t.Errorf("%s: %s, %v", version, result.Outcome, result.Err)
			}
			time.Sleep(apply.DefaultDelay)
			if is := own(p.router.Snapshot()); is != before {
				t.Errorf("%s: the router did not come back:\n%s", version, is)
			}
		})
	}
}

// TestFlights: under safe mode the steps of a chain that is not used yet are sent together, with
// the entries of a list that is not used yet; a jump goes live alone. Without safe mode, each step
// is sent alone.
func TestFlights(t *testing.T) {
	for _, protect := range []apply.Protection{apply.SafeMode, apply.DeadMan} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, "7.20", sim.Knobs{}, opened("7.20"))
			defer p.close()
			p.router.Snapshot()
			s, before := p.read(t.Context())
			session := &counting{Session: s}
			c, err := computeVariant(t, before, plans.Chain, "first")
			if err != nil {
				t.Fatal(err)
			}
			if got := apply.Run(t.Context(), session, c, apply.Options{Before: before, Plan: "m", Protect: protect}); got.Outcome != apply.Changed {
				t.Fatal(got.Outcome, got.Err)
			}
			if protect == apply.DeadMan {
				if len(session.flights) != len(c.Steps) {
					t.Errorf("%d flights for %d steps", len(session.flights), len(c.Steps))
				}
				return
			}
			if first := session.flights[0]; len(first) < 3 || !slices.Contains(first, "/ip/firewall/address-list/add") || !slices.Contains(first, "/ip/firewall/filter/add") {
				t.Errorf("the entry and the disabled jump do not go together: %q", first)
			}
			if len(session.flights) > 6 {
				t.Errorf("%d flights for %d steps: %q", len(session.flights), len(c.Steps), session.flights)
			}
			for _, flight := range session.flights {
				if slices.Contains(flight, "/ip/firewall/filter/set") && len(flight) > 1 {
					t.Errorf("a jump goes live in one flight with others: %q", flight)
				}
			}
		})
	}
}

// TestInterruptedWhileLost: an interrupt ends a run that waits for its router, and the program says
// that the state is unknown.
func TestInterruptedWhileLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, "7.20", sim.Knobs{}, opened("7.20"))
		defer p.close()
		p.on(func(q sim.Request) sim.Action {
			if q.Words[0] == "/ip/firewall/filter/add" {
				return sim.Action{Kind: sim.VanishAfter}
			}
			return sim.Action{}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Minute)
			cancel()
		}()
		s, before := p.read(ctx)
		c, err := computeVariant(t, before, plans.Chain, "first")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		result := apply.Run(ctx, s, c, apply.Options{Before: before, Plan: "m", Dial: p.dial})
		if result.Outcome != apply.Unknown || time.Since(start) > 2*time.Minute || !strings.Contains(result.Err.Error(), "safe mode is held by user admin") {
			t.Errorf("%s after %s, %v", result.Outcome, time.Since(start), result.Err)
		}
		time.Sleep(10 * time.Minute)
		if own(p.router.Snapshot()) != own(before) {
			t.Error("the router did not come back")
		}
	})
}

// counting is a session that records which steps are sent in one batch.
type counting struct {
	apply.Session
	flights [][]string
}

// Batch implements [apply.Session].
func (c *counting) Batch(ctx context.Context, commands []routeros.Command) ([]api.Result, error) {
	var paths []string
	for _, command := range commands {
		switch command.Menu() {
		case routeros.SafeMode, routeros.Scheduler:
			continue
		}
		if command.Verb() == "print" {
			continue
		}
		paths = append(paths, command.Path)
	}
	if paths != nil {
		c.flights = append(c.flights, paths)
	}
	return c.Session.Batch(ctx, commands)
}
