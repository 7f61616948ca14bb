package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// OtherHardware names the refusal of a router that is another box than the one remembered under its
// name: the router was exchanged, or the name leads elsewhere now.
const OtherHardware = "other-hardware"

// SameBox refuses a router whose serial number differs from the remembered one. Where the router
// shows none, or none is remembered, any box passes.
func SameBox(d Desk, r Router, serial string) error {
	known, err := d.Known()
	if err != nil {
		return err
	}
	was, place := known.Serial(r.Key)
	if was == "" || was == serial {
		return nil
	}
	return Refusef("%s: this is another box: its serial number is %s, but %s is remembered with %s (%s): find out why; if it was exchanged: %s",
		OtherHardware, cmp.Or(serial, "not told"), r.Key, was, place, r.Accept)
}

func (a *attempt) sameBox() {
	if known, err := a.Known(); err == nil {
		was, _ := known.Serial(a.router.Key)
		a.familiar = was == a.out.Snapshot.Serial
	}
	if err := SameBox(a.Desk, a.router, a.out.Snapshot.Serial); err != nil {
		a.out = a.out.Refused(err)
	}
}

// met remembers the serial number of a router that is about to be worked on.
func (a *attempt) met() {
	known, err := a.Known()
	serial := a.out.Snapshot.Serial
	was, _ := known.Serial(a.router.Key)
	switch {
	case err != nil:
	case serial == "":
		a.Tell(Detail, "%s: it shows no serial number, so only its certificate tells whether another box is in its place\n", a.router.Name)
	case was == "":
		if _, err = a.State(); err == nil {
			err = known.AddSerial(a.router.Key, serial)
		}
	}
	if err != nil {
		a.out = a.out.Refused(err)
	}
}

// Lock keeps other runs on this machine off a router, from before it is read until the end.
func Lock(d Desk, actor string, r Router, command string) (release func(), err error) {
	dir, err := d.State()
	if err != nil {
		return nil, err
	}
	lock, err := dir.Lock(r.Key, state.Holder{PID: os.Getpid(), Actor: actor, Command: command, Since: d.Now().UTC()})
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Release() }, nil
}

// Check logs in to a router and asks what it is: less than [Read], and enough to see that it
// answers and is the known box.
func Check(ctx context.Context, d Desk, o Options, r Router) Result {
	out := r.Result()
	out.Outcome = apply.Unchanged
	err := o.Retries.Retry(ctx, func() error {
		session, err := d.Connect(ctx)
		if err != nil {
			return err
		}
		defer session.Close()
		out.Snapshot, err = whatItIs(ctx, session)
		return err
	}, Final)
	if err != nil {
		return out.Failed(err)
	}
	if err := SameBox(d, r, out.Snapshot.Serial); err != nil {
		return out.Refused(err)
	}
	return out
}

// whatItIs reads the version, the name, the board and the serial number of a router.
func whatItIs(ctx context.Context, session *api.Session) (*routeros.Snapshot, error) {
	commands := []routeros.Command{routeros.Print(routeros.Resource), routeros.Print(routeros.Identity)}
	for _, menu := range routeros.SerialMenus() {
		commands = append(commands, routeros.Print(menu))
	}
	results, err := session.Batch(ctx, commands)
	if err != nil {
		return nil, err
	}
	if results[0].Err != nil || len(results[0].Rows) == 0 {
		return nil, fmt.Errorf("the router does not say what it is: %w", results[0].Err)
	}
	row := results[0].Rows[0]
	snapshot := routeros.Snapshot{Board: row.Get("board-name"), Arch: row.Get("architecture-name")}
	if snapshot.Version, err = routeros.ParseVersion(row.Get("version")); err != nil {
		return nil, err
	}
	if len(results[1].Rows) > 0 {
		snapshot.Identity = results[1].Rows[0].Get("name")
	}
	snapshot.Serial, err = api.Serial(results[2:])
	if _, untold := errors.AsType[*api.SerialUntoldError](err); err != nil && !untold {
		return nil, err
	}
	return &snapshot, nil
}
