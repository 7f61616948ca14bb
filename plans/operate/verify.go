package operate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/routeros"
)

// verifyKnocks plays a wrong knock and the right one at each door, and sees on the router that only
// the right one brings this machine into the door's list.
func (a *attempt) verifyKnocks(p plans.Plan) func(context.Context, apply.Session) error {
	return func(ctx context.Context, fresh apply.Session) error {
		host, err := netip.ParseAddrPort(a.session.RemoteAddr().String())
		if err != nil {
			return fmt.Errorf("--verify-knock: %s is not an address to knock at: %w", a.session.RemoteAddr(), err)
		}
		for _, door := range p.Doors {
			v := verification{Desk: a.Desk, host: host.Addr().Unmap(), door: door, who: a.carrier.Operators, session: fresh}
			if err := v.run(ctx); err != nil {
				return fmt.Errorf("--verify-knock: door %s: %w", door.Name, err)
			}
			a.Tell(Remark, "%s: door %s opens to its knock and to no wrong one; this machine is in its list now\n", a.router.Name, door.Name)
		}
		return nil
	}
}

// presentDoors returns a plan without the windows that are provisioned for another time than a
// router's present one, or that are over within the minute where another is not.
func presentDoors(p plans.Plan, clock time.Time) plans.Plan {
	during := func(d plans.Door, at time.Time) bool {
		return d.Hours == nil || slices.ContainsFunc(d.Hours, func(h routeros.Hours) bool { return h.Meets(at, at) })
	}
	lasts := func(d plans.Door) bool { return during(d, clock) && during(d, clock.Add(time.Minute)) }
	all := p.Doors
	p.Doors = slices.DeleteFunc(slices.Clone(all), func(d plans.Door) bool {
		better := slices.ContainsFunc(all, func(o plans.Door) bool { return o.Name == d.Name && lasts(o) })
		return !during(d, clock) || better && !lasts(d)
	})
	return p
}

// verification is the check of one door.
type verification struct {
	Desk
	host    netip.Addr
	door    plans.Door
	who     []netip.Addr // this machine, as the router sees it
	session apply.Session
}

func (v verification) run(ctx context.Context) error {
	if len(v.who) == 0 {
		return errors.New("the router does not say from which address this session comes, so nobody can tell whether a knock arrived: leave --verify-knock out")
	}
	before, err := v.member(ctx)
	if err != nil {
		return err
	}
	if wrong := wrongKnock(v.door.Knock); wrong != nil {
		after, err := v.play(ctx, wrong)
		if err != nil {
			return err
		}
		if after.renewed(before) {
			return errors.New("a wrong knock opened it")
		}
		if err := v.release(ctx); err != nil {
			return err
		}
	}
	after, err := v.play(ctx, v.door.Knock)
	if err != nil {
		return err
	}
	if !after.renewed(before) {
		return errors.New("the right knock did not open it: something between here and the router may drop it, or a foreign rule takes it")
	}
	return nil
}

// release takes this machine out of the quarantine into which the wrong knock got it, so that the
// right one counts.
func (v verification) release(ctx context.Context) error {
	if !v.door.Quarantines() {
		return nil
	}
	s, err := v.session.Snapshot(ctx)
	if err != nil {
		return err
	}
	for _, f := range routeros.Families() {
		for _, entry := range s.Entries[f.AddressList()] {
			if r, ok := entry.Range(); !ok || !entry.Dynamic || entry.List != v.door.QuarantineList() || r.First != r.Last || !slices.Contains(v.who, r.First) {
				continue
			}
			if _, err := v.session.Run(ctx, routeros.NewCommand(f.AddressList().Verb("remove"), ".id", entry.ID)); err != nil {
				return fmt.Errorf("the wrong knock got this machine into quarantine, and it can't be taken out: leave --verify-knock out: %w", err)
			}
		}
	}
	return nil
}

// wrongKnock is the knock backwards, or without its first stage where that is the same; nil for a
// single stage.
func wrongKnock(stages []plans.Stage) []plans.Stage {
	back := slices.Clone(stages)
	slices.Reverse(back)
	if !slices.Equal(back, stages) {
		return back
	}
	if len(stages) > 1 {
		return stages[1:]
	}
	return nil
}

// membership is this machine's entry in the door's list.
type membership struct {
	in   bool
	ends time.Time // zero: never
}

// renewed reports whether the entry is new, or lasts longer than it did. Times are read in whole
// seconds.
func (m membership) renewed(before membership) bool {
	return m.in && (!before.in || m.ends.After(before.ends.Add(time.Second)) || m.ends.IsZero() && before.ends.IsZero())
}

func (v verification) member(ctx context.Context) (membership, error) {
	s, err := v.session.Snapshot(ctx)
	if err != nil {
		return membership{}, err
	}
	for _, f := range routeros.Families() {
		for _, entry := range s.Entries[f.AddressList()] {
			r, ok := entry.Range()
			if ok && entry.Dynamic && entry.List == v.door.Trusted.List && r.First == r.Last && slices.Contains(v.who, r.First) {
				m := membership{in: true}
				if entry.Timed {
					m.ends = v.Now().Add(entry.Timeout)
				}
				return m, nil
			}
		}
	}
	return membership{}, nil
}

// play knocks, and reads the list then. An entry that is renewed shows by its time, which is told
// in whole seconds: hence the pauses.
func (v verification) play(ctx context.Context, stages []plans.Stage) (membership, error) {
	time.Sleep(2500 * time.Millisecond)
	if err := v.Knock(ctx, v.host, stages); err != nil {
		return membership{}, err
	}
	time.Sleep(300 * time.Millisecond)
	return v.member(ctx)
}
