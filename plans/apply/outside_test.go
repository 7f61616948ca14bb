package apply_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

// leaving is a session that says when it is closed.
type leaving struct {
	apply.Session
	open *atomic.Int32
	once atomic.Bool
}

func (c *leaving) Close() error {
	if c.once.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Session.Close()
}

// stage is what has been sent over the first session.
type stage struct {
	stepped, released atomic.Bool
	reads             atomic.Int32 // of the whole router, after the last step
}

// watch follows the sentences; on each snapshot after the last step it calls read.
func (g *stage) watch(read func(n int32) sim.Action) func(sim.Request) sim.Action {
	return func(q sim.Request) sim.Action {
		switch q.Words[0] {
		case "/ip/service/set", "/ip/service/disable":
			g.stepped.Store(true)
		case "/safe-mode/release":
			g.released.Store(true)
		case "/system/resource/print":
			if g.stepped.Load() {
				return read(g.reads.Add(1))
			}
		}
		return sim.Action{}
	}
}

// TestBeside: the new login begins after the last step and goes on beside the reading of the router.
// Whatever becomes of either, or when somebody interrupts, nothing stays that is not confirmed, the
// rollback does not wait for the login, and no session is left.
func TestBeside(t *testing.T) {
	trap := func(int32) sim.Action { return sim.Action{Kind: sim.Trap, Message: "failure: something went wrong"} }
	none := func(int32) sim.Action { return sim.Action{} }
	first := func(kind sim.ActionKind) func(int32) sim.Action {
		return func(n int32) sim.Action {
			if n == 1 {
				return sim.Action{Kind: kind}
			}
			return sim.Action{}
		}
	}
	tests := []struct {
		name   string
		hangs  bool // the new login, until it is given up
		stops  bool // Ctrl-C while the login goes on
		read   func(int32) sim.Action
		says   string
		within time.Duration
	}{
		{"the reading fails while the login hangs", true, false, trap, "could not be read again", time.Second},
		{"the reading is lost while the login works", false, false, first(sim.CutAfter), "could not be read again", time.Minute},
		{"the reading is lost while the login hangs", true, false, first(sim.CutBefore), "could not be read again", time.Minute},
		{"the login answers while the session stalls", false, false, first(sim.StallBefore), "could not be read again", time.Minute},
		{"Ctrl-C while the login hangs", true, true, none, "interrupted", time.Second},
	}
	for _, version := range []string{"7.14", "7.24"} {
		for _, test := range tests {
			t.Run(version+"/"+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPlace(t, version, sim.Knobs{}, opened(version))
					defer p.close()
					before := own(p.router.Snapshot())
					ctx, interrupt := context.WithCancelCause(p.ctx)
					defer interrupt(nil)
					s, was := p.read(ctx)
					defer s.Close()
					c, err := p.compute(was, plans.Chain, "first")
					if err != nil {
						t.Fatal(err)
					}
					var g stage
					var open, dials atomic.Int32
					dial := func(ctx context.Context) (apply.Session, error) {
						if !g.stepped.Load() {
							t.Error("a login began before the last step")
						}
						if dials.Add(1) == 1 && test.hangs {
							if test.stops {
								interrupt(errors.New("Ctrl-C"))
							}
							<-ctx.Done()
							return nil, ctx.Err()
						}
						s, err := p.dial(ctx)
						if err != nil {
							return nil, err
						}
						open.Add(1)
						return &leaving{Session: s, open: &open}, nil
					}
					p.on(g.watch(func(n int32) sim.Action {
						if test.name == tests[0].name && n > 1 { // the rollback can read
							return sim.Action{}
						}
						return test.read(n)
					}))
					begun := time.Now()
					result := apply.Run(ctx, s, c, apply.Options{Before: was, Plan: "m", Dial: dial, Login: "admin"})
					took := time.Since(begun)
					p.calm()
					if result.Outcome != apply.Reverted || !strings.Contains(result.Err.Error(), test.says) || own(p.router.Snapshot()) != before {
						t.Errorf("%s, %v", result.Outcome, result.Err)
					}
					if _, shut := errors.AsType[*apply.LockedOutError](result.Err); shut {
						t.Errorf("no lock-out: %v", result.Err)
					}
					if took > test.within || open.Load() != 0 || dials.Load() == 0 {
						t.Errorf("took %s, %d sessions are left of %d", took, open.Load(), dials.Load())
					}
					if g.released.Load() && test.stops {
						t.Error("safe mode was released without a login")
					}
				})
			})
		}
	}
}

// TestOneBatch: where the dead-man of another run is armed, safe mode is taken and released, and
// nothing else is written; where somebody else holds safe mode, it is not released.
func TestOneBatch(t *testing.T) {
	for name, admin := range map[string]routeros.Command{
		"a dead-man is armed":  routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man", "interval", "10m", "comment", "bob is at work"),
		"safe mode is held by": routeros.NewCommand("/safe-mode/take"),
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t, "7.24", sim.Knobs{}, opened("7.24"))
			defer p.close()
			s, was := p.read(t.Context())
			defer s.Close()
			c, err := p.compute(was, plans.Chain, "first")
			if err != nil {
				t.Fatal(err)
			}
			if err := p.router.AdminVia("winbox", "other", admin); err != nil {
				t.Fatal(err)
			}
			var wrote []string
			p.on(func(q sim.Request) sim.Action {
				if !strings.HasSuffix(q.Words[0], "/print") {
					wrote = append(wrote, q.Words[0])
				}
				return sim.Action{}
			})
			result := apply.Run(t.Context(), s, c, apply.Options{Before: was, Plan: "m", Dial: p.dial, Login: "admin"})
			var held *apply.HeldError
			if result.Outcome != apply.Refused || !errors.As(result.Err, &held) || !strings.Contains(held.What, name) {
				t.Errorf("%s: %s, %v", name, result.Outcome, result.Err)
			}
			want := "/safe-mode/take"
			if name == "a dead-man is armed" {
				want += " /safe-mode/release"
			}
			if got := strings.Join(wrote, " "); got != want {
				t.Errorf("%s: %s was sent", name, got)
			}
		})
	}
}

// TestCrowded: a service that has no session left locks nobody out. The login is tried again while
// the protection has time. If a session ends, the change is confirmed; if none does, it is rolled
// back, and the error names the reason. A service that shuts this address out has sessions left.
func TestCrowded(t *testing.T) {
	for _, version := range []string{"7.17", "7.24"} {
		for _, test := range []struct {
			name, most string
			ends       bool
			want       apply.Outcome
			says       string
		}{
			{"full", "2", false, apply.Reverted, "all 2 sessions of the router's service api are in use"},
			{"full for a while", "2", true, apply.Changed, ""},
			{"shut", "20", false, apply.Reverted, "a new login does not work any more"},
		} {
			t.Run(version+"/"+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPlace(t, version, sim.Knobs{}, opened(version))
					defer p.close()
					before := own(p.router.Snapshot())
					s, was := p.read(t.Context())
					defer s.Close()
					other, err := p.dial(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					defer other.Close()
					c, err := p.compute(was, plans.Chain, "first")
					if err != nil {
						t.Fatal(err)
					}
					var g stage
					watch := g.watch(func(n int32) sim.Action {
						set := []string{"numbers", "api", "max-sessions", test.most}
						if test.name == "shut" {
							set = append(set, "address", "192.0.2.0/24")
						}
						if n == 1 {
							if err := p.router.Admin(routeros.NewCommand("/ip/service/set", set...)); err != nil {
								t.Error(err)
							}
						}
						return sim.Action{}
					})
					p.on(watch)
					begun := time.Now()
					waited := 0
					result := apply.Run(t.Context(), s, c, apply.Options{
						Before: was, Plan: "m", Login: "admin", Service: "api",
						Dial: func(ctx context.Context) (apply.Session, error) {
							synctest.Wait()
							return p.dial(ctx)
						},
						Observe: func(e apply.Event) {
							if strings.Contains(e.Doing, "trying again") {
								if waited++; waited == 3 && test.ends {
									_ = other.Close()
								}
							}
						},
					})
					p.calm()
					if result.Outcome != test.want || result.Err != nil && !strings.Contains(result.Err.Error(), test.says) {
						t.Errorf("%s, %v", result.Outcome, result.Err)
					}
					if _, shut := errors.AsType[*apply.LockedOutError](result.Err); shut != (test.name == "shut") {
						t.Errorf("a lock-out: %t, %v", shut, result.Err)
					}
					if test.want == apply.Reverted && own(p.router.Snapshot()) != before {
						t.Error("it was not rolled back")
					}
					if took := time.Since(begun); took > 3*time.Minute || test.name != "shut" && waited < 3 {
						t.Errorf("%d tries in %s", waited, took)
					}
				})
			})
		}
	}
}
