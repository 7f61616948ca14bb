package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// demoFleet is how many routers of each version the demo's fleet has.
const demoFleet = 4

// tellFleet tells the second story: a dozen routers at once, one of which does not answer.
func tellFleet(ctx context.Context, tell narrator, dir, plan string) error {
	ctx, cancel := context.WithCancel(ctx)
	var served sync.WaitGroup
	defer served.Wait()
	defer cancel()
	inventory := strings.Builder{}
	fmt.Fprintf(&inventory, "version: 1\ndefaults: {user: admin, transport: api, plans: [%s]}\ngroups: {north: {}, south: {}}\nrouters:\n", plan)
	quiet := tell.env
	quiet.err = io.Discard
	for i, version := range demoVersions() {
		o := simOptions{listen: "127.0.0.1:0", count: demoFleet, version: version}
		options, snapshot, err := simulate(access{quiet, settings{login: login{User: "admin"}}}, o)
		if err != nil {
			return err
		}
		options.Users[0].Password, options.Users[0].AnyPassword = "demo", false
		for n := range demoFleet {
			snapshot.Identity = fmt.Sprintf("r%d%d", i+1, n+1)
			r, err := openRouter(options, snapshot, o)
			if err != nil {
				return err
			}
			served.Go(func() { _ = r.router.Serve(ctx, r.listener) })
			fmt.Fprintf(&inventory, "  %s: {address: %q, groups: [%s]}\n", snapshot.Identity, r.listener.Addr(), []string{"north", "south"}[n%2])
		}
	}
	inventory.WriteString("  lost: {address: \"127.0.0.1:1\", groups: [south]}\n")
	if err := os.WriteFile(filepath.Join(dir, "fleet.yaml"), []byte(inventory.String()), 0o600); err != nil {
		return err
	}
	tell.title("══ A fleet: %d routers of three versions, and one that does not answer", demoFleet*len(demoVersions()))
	tell.say("An inventory names them, with groups and the plan of each:\n")
	tell.quote(strings.Join(strings.Split(inventory.String(), "\n")[:7], "\n") + "\n  …")
	for _, chapter := range []struct {
		what string
		code exitCode
		args []string
	}{
		{"Who answers?", exitSome, []string{"inventory", "check"}},
		{"One router first, then a quarter of them, then the rest.", exitSome, []string{"apply", "--yes", "--waves", "1,25%,100%"}},
		{"Does any northern router differ from its plan? This is the check for drift.", exitDone, []string{"diff", "--exit-code", "-l", "north"}},
		{"Who is trusted anywhere?", exitSome, []string{"trusted", "list"}},
	} {
		if err := tell.fleetCommand(ctx, dir, chapter.what, chapter.code, chapter.args...); err != nil {
			return err
		}
	}
	return nil
}

// fleetCommand shows a command line over the fleet and runs it.
func (n narrator) fleetCommand(ctx context.Context, dir, what string, want exitCode, args ...string) error {
	n.title("── %s\n$ rosknock %s -i fleet.yaml", what, strings.Join(args, " "))
	inner := n.env
	inner.err, inner.errTerminal, inner.simulated = n.out, false, true
	inner.getenv = func(name string) string {
		if name == "ROSKNOCK_PASSWORD" {
			return "demo"
		}
		return n.getenv(name)
	}
	color := "--color=never"
	if n.color {
		color = "--color=always"
	}
	code := run(ctx, inner, append(args, "-i", filepath.Join(dir, "fleet.yaml"), "--state-dir", filepath.Join(dir, "state"), "--retries", "0", color))
	if code != int(want) {
		return errors.Join(fmt.Errorf("%s ended with exit code %d", args[0], code), ctx.Err())
	}
	return nil
}
