package main

import (
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

func newInit(e env) *cobra.Command {
	var name, file string
	var l length
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a plan with a strong random knock to start from",
		Long: `Write a commented plan with a random knock into a file that only you can read. Write
an inventory for the routers beside it, inventory.yaml, and first tests for rosknock test, named after
the plan. A file that exists is never overwritten.`,
		Example: `  rosknock init
  rosknock init --name branch --stages 6
  rosknock init --name branch --chance 0.001`,
		Args: exactly(0, "init takes no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				file = name + ".yaml"
			}
			stages, err := l.of(c, 0)
			if err != nil {
				return err
			}
			knock, err := sequence.Generate(rand.Reader, stages)
			if err != nil {
				return usagef("--stages: %w", err)
			}
			text := plans.Starter(name, knock)
			if _, err := plans.Read(file, text); err != nil {
				return usagef("--name %q: names are made of a-z, 0-9 and -, at most 24 of them", name)
			}
			if err := writeNew(file, text); err != nil {
				return err
			}
			view.Say(e.out, "%s holds a plan with a new knock; keep it like a password.\n", file)
			list := filepath.Join(filepath.Dir(file), "inventory.yaml")
			if err := e.writeBeside(list, inventory.Starter(filepath.Base(file)), "is for your routers"); err != nil {
				return err
			}
			tests := strings.TrimSuffix(file, filepath.Ext(file)) + "-tests.yaml"
			if err := e.writeBeside(tests, expect.Starter(filepath.Base(file)), "holds tests for it: after an apply, rosknock test runs them"); err != nil {
				return err
			}
			view.Say(e.out, "next: edit them, then  rosknock diff %s -r admin@ROUTER  or  rosknock diff -i %s\n", file, list)
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "main", "`NAME` of the plan; it stands in the comment of every rule")
	c.Flags().StringVar(&file, "file", "", "`FILE` to write; default: the plan's name with .yaml")
	l.flags(c)
	return c
}

// writeBeside writes a file that may be there already, and says what it is for.
func (e env) writeBeside(name string, text []byte, purpose string) error {
	switch err := writeNew(name, text); {
	case errors.Is(err, fs.ErrExist):
		view.Say(e.out, "%s is there already and stays as it is.\n", name)
	case err != nil:
		return err
	default:
		view.Say(e.out, "%s %s.\n", name, purpose)
	}
	return nil
}

// writeNew writes a file that was not there, for its owner alone.
func writeNew(name string, text []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w, and is never overwritten: name another file, or move it away", err)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
