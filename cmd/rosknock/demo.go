package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

func newDemo(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show the whole story on simulated routers",
		Long: `Start a simulated router with MikroTik's default configuration. Put a plan on
it, knock, see who is trusted, and revoke. Make a mistake, which is refused, and undo the change.
Then say what differs on routers of older versions. Every command that you see is carried out.`,
		Example: "  rosknock demo",
		Args:    exactly(0, "demo takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			if !view.IsJSON(e.Output) {
				return demo(c.Context(), e.env, e.style().Color)
			}
			var story bytes.Buffer
			quiet := e.env
			quiet.out = &story
			if err := demo(c.Context(), quiet, false); err != nil {
				return err
			}
			return view.Text(e.out, e.Output, "demo", story.String())
		}),
	}
}

// demoPlan is the file of the plan, and demoSlip the one with a mistake in it.
const (
	demoPlan = "branch.yaml"
	demoSlip = "slip.yaml"
)

// demoText is the plan of the demo.
const demoText = `version: 1
name: branch
doors:
  admin:
    knock: [tcp/33517, udp/22860, tcp/41923, udp/29074, tcp/18336]
    trusted: {list: trusted, for: 8h}
    opens: [ssh, winbox]
allow: {interface-lists: [LAN]}
gate: {services: [ssh, winbox, api, api-ssl]}
firewall: {families: [ipv4]}
`

// demo tells the story in a folder of its own that goes away afterwards.
func demo(ctx context.Context, e env, color bool) error {
	dir, err := os.MkdirTemp("", "rosknock-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	p, err := plans.Read(demoPlan, []byte(demoText))
	if err != nil {
		return err
	}
	for name, text := range map[string]string{demoPlan: demoText, demoSlip: strings.ReplaceAll(demoText, "LAN", "WAN")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	tell := narrator{env: e, color: color}
	tell.say("A plan: five knocks open SSH and Winbox to the address that made them, for eight\nhours. Nobody else reaches them, but the LAN. This is %s:\n", demoPlan)
	tell.quote(strings.TrimSuffix(demoText, "\n"))
	main := story{narrator: tell, plan: p, dir: dir, version: "7.20"}
	if err := main.play(ctx, main.chapters); err != nil {
		return err
	}
	tell.title("══ Other versions: the same plan and the same proof")
	for _, version := range []string{"6.49", "7.14"} {
		other := story{narrator: tell, plan: p, dir: dir, version: version}
		if err := other.play(ctx, other.differs); err != nil {
			return fmt.Errorf("RouterOS %s: %w", version, err)
		}
	}
	tell.say("\nNothing is left behind. Next: docs/tutorial.md, which ends with three routers at once.")
	return nil
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
	dir     string
	version string
	router  simulated
	address string
}

// play starts a router, tells something about it, and stops it.
func (s *story) play(ctx context.Context, what func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	if err := s.start(ctx, served); err != nil {
		cancel()
		return err
	}
	err := what(ctx)
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
	return nil
}

func (s *story) chapters(ctx context.Context) error {
	s.title("══ RouterOS %s, default configuration, at %s", s.version, s.address)
	command := func(want exitCode, what string, args ...string) func() error {
		return func() error { return s.command(ctx, want, what, args...) }
	}
	knocks := func(want firewall.Verdict, what string, knock bool) func() error {
		return func() error { return s.knocks(want, what, knock) }
	}
	for _, step := range []func() error{
		command(exitDone, "What would change, and is every state on the way safe?", "diff", demoPlan),
		command(exitDone, "Do it.", "apply", demoPlan, "--yes"),
		command(exitDone, "Again: a second run changes nothing.", "apply", demoPlan, "--yes"),
		knocks(firewall.Drop, "A stranger comes from outside and tries Winbox:", false),
		knocks(firewall.Accept, "They knock, in the right order, and try again:", true),
		command(exitDone, "Who is trusted?", "trusted", "list"),
		command(exitDone, "Not any more.", "trusted", "revoke", demoStranger().String()),
		command(exitRefused, "A mistake: WAN is allowed in place of LAN, where you work. Nothing is sent.", "apply", demoSlip, "--yes"),
		command(exitDone, "Undo the change. (Its progress is left out here.)", "undo", "--yes"),
	} {
		if err := step(); err != nil {
			return err
		}
		if err := s.output.failed(); err != nil {
			return err // nobody listens any more
		}
	}
	return nil
}

// differs says in a line what an apply does otherwise on this version: how it is protected.
func (s *story) differs(ctx context.Context) error {
	var said strings.Builder
	quiet := *s
	quiet.out, quiet.output, quiet.color = &said, nil, false
	if err := quiet.run(ctx, exitDone, "apply", demoPlan, "--yes"); err != nil {
		return err
	}
	for line := range strings.SplitSeq(said.String(), "\n") {
		if text, is := strings.CutPrefix(line, s.address+": "); is && (strings.Contains(text, "dead-man") || strings.Contains(text, "safe mode")) {
			s.say("RouterOS %s, in place of safe mode: %s", s.version, text)
		}
	}
	return nil
}

// demoStranger is an address set aside for documentation.
func demoStranger() netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, 9}) }

// command shows a command line and runs it.
func (s *story) command(ctx context.Context, want exitCode, what string, args ...string) error {
	s.title("── %s\n$ rosknock %s -r admin@%s --transport api", what, strings.Join(args, " "), s.address)
	return s.run(ctx, want, args...)
}

// run runs a command, in this process and on the real wire.
func (s *story) run(ctx context.Context, want exitCode, args ...string) error {
	called := slices.Clone(args)
	for i, a := range called {
		if a == demoPlan || a == demoSlip {
			called[i] = filepath.Join(s.dir, a)
		}
	}
	inner := s.env
	inner.err, inner.simulated = s.out, true
	if args[0] == "undo" {
		inner.err = io.Discard
	}
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
	called = append(called, "-r", "admin@"+s.address, "--transport", "api", "--state-dir", filepath.Join(s.dir, "state"), color)
	if code := run(ctx, inner, called); code != int(want) {
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
