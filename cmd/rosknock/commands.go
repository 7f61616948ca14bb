package main

import (
	"context"
	"io"
	"slices"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/operate"
)

// planCommands is the name of the risk of running what a plan says on this machine.
const planCommands = "plan-commands"

// mayRun asks before the commands of a plan run for a command that needs no router. Such a plan may
// come from anybody, by mail or with a pull request: to look at it is no consent to run what it
// says.
func (e access) mayRun(ctx context.Context, p plans.Plan) error {
	if e.accepts(planCommands) {
		return nil
	}
	for _, line := range commandsOf(p) {
		refused := operate.Refusef("plan %s: it takes a secret from a command that would run on this machine: %s: "+
			"when you know the plan, accept with --accept-risk=%s", p.Name, line, planCommands)
		if !e.inTerminal {
			return refused
		}
		ok, err := e.agrees(ctx, nil, func(w io.Writer) {
			view.Say(w, "the plan %s takes a secret from a command, which runs on this machine:\n  %s\nrun it? ", p.Name, line)
		})
		if err != nil {
			return err
		}
		if !ok {
			return refused
		}
	}
	return nil
}

// commandsOf lists the commands that a plan takes secrets from, each once.
func commandsOf(p plans.Plan) []string {
	var lines []string
	for _, c := range p.Credentials() {
		if c.Kind == plans.FromCommand && !slices.Contains(lines, c.Value) {
			lines = append(lines, c.Value)
		}
	}
	return lines
}
