package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

func newDemo(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show the whole story on simulated routers",
		Long: `Start simulated routers of three RouterOS versions with MikroTik's default
configuration. Put a plan on them, knock, see who is trusted, and revoke. Then do the same on a
dozen of them at once. Every command that you see is carried out.`,
		Example: "  rosknock demo",
		Args:    exactly(0, "demo takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			return demo(c.Context(), e.env, e.style().Color)
		}),
	}
}

const demoPlan = "seed.yaml"

// demo tells the story once for each version, in a folder of its own that goes away afterwards.
func demo(ctx context.Context, e env, color bool) error {
	dir, err := os.MkdirTemp("", "rosknock-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	text, err := fixtures.Plan(demoPlan)
	if err != nil {
		return err
	}
	p, err := plans.Read(demoPlan, text)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, demoPlan), text, 0o600); err != nil {
		return err
	}
	tell := narrator{env: e, color: color}
	tell.say("A plan: three knocks open the router to the address that made them, for a week;\ntelnet, www and ftp go off. This is %s:\n", demoPlan)
	tell.quote(withoutComments(string(text)))
	for _, version := range demoVersions() {
		story := story{narrator: tell, plan: p, file: filepath.Join(dir, demoPlan), version: version}
		if err := story.tell(ctx); err != nil {
			return fmt.Errorf("RouterOS %s: %w", version, err)
		}
	}
	if err := tellFleet(ctx, tell, dir, demoPlan); err != nil {
		return fmt.Errorf("the fleet: %w", err)
	}
	tell.say("\nThat was rosknock on %s. It leaves nothing behind.", strings.Join(demoVersions(), ", "))
	return nil
}

// demoVersions are the routers of the demo: one of each generation.
func demoVersions() []string { return []string{"6.49", "7.14", "7.20"} }

func withoutComments(text string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "  #")
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			kept = append(kept, strings.TrimRight(line, " "))
		}
	}
	return strings.Join(kept, "\n")
}

// narrator writes the demo's own words.
type narrator struct {
	env
	color bool
}

func (n narrator) say(format string, args ...any) { view.Say(n.out, format+"\n", args...) }

func (n narrator) quote(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		view.Say(n.out, "    %s\n", line)
	}
}

func (n narrator) title(format string, args ...any) {
	view.Heading(n.out, view.Style{Color: n.color}, format, args...)
}

// story is the demo on one router.
type story struct {
	narrator
	plan    plans.Plan
	file    string
	version string
	router  simulated
	address string
}

func (s *story) tell(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	if err := s.start(ctx, served); err != nil {
		cancel()
		return err
	}
	err := s.chapters(ctx)
	cancel()
	return errors.Join(err, <-served)
}

// start opens a router on loopback with the default configuration of its version.
func (s *story) start(ctx context.Context, served chan<- error) error {
	quiet := s.env
	quiet.err = io.Discard
	o := simOptions{listen: "127.0.0.1:0", count: 1, version: s.version}
	options, snapshot, err := simulate(access{quiet, settings{login: login{User: "admin"}}}, o)
	if err != nil {
		return err
	}
	options.Users[0].Password, options.Users[0].AnyPassword = "demo", false
	if s.router, err = openRouter(options, snapshot, o); err != nil {
		return err
	}
	s.address = s.router.listener.Addr().String()
	go func() { served <- s.router.router.Serve(ctx, s.router.listener) }()
	s.title("══ RouterOS %s, default configuration, at %s", s.version, s.address)
	return nil
}

func (s *story) chapters(ctx context.Context) error {
	steps := []func() error{
		func() error { return s.command(ctx, "What would change?", "diff", demoPlan) },
		func() error { return s.command(ctx, "Is every state on the way safe?", "prove", demoPlan) },
		func() error { return s.command(ctx, "Do it.", "apply", demoPlan, "--yes") },
		func() error {
			return s.command(ctx, "Again: a second run changes nothing.", "apply", demoPlan, "--yes")
		},
		func() error { return s.knocks(firewall.Drop, "A stranger comes from outside and tries Winbox:", false) },
		func() error {
			return s.knocks(firewall.Accept, "They knock, in the right order, and try again:", true)
		},
		func() error { return s.command(ctx, "Who is trusted?", "trusted", "list") },
		func() error {
			return s.command(ctx, "Take it away.", "trusted", "revoke", demoStranger().String())
		},
		func() error { return s.knocks(firewall.Drop, "The stranger tries Winbox once more:", false) },
	}
	if s.version == demoVersions()[len(demoVersions())-1] {
		steps = append(steps, func() error {
			return s.command(ctx, "What is this router's firewall worth? (These ports are in every tutorial, in falling order.)", "audit")
		})
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
		if err := s.output.failed(); err != nil {
			return err // nobody listens any more
		}
	}
	return nil
}

// demoStranger is an address set aside for documentation.
func demoStranger() netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, 9}) }

// command shows a command line and runs it, in this process and on the real wire.
func (s *story) command(ctx context.Context, what string, args ...string) error {
	shown := append([]string{"rosknock"}, args...)
	s.title("── %s\n$ %s -r admin@%s --transport api", what, strings.Join(shown, " "), s.address)
	for i, a := range args {
		if a == demoPlan {
			args[i] = s.file
		}
	}
	inner := s.env
	inner.err, inner.simulated = s.out, true
	inner.getenv = func(name string) string {
		if name == "ROSKNOCK_PASSWORD" {
			return "demo"
		}
		return s.getenv(name)
	}
	color := "--color=never"
	if s.color {
		color = "--color=always"
	}
	if code := run(ctx, inner, append(args, "-r", "admin@"+s.address, "--transport", "api", "--state-dir", filepath.Join(filepath.Dir(s.file), "state"), color)); code != int(exitDone) {
		return fmt.Errorf("%s ended with exit code %d", args[0], code)
	}
	return nil
}

// knocks lets the stranger's packets arrive at the router's firewall: the knock if asked, then one
// to Winbox.
func (s *story) knocks(want firewall.Verdict, what string, knock bool) error {
	s.title("── %s", what)
	probes := traffic.NewProbes(s.router.router.Snapshot(), routeros.IPv4)
	probes.Source = demoStranger()
	if knock {
		for i, stage := range s.plan.Doors[0].Knock {
			fate := s.router.router.Packet(probes.Stage("ether1", stage))
			s.say("knock %d: %s from %s: %s", i+1, stage.Masked(), demoStranger(), additions(fate))
		}
	}
	probe := probes.New("ether1", "tcp", 8291)
	probe.SrcPort = map[bool]uint16{false: 51000, true: 51001}[knock]
	fate := s.router.router.Packet(probe)
	s.say("%s\n  → %s, by %s", probe, fate.Verdict, decider(fate))
	if fate.Verdict != want {
		return fmt.Errorf("the packet met %s where %s was expected", fate.Verdict, want)
	}
	return nil
}

func additions(f firewall.Disposition) string {
	var lists []string
	for _, a := range f.Additions {
		lists = append(lists, fmt.Sprintf("on the list %s for %s", a.List, a.Timeout))
	}
	if lists == nil {
		return "on no list"
	}
	return strings.Join(lists, ", ")
}

func decider(f firewall.Disposition) string {
	if f.Rule == nil {
		return "the end of the chain"
	}
	return f.Rule.Describe()
}
