package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
)

func newSequence(e env) *cobra.Command {
	c := &cobra.Command{
		Use:   "sequence",
		Short: "Draw a knock sequence, or say how strong one is",
		Long: `A knock sequence is a password made of ports. Draw one that no scan hits by chance,
or rate those that you have: how many bits a guesser has to find, and how often a sweep over all
ports opens the door.`,
		Example: `  rosknock sequence generate
  rosknock sequence rate branch.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := noKnock(args); err != nil {
				return err
			}
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return usagef("sequence: choose generate or rate")
		},
	}
	c.AddCommand(newSequenceGenerate(e), newSequenceRate(e))
	return c
}

// length is how long a new sequence is to be: so many stages, or as many as a chance asks for.
type length struct {
	stages int
	chance float64
}

func (l *length) flags(c *cobra.Command) {
	c.Flags().IntVar(&l.stages, "stages", 5, "how many knocks; with five, a scan opens the door once in 120 sweeps")
	c.Flags().Float64Var(&l.chance, "chance", 0, "choose the number of knocks so that one sweep of a scan opens the door with this `CHANCE` at most, such as 0.001")
}

// of returns the number of stages.
func (l *length) of(c *cobra.Command, decoys int) (int, error) {
	if !c.Flags().Changed("chance") {
		return l.stages, nil
	}
	if c.Flags().Changed("stages") {
		return 0, usagef("--chance and --stages exclude each other: each sets the number of knocks")
	}
	stages, err := sequence.StagesFor(l.chance, decoys)
	if err != nil {
		return 0, usagef("--chance: %w", err)
	}
	return stages, nil
}

func newSequenceGenerate(e env) *cobra.Command {
	var l length
	var icmp bool
	var decoys int
	c := &cobra.Command{
		Use:   "generate",
		Short: "Draw a new sequence and print it",
		Long: `Draw a knock from the system's source of randomness and print it as it goes into a
plan, after "knock:". It contains no ports that RouterOS or a well-known service uses, that
providers filter or that people think of; no ports near each other; and no three that rise or fall
one after the other. With --icmp some stages are pings of an unusual size.

A door with decoys and a quarantine needs fewer stages for the same --chance: give their number with
--decoys.`,
		Example: `  rosknock sequence generate
  rosknock sequence generate --chance 0.001 --icmp
  rosknock sequence generate --chance 0.001 --decoys 3`,
		Args: func(_ *cobra.Command, args []string) error {
			if err := noKnock(args); err != nil {
				return err
			}
			return exactly(0, "sequence generate takes no argument")(nil, args)
		},
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			if decoys < 0 {
				return usagef("--decoys %d: name 0 or more", decoys)
			}
			stages, err := l.of(c, decoys)
			if err != nil {
				return err
			}
			spec := sequence.Spec{Stages: stages}
			if icmp {
				spec.Protocols = []string{"tcp", "udp", "icmp"}
			}
			knock, err := spec.Draw(rand.Reader)
			if err != nil {
				return usagef("sequence generate: %w", err)
			}
			if err := view.Generated(e.out, e.Output, rated(knock, rating{timeout: plans.DefaultStageTimeout, speed: sequence.DefaultRate, decoys: decoys}), e.style()); err != nil {
				return err
			}
			e.remark("keep it like a password: it lets in everybody who knows it\n")
			return nil
		}),
	}
	l.flags(c)
	c.Flags().BoolVar(&icmp, "icmp", false, "some of the knocks are pings")
	c.Flags().IntVar(&decoys, "decoys", 0, "how many decoys the door has, with a quarantine")
	return c
}

// rating is against what a knock is rated.
type rating struct {
	file    string // of a knock
	timeout time.Duration
	speed   float64
	decoys  int
	typed   bool // decoys was, so that it counts instead of a plan's own
}

func newSequenceRate(e env) *cobra.Command {
	var r rating
	c := &cobra.Command{
		Use:   "rate PLAN | --knock-file FILE",
		Short: "Say how strong the knocks of a plan, or one in a file, are",
		Long: `Rate the knock of each door of a plan, or one in a file: what a guesser has to find,
how often a sweep over all ports opens the door (in random order, and in the order of the ports),
and how fast a scanner has to be.

A knock is never given as an argument: everybody on the machine sees the arguments of every program.
Write it into a file for --knock-file, or give it to --knock-file - on standard input. It is written
as in a plan: tcp/… and udp/… with commas between. Only --reveal shows it.`,
		Example: `  rosknock sequence rate branch.yaml
  rosknock sequence rate branch.yaml --speed 100000 --decoys 2
  rosknock sequence rate --knock-file knock.txt --stage-timeout 5s
  rosknock sequence generate | rosknock sequence rate --knock-file - -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if err := noKnock(append(slices.Clone(args), r.file)); err != nil {
				return err
			}
			return atMost(1, "sequence rate takes one plan")(nil, args)
		},
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			if err := r.check(c, args); err != nil {
				return err
			}
			r.typed = c.Flags().Changed("decoys")
			knocks, err := rateAll(e, r, args)
			if err != nil {
				return err
			}
			return view.Sequences(e.out, e.Output, knocks, e.style())
		}),
	}
	c.Flags().StringVar(&r.file, "knock-file", "", "rate the knock in a `FILE`, or - for standard input, instead of a plan's")
	c.Flags().DurationVar(&r.timeout, "stage-timeout", plans.DefaultStageTimeout, "how long the stages of --knock-file are remembered")
	c.Flags().Float64Var(&r.speed, "speed", sequence.DefaultRate, "packets per second of the scanner")
	c.Flags().IntVar(&r.decoys, "decoys", 0, "how many decoys there are, with a quarantine; without it, those of the plan")
	return c
}

// check looks at what was given for rating.
func (r rating) check(c *cobra.Command, args []string) error {
	switch {
	case (r.file == "") == (len(args) == 0):
		return usagef("sequence rate: name a plan, or a file with a knock by --knock-file")
	case math.IsNaN(r.speed) || r.speed < 1 || r.speed > 1e9:
		return usagef("--speed %v: name 1 to 1000000000 packets per second", r.speed)
	case r.decoys < 0 || r.decoys > 65535:
		return usagef("--decoys %d: name 0 to 65535", r.decoys)
	case r.timeout <= 0:
		return usagef("--stage-timeout %s: it must be more than 0", r.timeout)
	case len(args) > 0 && c.Flags().Changed("stage-timeout"):
		return usagef("--stage-timeout is for --knock-file: a plan has its own")
	}
	return nil
}

// rateAll rates the knock in a file, or those of a plan.
func rateAll(e access, r rating, args []string) ([]view.Rated, error) {
	if len(args) == 0 {
		one, err := rateFile(e.env, r)
		return []view.Rated{one}, err
	}
	plan, err := readPlan(e.settings, args[0])
	if err != nil {
		return nil, err
	}
	var out []view.Rated
	for _, d := range plan.Doors {
		of := r
		of.timeout = d.StageTimeout
		if !r.typed {
			of.decoys = touchable(d)
		}
		one := rated(d.Knock, of)
		one.File, one.Door = args[0], d.Name
		out = append(out, one)
	}
	return out, nil
}

// touchable is how many decoys of a door a sweep for its knock touches: those of the knock's
// protocols.
func touchable(d plans.Door) int {
	n := 0
	for _, decoy := range d.Decoys {
		if slices.ContainsFunc(d.Knock, func(s plans.Stage) bool { return s.Protocol == decoy.Protocol }) {
			n++
		}
	}
	return n
}

// maxKnock is more than any knock takes.
const maxKnock = 64 << 10

// rateFile rates the knock in a file or on standard input.
func rateFile(e env, r rating) (view.Rated, error) {
	name := r.file
	read := func() ([]byte, error) { return readFile(name, maxKnock) }
	if name == "-" {
		name = "standard input"
		read = func() ([]byte, error) { return io.ReadAll(io.LimitReader(e.in, maxKnock+1)) }
	} else {
		warnReadable(e, name)
	}
	text, err := read()
	if err != nil {
		return view.Rated{}, invalid(err)
	}
	if len(text) > maxKnock {
		return view.Rated{}, invalid(fmt.Errorf("%s: it is too large for a knock: write its stages only, at most %d bytes", name, maxKnock))
	}
	knock, err := plans.ParseKnock(string(text))
	if err != nil {
		return view.Rated{}, invalid(fmt.Errorf("%s: %w", name, err))
	}
	one := rated(knock, r)
	one.File = name
	return one, nil
}

// warnReadable says when a file with a knock can be read by others.
func warnReadable(e env, name string) {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		view.Say(e.err, "rosknock: warning: %s can be read by others: chmod 600 %s\n", name, name)
	}
}

// rated rates one knock.
func rated(knock []plans.Stage, r rating) view.Rated {
	return view.Rated{
		Knock: knock, Timeout: r.timeout, Speed: r.speed, Decoys: r.decoys,
		Strength: sequence.Rate(sequence.Steps(knock, r.timeout), r.speed, r.decoys),
	}
}

// stageWord is what looks like a stage of a knock, in our form and in that of other programs.
var stageWord = regexp.MustCompile(`(?i)^((tcp|udp|icmp)[/:,]?)?[0-9]+([/:](tcp|udp|icmp))?$`)

// noKnock refuses arguments that are knocks, without repeating them.
func noKnock(args []string) error {
	for _, arg := range args {
		words := strings.FieldsFunc(arg, func(r rune) bool { return strings.ContainsRune("[], ;", r) })
		if slices.ContainsFunc(words, stageWord.MatchString) {
			return usagef("a knock is never an argument, since everybody on this machine sees the arguments of every program: write it into a file for --knock-file, or give it to --knock-file - on standard input; and choose another, since this one was seen")
		}
	}
	return nil
}
