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

// box is the router of a run, as further sessions reach it.
type box struct {
	dial      func(context.Context) (Session, error)
	serial    string  // the serial number of the router that was read
	untold    bool    // the router failed to tell it
	further   Session // stands in for a session that was lost
	elsewhere error   // a further session led to another box
}

// redialled opens another session in place of one that was lost.
func (b *box) redialled(ctx context.Context) bool {
	b.close()
	s, err := b.another(ctx)
	if err == nil {
		b.further = s
	}
	return err == nil
}

// another opens a further session, and sees that it leads to the same box. Nothing else may be sent
// over it before.
func (b *box) another(ctx context.Context) (Session, error) {
	s, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err = b.recognise(ctx, s); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// recognise sees that a session leads to the same box.
func (b *box) recognise(ctx context.Context, s Session) error {
	commands := []routeros.Command{}
	for _, menu := range routeros.SerialMenus() {
		commands = append(commands, routeros.Print(menu))
	}
	results, err := s.Batch(ctx, commands)
	if err != nil {
		return err
	}
	return b.same(results)
}

// same compares the serial number that the answers tell with that of the router. Where the router
// failed to tell it before the change, there is nothing to compare; where it fails to tell it now,
// this may be any box.
func (b *box) same(results []api.Result) error {
	serial, err := api.Serial(results)
	switch _, untold := errors.AsType[*api.SerialUntoldError](err); {
	case b.untold && (err == nil || untold):
		return nil
	case err != nil || serial == b.serial:
		return err
	}
	b.elsewhere = &OtherBoxError{b.serial, serial}
	return b.elsewhere
}

// close ends the session that stands in for a lost one.
func (b *box) close() {
	if b.further != nil {
		_ = b.further.Close()
		b.further = nil
	}
}

// strayed ends a run of which a further session led to another box: what became of the first one,
// nobody can tell from there.
func (r *run) strayed(cause error) {
	r.result.Outcome, r.result.Err = Unknown, fmt.Errorf("%w%s", cause, r.guard.hope())
}
