package operate

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/decide"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros/api"
)

// Desk is what an operation on one router needs of its surroundings.
type Desk interface {
	// Connect logs in to the router: first to read it, later to show that a login still works.
	Connect(ctx context.Context) (*api.Session, error)
	// Secret finds a secret of a plan in the place where it is kept.
	Secret(ctx context.Context, place plans.Credential) (string, error)
	// Confirm shows what would change and asks. Where consent was given before, it only says yes.
	Confirm(ctx context.Context, r Result) (bool, error)
	// Knock plays a knock from here.
	Knock(ctx context.Context, host netip.Addr, stages []plans.Stage) error
	// State opens the state folder to write into it.
	State() (state.Dir, error)
	// History is the journal as it was when this run first asked for it.
	History() (*state.History, error)
	// Known is what the state folder remembers of routers; nil where there is no state folder.
	Known() (*state.Known, error)
	// Changing notes that a change of the router begins, until done is called.
	Changing(p apply.Protection) (done func())
	// Now is the time on this machine's clock.
	Now() time.Time
	// Tell passes on a message. Its arguments may hold any text.
	Tell(kind Kind, format string, args ...any)
}

// Kind says whom a message is for.
type Kind int

// The kinds of messages.
const (
	Notice   Kind = iota // for everybody
	Progress             // of one router, for a person who follows it alone
	Detail               // for a person who wants to see more
	Once                 // for everybody, and the first of its kind in a run is enough
	Remark               // for everybody who does not ask for quiet
)

// Router is a router as an operation knows it.
type Router struct {
	Name    string // as given on the command line or in the inventory
	Key     string // what the state folder knows it by
	Address string // host:port
	User    string // of the session
	Service string // over which the session comes, api or api-ssl
	Groups  []string
	Tags    []string
	Behind  bool   // SSH hosts: packets from here take another way
	Accept  string // the command that forgets what is remembered of the router
	Select  string // the flags that name it alone
	// Sharing lists the keys of the routers that have this address; nil for a router that was named
	// by its address.
	Sharing func() []string
}

// ref is how the state folder knows the router, also what older versions have left there.
func (r Router) ref() state.Ref {
	return state.Ref{Key: r.Key, Name: r.Name, Address: r.Address, Sharing: r.Sharing}
}

// Result is the router before anything was read of it.
func (r Router) Result() Result {
	return Result{Name: r.Name, Key: r.Key, Address: r.Address, Groups: r.Groups, Tags: r.Tags}
}

// Options say how operations are carried out.
type Options struct {
	Actor     string         // who does this
	Accepted  []string       // risks, by their names
	Elsewhere bool           // the changes were saved elsewhere, and that was accepted
	At        time.Time      // the time for which knocks are derived; zero: now
	Retries   fleet.Backoff  // while the router is read
	Several   bool           // routers are worked on in this run
	Operators []netip.Addr   // addresses that must stay let in, besides those that the router shows
	Shared    *decide.Shared // what is computed once for routers that are alike; nil: each anew

	DryRun   bool
	Asks     bool // before anything is sent
	Protect  apply.Protection
	Delay    time.Duration           // after which a dead-man rolls back
	Verify   bool                    // play knocks before a change is confirmed
	Run      string                  // the name of the run in the journal
	Begun    time.Time               // when it began, where it is resumed
	Finished map[string]state.Record // what the run has finished, by router and plan
}

func (o Options) accepts(risk string) bool { return slices.Contains(o.Accepted, risk) }
