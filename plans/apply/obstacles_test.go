package apply_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
)

// obstacle is something for which a router's change is refused.
type obstacle struct {
	odd  func(*sim.Options)
	does []routeros.Command // another administrator
}

func obstacles() map[string]obstacle {
	add := func(pairs ...string) []routeros.Command {
		return []routeros.Command{routeros.NewCommand("/system/scheduler/add", append(pairs, "comment", "bob is at work", "interval", "10m")...)}
	}
	group := func(policy string) func(*sim.Options) {
		return func(o *sim.Options) {
			o.Groups = []sim.Group{{Name: "few", Policy: policy}}
			o.Users[0].Group = "few"
		}
	}
	return map[string]obstacle{
		"none":            {},
		"home":            {odd: func(o *sim.Options) { o.DeviceMode = "home" }},
		"flagged":         {odd: func(o *sim.Options) { o.Flagged = true }},
		"reads only":      {odd: func(o *sim.Options) { o.Users[0].Group = "read" }},
		"the least":       {odd: group("api,read,write")},
		"no write":        {odd: group("api,read,policy,test,!write")},
		"safe mode held":  {does: []routeros.Command{routeros.NewCommand("/safe-mode/take", "on-error", "abort")}},
		"dead-man":        {does: add("name", "rosknock-dead-man")},
		"dead-man's twin": {does: add("name", "rosknock-dead-man-at-start", "start-time", "startup")},
	}
}

// TestObstacles: every reason for which run would refuse to begin is known in advance, in the same
// words and as the same kind of error, from one batch that only reads; and what run does not refuse
// is not refused in advance.
func TestObstacles(t *testing.T) {
	refusals := 0
	for name, o := range obstacles() {
		for _, version := range []string{"6.49", "7.14", "7.20", "7.24"} {
			if version == "6.49" && (name == "home" || name == "flagged") {
				continue // the device-mode came with 7
			}
			for _, protect := range apply.Protections() {
				synctest.Test(t, func(t *testing.T) {
					odd := o.odd
					if odd == nil {
						odd = func(*sim.Options) {}
					}
					p := newPlace(t, version, sim.Knobs{}, opened(version), odd)
					defer p.close()
					for _, command := range o.does {
						if err := p.router.Admin(command); err != nil && command.Menu() != routeros.SafeMode {
							t.Fatal(err)
						}
					}
					s, before := p.read(p.ctx)
					c, err := computeVariant(t, before, plans.Chain, "first")
					if err != nil {
						t.Fatal(err)
					}
					options := apply.Options{Before: before, Plan: "m", Protect: protect}
					p.on(func(q sim.Request) sim.Action {
						if !strings.HasSuffix(q.Words[0], "/print") {
							t.Errorf("%s on %s: %v was sent", name, version, q.Words)
						}
						return sim.Action{}
					})
					flights := &counted{Session: s}
					read, err := apply.ReadObstacles(p.ctx, flights, before.Version, "admin")
					if err != nil || flights.n != 1 {
						t.Fatalf("%s on %s: %d flights, %v", name, version, flights.n, err)
					}
					p.calm()
					early := read.Refusal(c, options)
					result := apply.Run(p.ctx, s, c, options)
					if protect == apply.None && strings.Contains(name, "only") || protect == apply.None && name == "no write" {
						if early == nil || result.Outcome == apply.Changed {
							t.Errorf("%s on %s under %s: %v; %s, %v", name, version, protect, early, result.Outcome, result.Err)
						}
						return // the first step is refused in its own words
					}
					if early == nil {
						if result.Outcome != apply.Changed {
							t.Errorf("%s on %s under %s: %s, %v, which was not known before", name, version, protect, result.Outcome, result.Err)
						}
						return
					}
					refusals++
					if result.Outcome != apply.Refused || early.Error() != result.Err.Error() || kind(early) != kind(result.Err) {
						t.Errorf("%s on %s under %s: %s, %v; before it was %v", name, version, protect, result.Outcome, result.Err, early)
					}
				})
			}
		}
	}
	t.Logf("%d refusals known before", refusals)
}

// kind is the type of the refusal that decides about the exit code.
func kind(err error) reflect.Type {
	if held, ok := errors.AsType[*apply.HeldError](err); ok {
		return reflect.TypeOf(held)
	}
	if unprotected, ok := errors.AsType[*apply.ProtectionError](err); ok {
		return reflect.TypeOf(unprotected)
	}
	return nil
}

// TestObstaclesUnread: policies that the router does not show are no reason to refuse, and the
// program says what could not be read.
func TestObstaclesUnread(t *testing.T) {
	for name, meddle := range map[string]func(q sim.Request) sim.Action{
		"all is read": func(sim.Request) sim.Action { return sim.Action{} },
		"no users": func(q sim.Request) sim.Action {
			if strings.HasPrefix(q.Words[0], "/user/") {
				return sim.Action{Kind: sim.Trap, Message: "not enough permissions (9)"}
			}
			return sim.Action{}
		},
		"no device-mode": func(q sim.Request) sim.Action {
			if strings.HasPrefix(q.Words[0], "/system/device-mode/") {
				return sim.Action{Kind: sim.Trap, Message: "not enough permissions (9)"}
			}
			return sim.Action{}
		},
	} {
		for _, login := range []string{"admin", "radius", ""} {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, "7.14", sim.Knobs{}, opened("7.14"))
				defer p.close()
				s, before := p.read(p.ctx)
				c, err := computeVariant(t, before, plans.Chain, "first")
				if err != nil {
					t.Fatal(err)
				}
				p.on(meddle)
				read, err := apply.ReadObstacles(p.ctx, s, before.Version, login)
				if err != nil {
					t.Fatal(err)
				}
				if err := read.Refusal(c, apply.Options{Before: before, Plan: "m"}); err != nil {
					t.Errorf("%s, %q: %v", name, login, err)
				}
				want := name != "all is read" || login != "admin"
				if unread := read.Unread(); want != (len(unread) > 0) {
					t.Errorf("%s, %q: %q", name, login, unread)
				}
			})
		}
	}
}

// counted counts flights.
type counted struct {
	apply.Session
	n int
}

// Run implements [apply.Session].
func (c *counted) Run(ctx context.Context, command routeros.Command) (api.Reply, error) {
	c.n++
	return c.Session.Run(ctx, command)
}

// Batch implements [apply.Session].
func (c *counted) Batch(ctx context.Context, commands []routeros.Command) ([]api.Result, error) {
	c.n++
	return c.Session.Batch(ctx, commands)
}
