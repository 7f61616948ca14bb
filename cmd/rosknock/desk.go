package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/knock"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros/api"
)

// desk implements [operate.Desk] for one router.
type desk struct {
	env      env
	settings settings
	router   router
}

func (e env) desk(s settings, r router) desk { return desk{e, s, r} }

// operated is a router as an operation knows it.
func (e env) operated(s settings, r router) operate.Router {
	return operate.Router{
		Name: r.Name, Key: r.key(), Address: r.target.HostPort(), User: r.target.User, Service: string(r.target.Transport), Groups: r.Groups, Tags: r.Tags,
		Behind: r.jump != "", Accept: r.accepting(s), Sharing: e.sharing(s, r),
	}
}

// options are those of operations that change nothing.
func (e env) options(s settings) operate.Options {
	return operate.Options{Actor: actor(), Accepted: s.accept, Elsewhere: s.foreign, At: s.at, Retries: s.pace.backoff(e.among), Several: e.among > 1, Asks: !s.Yes}
}

// Connect implements [operate.Desk].
func (d desk) Connect(ctx context.Context) (*api.Session, error) {
	return d.env.connect(ctx, d.settings, d.router)
}

// Secret implements [operate.Desk].
func (d desk) Secret(ctx context.Context, place plans.Credential) (string, error) {
	return d.env.credential(ctx, place, d.router)
}

// Confirm implements [operate.Desk].
func (d desk) Confirm(ctx context.Context, r operate.Result) (bool, error) {
	return d.env.confirm(ctx, d.settings, r)
}

// Knock implements [operate.Desk].
func (d desk) Knock(ctx context.Context, host netip.Addr, stages []plans.Stage) error {
	return d.env.knock(ctx, host, stages, knock.Options{})
}

// State implements [operate.Desk].
func (d desk) State() (state.Dir, error) { return d.env.state(d.settings) }

// History implements [operate.Desk].
func (d desk) History() (*state.History, error) {
	dir, err := d.State()
	if err != nil {
		return nil, err
	}
	m := d.env.memory
	m.journal.Do(func() { m.history, m.historyErr = dir.History() })
	return m.history, m.historyErr
}

// Known implements [operate.Desk].
func (d desk) Known() (*state.Known, error) { return d.env.remembered(d.settings) }

// Changing implements [operate.Desk].
func (d desk) Changing(p apply.Protection) (done func()) {
	return d.env.underway.begin(d.router.Name, p)
}

// Now implements [operate.Desk].
func (d desk) Now() time.Time { return d.env.now() }

// Tell implements [operate.Desk].
func (d desk) Tell(kind operate.Kind, format string, args ...any) {
	switch {
	case kind == operate.Progress && d.env.quiet, kind == operate.Detail && !d.settings.Verbose:
	case kind == operate.Once:
		d.env.memory.older.Do(func() { view.Say(d.env.err, format, args...) })
	default:
		view.Say(d.env.err, format, args...)
	}
}
