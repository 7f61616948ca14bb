package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
)

func newInit(e env) *cobra.Command {
	var name, file string
	var stages int
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a plan with a strong random knock to start from",
		Long:  "Write a commented plan with a random knock into a file that only you can read. A file that is there is never overwritten.",
		Example: `  rosknock init
  rosknock init --name branch --stages 5`,
		Args: exactly(0, "init takes no argument"),
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				file = name + ".yaml"
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
			fmt.Fprintf(e.out, "%s holds a plan with a new knock; keep it like a password.\nnext: edit it, then  rosknock diff %s -r admin@ROUTER\n", file, file)
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "main", "`NAME` of the plan; it stands in the comment of every rule")
	c.Flags().StringVar(&file, "file", "", "`FILE` to write; default: the plan's name with .yaml")
	c.Flags().IntVar(&stages, "stages", 4, "how many knocks")
	return c
}

// writeNew writes a file that was not there, for its owner alone.
func writeNew(name string, text []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

func newLint(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "lint PLAN...",
		Short: "Check plans without a router",
		Long:  "Read plans and report every mistake in them, with its place. Exit code 3 when there is one.",
		Example: `  rosknock lint branch.yaml
  rosknock lint plans/*.yaml -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("lint: name at least one plan")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			s, err := load(c, e)
			if err != nil {
				return err
			}
			var all plans.Problems
			for _, name := range args {
				_, err := readPlan(name)
				var problems plans.Problems
				if err != nil && !errors.As(err, &problems) {
					problems = plans.Problems{{File: name, Line: 1, Column: 1, Message: err.Error()}}
				}
				all = append(all, problems...)
			}
			if s.Output == "json" {
				if err := view.ProblemsJSON(e.out, all); err != nil {
					return err
				}
			} else if len(all) > 0 {
				fmt.Fprintln(e.out, all.Error())
			} else {
				fmt.Fprintf(e.out, "%d plans, no problem\n", len(args))
			}
			if len(all) > 0 {
				return shown(exitInvalid)
			}
			return nil
		},
	}
}

func newSchema(e env) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of plan files",
		Long:    "Print the JSON Schema of plan files, with which editors complete and check them.",
		Example: "  rosknock schema > rosknock-plan.schema.json",
		Args:    exactly(0, "schema takes no argument"),
		RunE: func(*cobra.Command, []string) error {
			_, err := e.out.Write(plans.Schema())
			return err
		},
	}
}

func newVersion(e env) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  rosknock version",
		Args:    exactly(0, "version takes no argument"),
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(e.out, "rosknock %s %s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// buildVersion is what the Go tool knows of this build: a tag, or a commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
