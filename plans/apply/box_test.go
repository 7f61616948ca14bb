package apply_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
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
