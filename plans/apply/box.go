package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// OtherBoxError says that a further session of a run reached another box than the first: a backup
// router that took the address over, a name that leads elsewhere now.
type OtherBoxError struct{ Want, Got string }

// Error implements error.
func (e *OtherBoxError) Error() string {
	none := "none"
	return fmt.Sprintf("a further connection reached another box: its serial number is %s, that of the first was %s; nothing more was sent: look at both", cmp.Or(e.Got, none), cmp.Or(e.Want, none))
}

// another opens a further session, and sees that it leads to the same box. Nothing else may be sent
// over it before. in says that a login was possible.
func (r *run) another(ctx context.Context) (s Session, in bool, err error) {
	s, err = r.options.Dial(ctx)
	if err != nil {
		return nil, false, err
	}
	commands := []routeros.Command{}
	for _, menu := range routeros.SerialMenus() {
		commands = append(commands, routeros.Print(menu))
	}
	results, err := s.Batch(ctx, commands)
	if err == nil {
		err = r.sameBox(results)
	}
	if err != nil {
		_ = s.Close()
		return nil, true, err
	}
	return s, true, nil
}

// sameBox compares the serial number that the answers tell with that of the router. Where the router
// failed to tell it before the change, there is nothing to compare; where it fails to tell it now,
// this may be any box.
func (r *run) sameBox(results []api.Result) error {
	serial, err := api.Serial(results)
	want := r.options.Before.Serial
	switch _, untold := errors.AsType[*api.SerialUntoldError](err); {
	case r.options.Before.SerialUntold() && (err == nil || untold):
		return nil
	case err != nil || serial == want:
		return err
	}
	r.elsewhere = &OtherBoxError{want, serial}
	return r.elsewhere
}

// strayed ends a run of which a further session led to another box: what became of the first one,
// nobody can tell from there.
func (r *run) strayed(cause error) {
	r.result.Outcome, r.result.Err = Unknown, fmt.Errorf("%w%s", cause, r.guard.hope())
}
