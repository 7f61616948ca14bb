package apply_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

// TestOtherBox: a further session that leads to another box, or to one that tells no serial number
// any more, ends the run as unknown, and nothing but the question who it is goes there. It does not
// matter whether the session confirms, settles what became of a lost one, or sweeps.
func TestOtherBox(t *testing.T) {
	tests := []boxCase{
		{"confirming", "first", 0, nil},
		{"settling", "first", 0, []string{"/ip/firewall/filter/enable"}},
		{"settling the release", "first", 1, []string{"/safe-mode/release", "/system/scheduler/remove"}},
		{"sweeping", "changed", 1, []string{"/ip/firewall/filter/remove"}},
	}
	for _, version := range []string{"7.14", "7.20"} {
		for _, serial := range []string{"", sim.NoSerial} {
			for _, test := range tests {
				t.Run(version+"/"+test.name+"/"+serial, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := newPlace(t, version, sim.Knobs{}, opened(version))
						defer p.close()
						if test.variant == "changed" {
							if got := p.run(plans.Chain, "first", apply.Options{}); got.Outcome != apply.Changed {
								t.Fatal(got.Outcome, got.Err)
							}
						}
						p.otherBox(serial, test)
					})
				})
			}
		}
	}
}

// TestLateSerial: a router that fails to tell its serial number before a change, and tells it over a
// further session, is not taken for another box, nor is the number of its licence taken for it.
func TestLateSerial(t *testing.T) {
	for _, version := range []string{"7.14", "7.20"} {
		for _, serial := range []string{"", "HX1", sim.NoSerial} {
			for _, menu := range routeros.SerialMenus() {
				synctest.Test(t, func(t *testing.T) {
					p := newPlace(t, version, sim.Knobs{}, opened(version), func(o *sim.Options) { o.Serial = serial })
					defer p.close()
					asked := 0
					p.on(func(q sim.Request) sim.Action {
						if q.Words[0] != menu.Verb("print") {
							return sim.Action{}
						}
						if asked++; asked == 1 {
							return sim.Action{Kind: sim.Trap, Message: "failure: something went wrong"}
						}
						return sim.Action{}
					})
					if got := p.run(plans.Chain, "first", apply.Options{}); got.Outcome != apply.Changed || asked < 2 {
						t.Errorf("%s, serial %q, %s: %s, %v, asked %d times", version, serial, menu, got.Outcome, got.Err, asked)
					}
				})
			}
		}
	}
}

// TestSilentBox: a router that fails to tell its serial number over a further session is not taken
// for another box: the change is rolled back over the first session. One that never told it is
// worked on.
func TestSilentBox(t *testing.T) {
	for _, version := range []string{"7.14", "7.20"} {
		for _, serial := range []string{"", "HX1", sim.NoSerial} {
			for _, menu := range routeros.SerialMenus() {
				synctest.Test(t, func(t *testing.T) {
					p := newPlace(t, version, sim.Knobs{}, opened(version), func(o *sim.Options) { o.Serial = serial })
					defer p.close()
					before := own(p.router.Snapshot())
					asked := 0
					p.on(func(q sim.Request) sim.Action {
						if q.Words[0] != menu.Verb("print") {
							return sim.Action{}
						}
						if asked++; asked > 1 { // the first time it was answered
							return sim.Action{Kind: sim.Trap, Message: "failure: something went wrong"}
						}
						return sim.Action{}
					})
					result := p.run(plans.Chain, "first", apply.Options{})
					after := own(p.router.Snapshot())
					switch {
					case result.Outcome == apply.Changed && after != before:
					case result.Outcome == apply.Reverted && after == before && strings.Contains(result.Err.Error(), "fails to tell its serial number"):
					default:
						t.Errorf("%s, serial %q, %s: %s, %v", version, serial, menu, result.Outcome, result.Err)
					}
					if told := p.router.Snapshot().Serial != ""; result.Outcome == apply.Changed && told && menu == routeros.License && serial == "" {
						t.Errorf("%s: its only number was not told, and it was believed", version)
					}
				})
			}
		}
	}
}

// boxCase is a change in which the first session is lost at one of some commands, after so many
// further sessions that led to the router.
type boxCase struct {
	name, variant string
	further       int32
	lose          []string
}

// otherBox carries out a change, while further sessions lead elsewhere.
func (p *place) otherBox(serial string, c boxCase) {
	t := p.t
	other := newPlace(t, p.router.Snapshot().Version.String(), sim.Knobs{}, p.router.Snapshot(), func(o *sim.Options) { o.Serial = serial })
	was := other.router.Snapshot().Digest()
	var sent []string
	other.on(func(q sim.Request) sim.Action {
		sent = append(sent, q.Words[0])
		return sim.Action{}
	})
	var dialled atomic.Int32
	p.on(func(q sim.Request) sim.Action {
		if dialled.Load() == c.further && slices.Contains(c.lose, q.Words[0]) {
			return sim.Action{Kind: sim.CutAfter}
		}
		return sim.Action{}
	})
	result := p.run(plans.Chain, c.variant, apply.Options{Dial: func(ctx context.Context) (apply.Session, error) {
		if dialled.Add(1) <= c.further {
			return p.dial(ctx)
		}
		return other.dial(ctx)
	}})
	other.close()
	var box *apply.OtherBoxError
	if result.Outcome != apply.Unknown || !errors.As(result.Err, &box) || box.Want != p.router.Snapshot().Serial || box.Got != other.router.Snapshot().Serial {
		t.Errorf("%s, %v", result.Outcome, result.Err)
	}
	for _, command := range sent {
		if !slices.Contains([]string{"/login", "/system/routerboard/print", "/system/license/print"}, command) {
			t.Errorf("%s was sent to another box", command)
		}
	}
	if len(sent) == 0 || other.router.Snapshot().Digest() != was {
		t.Errorf("sent to the other box: %v", sent)
	}
}
