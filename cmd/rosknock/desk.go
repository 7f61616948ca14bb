package main

import (
	"context"
	"io"
	"net/netip"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/knock"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros/api"
)

// desk implements [operate.Desk] for one router, in part by what access has anyway.
type desk struct {
	access
	router router
	resume *api.Resumption // of the TLS session with the router
}

func (e access) desk(r router) desk { return desk{e, r, &api.Resumption{}} }

// operated is a router as an operation knows it.
func (e access) operated(r router) operate.Router {
	return operate.Router{
		Name: r.Name, Key: r.key(), Address: r.target.HostPort(), User: r.target.User, Service: string(r.target.Transport), Groups: r.Groups, Tags: r.Tags,
		Behind: r.jump != "", Accept: r.accepting(e.settings), Select: e.selecting(r), Sharing: e.sharing(r),
	}
}

// selecting are the flags that name a router alone.
func (e access) selecting(r router) string {
	if len(e.inventories) == 0 {
		return "-r " + shellWord(r.Name)
	}
	return strings.TrimPrefix(flagWords("-i", e.inventories...)+flagWords("-l", r.Name), " ")
}

// options are those of operations that change nothing.
func (e access) options() operate.Options {
	return operate.Options{Actor: actor(), Accepted: e.accept, Elsewhere: e.foreign, At: e.at, Retries: e.pace.backoff(e.among), Several: e.among > 1, Asks: !e.Yes, Shared: e.memory.shared}
}

// Connect implements [operate.Desk].
func (d desk) Connect(ctx context.Context) (*api.Session, error) {
	return d.connect(ctx, d.router, d.resume)
}

// Secret implements [operate.Desk].
func (d desk) Secret(ctx context.Context, place plans.Credential) (string, error) {
	return d.credential(ctx, place, d.router)
}

// Confirm implements [operate.Desk].
func (d desk) Confirm(ctx context.Context, r operate.Result) (bool, error) {
	if d.Yes || d.memory.agreed(r) {
		return true, nil
	}
	return d.agrees(ctx, nil, func(w io.Writer) {
		if d.memory.consent != nil {
			view.Say(w, "%s needs other steps than those that you agreed to:\n", r.Name)
		}
		view.Changes(w, r, d.style())
		view.Say(w, "carry this out on %s? ", r.Name)
	})
}

// Knock implements [operate.Desk].
func (d desk) Knock(ctx context.Context, host netip.Addr, stages []plans.Stage) error {
	return d.knock(ctx, host, stages, knock.Options{})
}

// Changing implements [operate.Desk].
func (d desk) Changing(p apply.Protection) (done func()) {
	return d.underway.begin(d.router.Name, p)
}

// Tell implements [operate.Desk].
func (d desk) Tell(kind operate.Kind, format string, args ...any) {
	switch {
	case kind == operate.Progress && (d.quiet || d.Quiet), kind == operate.Remark && d.Quiet, kind == operate.Detail && !d.Verbose:
	case kind == operate.Once:
		d.memory.older.Do(func() { view.Say(d.err, format, args...) })
	default:
		view.Say(d.err, format, args...)
	}
}
