package main

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/trusted"
)

func newTrustedWatch(e env) *cobra.Command {
	var lasting time.Duration
	c := &cobra.Command{
		Use:   "watch",
		Short: "Follow who comes and goes, as it happens",
		Long: `Follow the trusted lists of all routers: one line for each entry that is added,
renewed, removed, or runs out; with -o json or jsonl, one JSON object a line. When a session is
lost, it is opened again, and what changed meanwhile is reported then. It ends with Ctrl-C, or after
--for. With --notify, each change is also told to a chat, a phone or a program.`,
		Example: `  rosknock trusted watch -i fleet.yaml
  rosknock trusted watch -r admin@192.0.2.1 -o json | tee -a knocks.ndjson`,
		Args: exactly(0, "trusted watch takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			if e.Output != "text" && e.Output != "json" && e.Output != "jsonl" {
				return usagef("trusted watch: --output is text, json or jsonl: a line for each change")
			}
			routers, err := e.routersOf()
			if err != nil {
				return err
			}
			ctx := c.Context()
			if lasting > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, lasting)
				defer cancel()
			}
			return watch(ctx, c.Context(), e, routers)
		}),
	}
	c.Flags().DurationVar(&lasting, "for", 0, "end after a `TIME`; 0 follows until Ctrl-C")
	return c
}

// watch follows routers until the context ends. A router that can't be followed at all, for a wrong
// password or the like, is given up.
func watch(ctx, interrupt context.Context, e access, routers []router) error {
	var mu sync.Mutex
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	told := e.meanwhile(ctx)
	defer told.end(ctx)
	write := func(name string, event trusted.Event) error {
		mu.Lock()
		defer mu.Unlock()
		err := view.TrustedEvent(&fence{to: e.output.strict()}, e.Output, name, event, e.style())
		if err != nil { // nobody reads what comes
			enough()
		}
		told.put(name, event)
		return err
	}
	var wait sync.WaitGroup
	var given []error
	for _, r := range routers {
		wait.Go(func() {
			if err := follow(ctx, e, r, write); err != nil {
				mu.Lock()
				defer mu.Unlock()
				given = append(given, err)
				view.Say(e.err, "%s: %v; it is not followed any more\n", r.Name, err)
			}
		})
	}
	wait.Wait()
	switch {
	case len(given) == len(routers) && len(routers) == 1:
		code, _ := codeOf(ctx, given[0])
		return shown(code)
	case len(given) > 0:
		return shown(exitSome)
	case interrupt.Err() != nil:
		return shown(exitInterrupted)
	}
	return nil
}

// follow watches one router over as many sessions as it takes.
func follow(ctx context.Context, e access, r router, write func(string, trusted.Event) error) error {
	w := trusted.NewWatch(e.now)
	say := func(format string, args ...any) {
		view.Say(e.err, "%s: "+format+"\n", append([]any{r.Name}, args...)...)
	}
	for {
		// One retry at a time, so that a session that held for long starts with a short wait again.
		err := fleet.Backoff{Retries: 1 << 30, First: 2 * time.Second}.Retry(ctx, func() error {
			err := followOnce(ctx, e, r, w, write, say)
			if err != nil && ctx.Err() == nil && !operate.Final(err) {
				say("%v; trying again", err)
			}
			return err
		}, operate.Final)
		switch over := ctx.Err() != nil; {
		case over:
			return nil //nolint:nilerr // to be ended is no failure
		case err != nil:
			return err
		}
	}
}

func followOnce(ctx context.Context, e access, r router, w *trusted.Watch, write func(string, trusted.Event) error, say func(string, ...any)) error {
	session, err := e.connect(ctx, r, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	return w.On(ctx, session, func(n int) { say("following, %d trusted now", n) }, func(event trusted.Event) error { return write(r.Name, event) })
}
