package operate

import (
	"cmp"
	"os"

	"github.com/rosknock/rosknock/plans/state"
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
