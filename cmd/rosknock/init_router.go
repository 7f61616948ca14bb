package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/starter"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// known writes a plan for a router, or an export of one.
func (i *initRun) known(ctx context.Context) error {
	session, err := sessionOf(i.settings, i.operator)
	if err != nil {
		return err
	}
	if i.export != "" {
		return i.forExport(ctx, session)
	}
	return i.forRouter(ctx, session)
}

// forExport writes a plan for an export.
func (i *initRun) forExport(ctx context.Context, session change.Management) error {
	r, err := readExport(i.access, i.export)
	if err != nil {
		return err
	}
	data, err := readFile(i.export, maxExport)
	if err != nil {
		return invalid(err)
	}
	how := starter.Options{Session: session, Source: filepath.Base(i.export), RenewsByHTTP: starter.HintsAtRenewal(string(data))}
	p, err := i.build(ctx, *r.Snapshot, how)
	if err != nil {
		return err
	}
	plan := filepath.Base(i.file)
	return i.finish(p, inventory.Starter(plan), "--export "+i.export)
}

// forRouter reads one router, and writes a plan for it.
func (i *initRun) forRouter(ctx context.Context, session change.Management) error {
	targets, err := i.routersOf()
	if err != nil {
		return err
	}
	if len(targets) != 1 {
		return usagef("init looks at one router at a time, and %d are named: each gets a plan of its own", len(targets))
	}
	r := targets[0]
	var snapshot routeros.Snapshot
	how := starter.Options{Source: r.Name}
	survey := operate.Survey(i.name, func(s routeros.Snapshot, found change.Management) { snapshot, how.Session = s, found })
	o := i.options()
	o.Operators = session.Operators
	read := operate.Look(ctx, i.desk(r), o, i.operated(r), false, survey)[0]
	if read.Err != nil {
		return fmt.Errorf("%s: %w", r.Name, read.Err)
	}
	p, err := i.build(ctx, snapshot, how)
	if err != nil {
		return err
	}
	one := inventory.Router{Name: r.Name, Address: r.target.Address, User: r.target.User, Transport: string(r.target.Transport), SSHJump: r.jump}
	if target, _, err := i.access.known(r); err == nil {
		one.TLSPin = target.Trust.Pin
	}
	return i.finish(p, inventory.StarterOf(filepath.Base(i.file), one), i.way(r))
}

// way is how the command line names the router.
func (i *initRun) way(r router) string {
	if len(i.inventories) > 0 {
		return "-i " + strings.Join(i.inventories, " -i ") + " -l " + r.Name
	}
	way := "-r " + r.target.User + "@" + r.Name
	if r.target.Transport == api.Plain {
		way += " --transport api"
	}
	return way
}

// build asks what the router does not tell, draws a knock that suits it, and writes the plan.
func (i *initRun) build(ctx context.Context, s routeros.Snapshot, how starter.Options) (starter.Plan, error) {
	services := starter.Services(s)
	if err := i.ask(ctx, how.Session.Operators, services, services); err != nil {
		return starter.Plan{}, err
	}
	knock, decoys, err := i.draw(starter.Avoid(s))
	if err != nil {
		return starter.Plan{}, err
	}
	how.Name, how.Knock, how.Decoys, how.Allow, how.Opens, how.For = i.name, knock, decoys, i.answers.allow, i.answers.opens, i.answers.lasting
	return starter.For(s, how)
}

// finish writes the files, and says what the plan does and whether an apply would take it.
func (i *initRun) finish(p starter.Plan, list []byte, target string) error {
	allow := p.Plan.Allow
	allows := len(allow.Addresses)+len(allow.InterfaceLists)+len(allow.Interfaces)+len(allow.AddressLists) > 0
	tests := expect.StarterFor(filepath.Base(i.file), slices.Concat(p.Opened, p.Closed), p.Opened, allows)
	if err := i.write(p.Text, list, tests); err != nil {
		return err
	}
	for _, line := range p.Remarks {
		i.say("%s\n", line)
	}
	if p.Holds() {
		i.say("proved: apply would take this plan as it is\nnext: read it, then  rosknock diff %s %s\n", i.file, target)
		return i.end(p.Remarks...)
	}
	var reasons []string
	for _, r := range p.Refusals {
		reasons = append(reasons, r.Error())
	}
	return operate.Refusef("%s is written, but apply would refuse it: %s", i.file, strings.Join(reasons, "; and: "))
}
