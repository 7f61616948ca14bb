// Command rosknock puts port knocking on MikroTik routers and keeps it there.
//
// The package is the rim of the program: it reads flags, settings, files and secrets, opens
// connections, and hands values to the packages that decide. Every command is options, one call,
// one view.
package main

import (
	"net"
	"os"
	"strconv"
	"time"
	_ "time/tzdata" // windows have time zones, and not every system knows them

	"github.com/zalando/go-keyring"
	"golang.org/x/term"

	"github.com/rosknock/rosknock/plans/knock"
)

func main() { os.Exit(program()) }

// program runs rosknock in this process's surroundings and returns its exit code.
func program() int {
	changes := &underway{}
	ctx, cancel := heed(changes, os.Stderr, os.Exit)
	defer cancel()
	return run(ctx, env{
		streams:  streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, inTerminal: term.IsTerminal(int(os.Stdin.Fd())), outTerminal: term.IsTerminal(int(os.Stdout.Fd())), errTerminal: term.IsTerminal(int(os.Stderr.Fd())), width: terminalWidth()},
		underway: changes,
		getenv:   os.Getenv,
		now:      time.Now,
		dial:     new(net.Dialer).DialContext,
		knock:    knock.Play,
		keyring:  keyring.Get,
	}, os.Args[1:])
}

// unlimited is the width of what is no terminal: nothing is wrapped or cut for a pipe or a file.
const unlimited = 1 << 16

// terminalWidth is COLUMNS, where that is set, or else the width of the terminal.
func terminalWidth() int {
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return unlimited
	}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}
