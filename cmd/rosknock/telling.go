package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/notify"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/trusted"
)

// tells reports whether the end of a command is told: it goes over routers, and may run where
// nobody looks.
func tells(c *cobra.Command) bool {
	return slices.Contains([]string{
		"rosknock apply", "rosknock remove", "rosknock undo", "rosknock rotate", "rosknock diff", "rosknock audit", "rosknock trusted watch",
	}, c.CommandPath())
}

// readNotify reads the values of --notify. A URL is not taken from the command line, where every
// user of the machine can read it.
func readNotify(c *cobra.Command, s settings) ([]notify.Target, error) {
	given, _ := c.Flags().GetStringArray("notify")
	var out []notify.Target
	for _, text := range given {
		t, err := notify.Parse(text)
		if err != nil {
			return nil, usagef("%s: %w", s.subject("notify"), err)
		}
		out = append(out, t)
	}
	return out, nil
}

// telling is what is known of a run whose end is told.
type telling struct {
	access
	command string
	dryRun  bool
	began   time.Time
	client  *http.Client

	ran *results // nil while the run has not come to routers
}

// told prepares to tell the end of a command, where somebody is to be told.
func (e access) told(c *cobra.Command) {
	if e.memory == nil || len(e.notify) == 0 || !tells(c) {
		return
	}
	if e.said["notify"] == onLine && slices.ContainsFunc(e.notify, func(t notify.Target) bool { return strings.HasPrefix(t.URL, "https:") }) {
		view.Say(e.err, "rosknock: warning: --notify: every user of this machine can read arguments, and with the URL anybody can write there: "+
			"name where it is kept, with env:NAME, file:PATH, command:LINE or keyring:NAME, or put it in %s or into the settings file\n", environmentName("notify"))
	}
	dry, _ := c.Flags().GetBool("dry-run") // false where there is none
	e.memory.telling = &telling{access: e, command: strings.TrimPrefix(c.CommandPath(), "rosknock "), dryRun: dry, began: e.now(), client: notify.NewClient(e.dial)}
}

// noted notes what the results of a run are collected in.
func (e env) noted(r *results) *results {
	if e.memory != nil && e.memory.telling != nil {
		e.memory.telling.ran = r
	}
	return r
}

// tellEnd tells everybody who is to be told how the command ended. It changes nothing about the
// end: what fails here is a warning. Where the command was interrupted, a second Ctrl-C ends it.
func (e env) tellEnd(ctx context.Context, code exitCode) {
	t := e.memory.telling
	if t == nil {
		return
	}
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, notify.Patience)
	defer cancel()
	m := t.message()
	m.Ended = &notify.End{Code: int(code), Meaning: meaningOf(code), At: e.now()}
	var wait sync.WaitGroup
	for _, to := range t.notify {
		wait.Go(func() {
			if err := t.send(ctx, to, m); err != nil {
				t.warn(to, err)
			}
		})
	}
	wait.Wait()
}

// warn says that somebody was not told. It names the place where the URL is kept, or its host.
func (t *telling) warn(to notify.Target, err error) {
	at := ""
	if to.Place != (plans.Credential{}) && to.Place.Kind != plans.FromCommand {
		at = " " + to.Place.String()
	}
	view.Say(t.err, "rosknock: warning: --notify%s: %v: it was not told\n", at, err)
}

// meaningOf is what an exit code means.
func meaningOf(code exitCode) string {
	for _, row := range exitTable() {
		if row.code == code {
			return row.meaning
		}
	}
	return ""
}

// message is what can be told of the run up to now.
func (t *telling) message() notify.Message {
	m := notify.Message{Command: t.command, DryRun: t.dryRun, Begun: t.began}
	if t.ran != nil {
		t.ran.mu.Lock()
		defer t.ran.mu.Unlock()
		sum := t.ran.sum
		m.Run, m.Plans, m.Routers, m.Outcomes, m.Failed, m.MoreFailed = t.ran.run, sum.plans, sum.routers, sum.outcomes, sum.failed, sum.moreFailed
	}
	return m
}

// send tells one receiver.
func (t *telling) send(ctx context.Context, to notify.Target, m notify.Message) error {
	if to.Run != "" {
		return t.sendCommand(ctx, to.Run, m)
	}
	text, err := t.urlOf(ctx, to)
	if err != nil {
		return err
	}
	u, err := notify.ParseURL(text)
	if err != nil {
		return err
	}
	return notify.Post(ctx, t.client, u, to.Form, m)
}

// urlOf finds the URL of a receiver where it is kept.
func (t *telling) urlOf(ctx context.Context, to notify.Target) (string, error) {
	switch {
	case to.URL != "":
		return to.URL, nil
	case to.Place.Kind == plans.FromFile:
		return t.secretFile(to.Place.Value)
	}
	return t.credential(ctx, to.Place, router{Member: fleet.Member{Name: "URL"}})
}

// sendCommand hands a message to a command. What it prints goes to standard error: standard output
// is for the result.
func (t *telling) sendCommand(ctx context.Context, line string, m notify.Message) error {
	text, err := notify.Own(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, notify.Patience)
	defer cancel()
	command := shellCommand(ctx, line)
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(text), t.err, t.err
	if err := command.Run(); ctx.Err() != nil {
		return errors.New("the command did not end in time")
	} else if err != nil {
		return fmt.Errorf("the command: %w", err)
	}
	return nil
}

// queues tell what happens during a command, each receiver at its own pace.
type queues struct {
	*telling
	to []*notify.Queue
}

// meanwhile begins to tell what happens during a command.
func (e env) meanwhile(ctx context.Context) queues {
	q := queues{telling: e.memory.telling}
	if q.telling == nil {
		return q
	}
	for _, to := range q.notify {
		said := ""
		q.to = append(q.to, notify.NewQueue(context.WithoutCancel(ctx), func(ctx context.Context, events []notify.Event, dropped int) error {
			m := q.message()
			m.Events, m.Dropped = events, dropped
			err := q.send(ctx, to, m)
			switch {
			case err == nil:
				said = ""
			case err.Error() != said: // once, and not for every event
				said = err.Error()
				q.warn(to, err)
			}
			return err
		}))
	}
	return q
}

// put tells a change of a trusted list.
func (q queues) put(router string, event trusted.Event) {
	if len(q.to) == 0 {
		return
	}
	var text, data bytes.Buffer
	_ = view.TrustedEvent(&text, "text", router, event, view.Style{}) // a buffer takes everything
	_ = view.TrustedEvent(&data, "json", router, event, view.Style{})
	one := notify.Event{Text: strings.TrimSpace(text.String()), JSON: bytes.TrimSpace(data.Bytes())}
	for _, to := range q.to {
		to.Put(one)
	}
}

// end tells what waits, and says what could not be told.
func (q queues) end(ctx context.Context) {
	if len(q.to) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notify.Patience)
	defer cancel()
	var wait sync.WaitGroup
	for _, to := range q.to {
		wait.Go(func() {
			if n := to.Close(ctx); n > 0 {
				view.Say(q.err, "rosknock: warning: --notify: changes that were not told: %d\n", n)
			}
		})
	}
	wait.Wait()
}

// sum is what a message tells of the routers of a run.
type sum struct {
	routers    int
	outcomes   map[string]int
	failed     []string
	moreFailed int
	plans      []string
}

// mostNamed is how many names a message holds.
const mostNamed = 20

// add counts one router.
func (s *sum) add(of []operate.Result) {
	if len(of) == 0 {
		return
	}
	worst, failed := of[0], false
	for _, r := range of {
		failed = failed || r.Err != nil
		if slices.Index(ranking(), r.Became()) > slices.Index(ranking(), worst.Became()) {
			worst = r
		}
		if r.Plan != "" && len(s.plans) < mostNamed && !slices.Contains(s.plans, r.Plan) {
			s.plans = append(s.plans, r.Plan)
		}
	}
	if s.outcomes == nil {
		s.outcomes = map[string]int{}
	}
	s.routers++
	s.outcomes[orRead(worst.Says())]++
	switch {
	case failed && len(s.failed) < mostNamed:
		s.failed = append(s.failed, worst.Name)
	case failed:
		s.moreFailed++
	}
}

// orRead is the outcome of a router from which something was read and no more.
func orRead(outcome string) string {
	if outcome == "" {
		return "read"
	}
	return outcome
}
