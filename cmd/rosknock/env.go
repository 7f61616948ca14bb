package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/decide"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/plans/knock"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/trusted"
)

// env is what a command has of its surroundings.
type env struct {
	streams
	getenv    func(string) string
	now       func() time.Time
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	knock     func(ctx context.Context, host netip.Addr, stages []plans.Stage, o knock.Options) error
	keyring   func(service, account string) (string, error) // nil where there is none
	underway  *underway                                     // nil where no signal asks for it
	simulated bool                                          // the routers are in this process: nobody is on the path

	// What follows is set by [run].
	secrets *secrets
	memory  *memory
	among   int  // how many routers a command goes over at once
	quiet   bool // steps are not followed
}

// Now is the time on this machine's clock.
func (e env) Now() time.Time { return e.now() }

// remark says what is good to know and no error, unless --quiet was given.
func (e env) remark(format string, args ...any) {
	if e.memory == nil || !e.memory.silent {
		view.Say(e.err, format, args...)
	}
}

// exitCode is what the program tells its caller. The numbers are an interface: scripts rely on
// them.
type exitCode int

// The exit codes.
const (
	exitDone        exitCode = 0
	exitFailed      exitCode = 1
	exitDifferences exitCode = 2
	exitInvalid     exitCode = 3
	exitRefused     exitCode = 4
	exitSome        exitCode = 5
	exitMoved       exitCode = 6
	exitUsage       exitCode = 64
	exitInterrupted exitCode = 130
)

// exitTable is the one place where the codes are explained.
func exitTable() []struct {
	code    exitCode
	meaning string
} {
	return []struct {
		code    exitCode
		meaning string
	}{
		{exitDone, "done, or nothing to do"},
		{exitFailed, "failed, or a test does not hold, or the result could not be written whole"},
		{exitDifferences, "there are differences (diff --exit-code)"},
		{exitInvalid, "a plan, an inventory or other input is invalid; nothing was sent"},
		{exitRefused, "refused by the proof, by lint or by a guard"},
		{exitSome, "some routers failed, or something is left after a revoke"},
		{exitMoved, "the router changed since the change set was made"},
		{exitUsage, "wrong usage: a flag, a command or an argument"},
		{exitInterrupted, "interrupted: Ctrl-C, SIGTERM or SIGHUP"},
	}
}

// codeError is an error with the exit code that it stands for. A quiet one has been shown already.
type codeError struct {
	code  exitCode
	err   error
	quiet bool
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// invalid marks an error of an input.
func invalid(err error) error { return &codeError{code: exitInvalid, err: err} }

// shown ends the program with a code when the result has said everything.
func shown(code exitCode) error {
	return &codeError{code: code, err: fmt.Errorf("exit code %d", code), quiet: true}
}

// run carries out one command line and returns its exit code.
func run(ctx context.Context, e env, args []string) int {
	e.asking, e.secrets, e.memory, e.among = &sync.Mutex{}, &secrets{}, &memory{shared: decide.NewShared()}, 1
	e.output, e.screen = &output{to: e.out}, e.err
	e.out, e.err = &fence{to: e.output}, &fence{to: e.err}
	if e.underway == nil {
		e.underway = &underway{}
	}
	root := newRoot(e)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	e.document(ctx, c, err, args)
	for _, way := range e.memory.ways {
		_ = way.Close()
	}
	e.output.end()
	code := e.ended(ctx, err, e.output.failed())
	e.tellEnd(ctx, code)
	return int(code)
}

// document writes why a command ended without a result where a JSON document is expected, so that a
// program that reads it always finds one. Of a command that passes on a connection, standard output
// is not for documents.
func (e env) document(ctx context.Context, c *cobra.Command, err error, args []string) {
	format := e.memory.format
	if format == "" {
		format = e.wanted(args)
	}
	connects := c != nil && c.Flags().Changed("connect")
	if code, quiet := codeOf(ctx, err); err != nil && !quiet && view.IsJSON(format) && !connects && !e.output.used() {
		_ = view.Failure(e.out, format, int(code), err) // the output keeps its own error
	}
}

// wanted is the format that a command line asks for which could not be read.
func (e env) wanted(args []string) string {
	format := e.getenv(environmentName("output"))
	for i, arg := range args {
		switch name, value, given := strings.Cut(arg, "="); {
		case arg == "--":
			return format
		case given && (name == "--output" || name == "-o"):
			format = value
		case (arg == "--output" || arg == "-o") && i+1 < len(args):
			format = args[i+1]
		case strings.HasPrefix(arg, "-o") && len(arg) > 2:
			format = arg[2:]
		}
	}
	return format
}

// ended says why a command ended, with the error of its output, and returns the exit code. A result
// that is cut off is a failure, whatever it said; only who interrupted the command knows better.
func (e env) ended(ctx context.Context, err, unwritten error) exitCode {
	code := exitDone
	if err != nil && (unwritten == nil || !errors.Is(err, unwritten)) {
		var quiet bool
		if code, quiet = codeOf(ctx, err); !quiet {
			report(e.err, err, code)
		}
	}
	if unwritten == nil {
		return code
	}
	report(e.err, cutOff(unwritten, e.underway.changing()), exitFailed)
	if code == exitInterrupted {
		return code
	}
	return exitFailed
}

func report(w io.Writer, err error, code exitCode) {
	if problems, ok := errors.AsType[form.Problems](err); ok {
		view.Problems(w, problems)
		return
	}
	view.Say(w, "rosknock: %v\n", err)
	if code == exitUsage && !strings.Contains(err.Error(), "--help") {
		view.Say(w, "run rosknock --help for the commands, or rosknock COMMAND --help for one\n")
	}
}

// codeOf finds the exit code of an error.
func codeOf(ctx context.Context, err error) (code exitCode, quiet bool) {
	var coded *codeError
	var problems form.Problems
	var refusal *change.RefusalError
	var own *trusted.OwnAddressError
	var network *trusted.NoNetworksError
	var held *state.HeldError
	var exposed *state.ExposedError
	var moved *apply.MovedError
	var busy *apply.HeldError
	var bare *apply.ProtectionError
	var shut *fleet.WindowError
	var refused *operate.RefusedError
	var wrong *operate.InvalidError
	var changed *operate.MovedError
	switch {
	case errors.As(err, &coded):
		return coded.code, coded.quiet
	case errors.As(err, &problems), errors.As(err, &wrong):
		return exitInvalid, false
	case errors.As(err, &moved), errors.As(err, &changed):
		return exitMoved, false
	case errors.As(err, &refusal), errors.As(err, &own), errors.As(err, &network), errors.As(err, &held), errors.As(err, &exposed), errors.As(err, &busy), errors.As(err, &bare), errors.As(err, &shut), errors.As(err, &refused):
		return exitRefused, false
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted, false
	}
	return exitFailed, false
}

// atMost wants no more than n arguments and says what they are.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef("%s; arguments given: %d", what, len(args))
		}
		return nil
	}
}

// usagef is a mistake in how the program was called.
func usagef(format string, args ...any) error {
	return &codeError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exactly wants n arguments and says what they are.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s; arguments given: %d", what, len(args))
		}
		return nil
	}
}
