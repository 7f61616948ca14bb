package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/sequence"
)

// initRun is a first plan, and what stands beside it.
type initRun struct {
	access
	name, file string
	stages     int
	export     string
	operator   []string
	answers    initAnswers
	files      []view.File // that were written, or were there already
}

func newInit(e env) *cobra.Command {
	var run initRun
	var l length
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a plan with a strong random knock to start from",
		Long: `Write a commented plan with a random knock into a file that only you can read. Write
an inventory for the routers beside it, inventory.yaml, and first tests for rosknock test, named after
the plan. A file that exists is never overwritten. The door has a quarantine and decoys.

On a terminal, init asks the few things that it can't know: the name, who never has to knock, which
services the door opens, and for how long. Enter takes what stands in brackets. A flag or --yes
answers; without a terminal nothing is asked.

With a router, or an export of one, the plan is for what is there: it gates the services for
management that run, lets in your own networks by the interface lists or interfaces of the router,
and switches off telnet, ftp and www where they run. VPNs stay as they are; the plan says how to gate
them. The router is only read.

The plan is proved for this router before it is written. Where a rule of the router lets in a source
that would have to knock, the plan allows that source, with a comment that says why. A source is only
allowed where it reaches the same today. Services that only the router's own rules can guard are left
as they are, and the plan says so. Exit code 4 when apply would still refuse the plan: it is written
all the same, with the reason and what helps.`,
		Example: `  rosknock init
  rosknock init --name branch -r admin@192.0.2.1
  rosknock init --name branch --export router.rsc
  rosknock init --name branch -r admin@192.0.2.1 --allow 198.51.100.7 --opens ssh,winbox --for 12h
  rosknock init --name branch --stages 6
  rosknock init --name branch --chance 0.001`,
		Args: exactly(0, "init takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			run.access = e
			if err := run.askName(c); err != nil {
				return err
			}
			if plans.CheckName(run.name) != "" {
				return usagef("--name %q: %s", run.name, plans.CheckName(run.name))
			}
			if run.file == "" {
				run.file = run.name + ".yaml"
			}
			if err := isNew(run.file); err != nil {
				return err
			}
			var err error
			if err = run.answers.read(c); err != nil {
				return err
			}
			if run.stages, err = l.of(c, 0); err != nil {
				return err
			}
			if run.export != "" || e.typed["router"] || e.typed["inventory"] || e.typed["limit"] { // routers of the settings are no reason to read one
				return run.known(c.Context())
			}
			return run.unknown(c.Context())
		}),
	}
	c.Flags().StringVar(&run.name, "name", "main", "`NAME` of the plan; it stands in the comment of every rule")
	c.Flags().StringVar(&run.file, "file", "", "`FILE` to write; default: the plan's name with .yaml")
	run.answers.flags(c)
	l.flags(c)
	exportFlags(c, &run.export, &run.operator)
	return c
}

// decoyCount is how many traps the door of a first plan has: each makes a lucky sweep of all ports
// less likely.
const decoyCount = 3

// draw draws a knock that keeps away from some ports, and decoys.
func (i *initRun) draw(avoid []uint16) (knock, decoys []plans.Stage, err error) {
	if knock, err = (sequence.Spec{Stages: i.stages, Avoid: avoid}).Draw(rand.Reader); err != nil {
		return nil, nil, usagef("--stages: %w", err)
	}
	for _, s := range knock {
		avoid = append(avoid, s.Port)
	}
	decoys, err = sequence.Spec{Stages: decoyCount, Avoid: avoid}.Draw(rand.Reader)
	return knock, decoys, err
}

// unknown writes a plan for no router that is known.
func (i *initRun) unknown(ctx context.Context) error {
	if err := i.ask(ctx, nil, firstServices(), []string{"ssh", "winbox"}); err != nil {
		return err
	}
	knock, decoys, err := i.draw(nil)
	if err != nil {
		return err
	}
	first := plans.First{Name: i.name, Knock: knock, Decoys: decoys, Opens: i.answers.opens, For: i.answers.lasting}
	for _, a := range i.answers.allow {
		first.Addresses = append(first.Addresses, bareAddress(a))
	}
	text := first.Text()
	if _, err := plans.Read(i.file, text); err != nil {
		return err
	}
	plan := filepath.Base(i.file)
	tests := expect.Starter(plan)
	if i.answers.opens != nil {
		tests = expect.StarterOf(plan, i.answers.opens, true)
	}
	if err := i.write(text, inventory.Starter(plan), tests); err != nil {
		return err
	}
	i.say("next: edit them, then  rosknock diff %s -r admin@ROUTER  or  rosknock diff -i %s\n", i.file, i.beside())
	return i.end()
}

// say tells a person what was done; a JSON document says it at the end.
func (i *initRun) say(format string, args ...any) {
	if !view.IsJSON(i.Output) {
		view.Say(i.out, format, args...)
	}
}

// end writes the JSON document, where one is wanted.
func (i *initRun) end(notes ...string) error {
	if !view.IsJSON(i.Output) {
		return nil
	}
	return view.Files(i.out, i.Output, "init", i.files, notes...)
}

// beside is the name of the inventory beside the plan.
func (i *initRun) beside() string { return filepath.Join(filepath.Dir(i.file), "inventory.yaml") }

// write writes the plan, and what stands beside it.
func (i *initRun) write(plan, list, tests []byte) error {
	if err := writeNew(i.file, plan); err != nil {
		return err
	}
	i.say("%s holds a plan with a new knock; keep it like a password.\n", i.file)
	i.files = append(i.files, view.File{Name: i.file, Holds: "plan", Written: true})
	if err := i.writeBeside(i.beside(), list, "inventory", "is for your routers"); err != nil {
		return err
	}
	file := strings.TrimSuffix(i.file, filepath.Ext(i.file)) + "-tests.yaml"
	return i.writeBeside(file, tests, "tests", "holds tests for it: after an apply, rosknock test runs them")
}

// writeBeside writes a file that may be there already, and says what it is for.
func (i *initRun) writeBeside(name string, text []byte, holds, purpose string) error {
	err := writeNew(name, text)
	switch {
	case errors.Is(err, fs.ErrExist):
		i.say("%s is there already and stays as it is.\n", name)
	case err != nil:
		return err
	default:
		i.say("%s %s.\n", name, purpose)
	}
	i.files = append(i.files, view.File{Name: name, Holds: holds, Written: err == nil})
	return nil
}

// writeNew writes a file that was not there, for its owner alone; whole, or not at all.
func writeNew(name string, text []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return exists(err)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// isNew refuses a file that is there, before anything is asked or read for it.
func isNew(name string) error {
	if _, err := os.Lstat(name); err == nil {
		return exists(&fs.PathError{Op: "open", Path: name, Err: fs.ErrExist})
	}
	return nil
}

func exists(err error) error {
	return fmt.Errorf("%w, and is never overwritten: name another file, or move it away", err)
}
