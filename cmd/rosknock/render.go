package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/render"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// renderFlags is the flags of the render command.
type renderFlags struct {
	format, out, door, host, identity string
	export, assume                    string
	operator                          []string
}

func newRender(e env) *cobra.Command {
	var o renderFlags
	c := &cobra.Command{
		Use:   "render PLAN --format FORMAT",
		Short: "Write a plan for those who can't run rosknock",
		Long: `Write a plan in a form that others can use:

rsc: a script for /import that does what apply does, with its undo script beside it. It is made for
a router (--router), for an export (--export), or for the table that --assume names. On any other
router it stops and does nothing. undo-rsc is the undo script alone.

shell, powershell: a script that plays the knock of a door, for sh or PowerShell. cmd: a file for
Windows that does it by a double click, with its PowerShell script beside it. knock-on-ports: a file
that the Android app of that name imports; qr: a page from which a phone gets it, by a QR code or a
link. ssh-config: Host blocks with which ssh knocks by itself, through rosknock. knockd: the doors of
a Linux machine with the same knocks, and the command line for its client.

mermaid, svg: a picture of the doors.

Text that holds a knock goes into a file that only you can read (--out), or is shown with --reveal.
A knock that changes with time is the one of the present window, or of --at; the text says until
when it is valid.`,
		Example: `  rosknock render branch.yaml --format rsc --export router.rsc --out branch.rsc
  rosknock render branch.yaml --format rsc --assume empty --out branch.rsc
  rosknock render branch.yaml --format shell --door admin --host 192.0.2.1 --out knock.sh
  rosknock render branch.yaml --format cmd --door admin --host 192.0.2.1 --out knock.cmd
  rosknock render branch.yaml --format qr --door admin --host 192.0.2.1 --out knock.html
  rosknock render branch.yaml --format ssh-config -i fleet.yaml --out ~/.ssh/branches
  rosknock render branch.yaml --format svg --out branch.svg`,
		Args: atMost(1, "render takes one plan"),
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			format, err := o.check(e.settings, args)
			if err != nil {
				return err
			}
			if format.OfRouter() {
				return renderImport(c.Context(), e, o, format, args)
			}
			text, err := renderPlan(c.Context(), e, o, format, args)
			if cannot, ok := errors.AsType[*render.CannotError](err); ok {
				return invalid(cannot)
			}
			if err != nil {
				return err
			}
			if format == render.CmdFile {
				return writeFiles(e, textFile{o.out, string(format), render.Cmd()}, textFile{scriptOf(o.out), string(render.PowerShell), text})
			}
			return writeFiles(e, textFile{o.out, string(format), text})
		}),
	}
	o.flags(c)
	return c
}

func (o *renderFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.format, "format", "", "what to write, a `FORMAT`: "+strings.Join(formatNames(), ", "))
	f.StringVar(&o.out, "out", "", "write into a `FILE` that only you can read; the undo of a script for a router goes beside it, FILE-undo.rsc, and the script of a batch file, FILE.ps1")
	f.StringVar(&o.door, "door", "", "`NAME` of the door; default: all, where the format has room for several")
	f.StringVar(&o.host, "host", "", "`HOST` to knock at, in what a client gets; default: the router's")
	f.StringVar(&o.identity, "identity", "", "the router's own `NAME`, on which rotating knocks depend; default: its name in the inventory")
	f.StringVar(&o.assume, "assume", "default", "without a router, the `TABLE` to make a script for: default, MikroTik's own for homes, or empty")
	exportFlags(c, &o.export, &o.operator)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("assume", cobra.FixedCompletions([]string{"default", "empty"}, cobra.ShellCompDirectiveNoFileComp))
}

func formatNames() []string {
	var out []string
	for _, f := range render.Formats() {
		out = append(out, string(f))
	}
	return out
}

// check finds the mistakes that the flags alone tell.
func (o renderFlags) check(s settings, args []string) (render.Format, error) {
	format := render.Format(o.format)
	named := len(s.routers)+len(s.inventories) > 0
	switch {
	case len(args) == 0:
		return "", usagef("no plan: name its file")
	case o.format == "":
		return "", usagef("--format is missing: choose one of %s", strings.Join(formatNames(), ", "))
	case !slices.Contains(render.Formats(), format):
		return "", usagef("--format %s: choose one of %s", o.format, strings.Join(formatNames(), ", "))
	case s.typed["output"] && s.Output != "text" && !view.IsJSON(s.Output):
		return "", usagef("--output %s: render writes what --format names: leave --output out, or choose json or jsonl", s.Output)
	case format.Secret() && o.out == "" && !s.Reveal:
		return "", usagef("--format %s holds the knock: write it into a file that only you can read with --out FILE, or show it with --reveal", format)
	case format == render.CmdFile && (o.out != "" || !view.IsJSON(s.Output)) && !slices.Contains([]string{".cmd", ".bat"}, strings.ToLower(filepath.Ext(o.out))):
		return "", usagef("--format cmd writes two files, the second beside the first: name that with --out FILE.cmd")
	case !format.OfRouter() && (o.export != "" || s.typed["assume"] || len(o.operator) > 0):
		return "", usagef("--export, --assume and --operator are for rsc and undo-rsc: %s is made from the plan alone", format)
	case format.OfRouter() && (o.door != "" || o.host != ""):
		return "", usagef("--door and --host are for what a client gets: a script for a router is the whole plan")
	case o.assume != "default" && o.assume != "empty":
		return "", usagef("--assume %s: choose default or empty", o.assume)
	case s.typed["assume"] && (named || o.export != ""):
		return "", usagef("--assume is for a script without a router: leave it out, or the router")
	case o.host != "" && named:
		return "", usagef("--host and routers exclude each other: name the routers once")
	}
	if o.host != "" {
		host, why := bareHost(o.host)
		if why == "" && (strings.HasPrefix(host, "-") || strings.ContainsFunc(host, func(r rune) bool { return !strings.ContainsRune(hostLetters, r) })) {
			why = "it is neither an address nor a name, and scripts would trip over it"
		}
		if why != "" {
			return "", usagef("--host %q: %s", o.host, why)
		}
	}
	return format, nil
}

// hostLetters are what addresses and names of hosts are made of.
const hostLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:_%-"

// textFile is a text with its format, and the file for it; "" is standard output.
type textFile struct{ file, holds, text string }

// writeFiles writes texts into files that only their owner can read. It replaces an existing file
// only when that was asked for. It writes nothing unless it can write all files.
func writeFiles(e access, all ...textFile) error { return writeFilesOf(e, "render", all...) }

// writeFilesOf is writeFiles for a command, which names the format of the JSON document.
func writeFilesOf(e access, command string, all ...textFile) error {
	for _, a := range all {
		info, err := os.Stat(a.file)
		switch {
		case a.file == "" || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is not a file: name a file", a.file)
		case !e.Yes:
			return fmt.Errorf("%s is there already: name another file, or replace it with --yes", a.file)
		}
	}
	if view.IsJSON(e.Output) {
		return writeDocument(e, command, all)
	}
	for _, a := range all {
		if a.file == "" {
			if _, err := io.WriteString(e.out, a.text); err != nil {
				return err
			}
			continue
		}
		if err := replaceFile(a.file, []byte(a.text), forOwner); err != nil {
			return err
		}
		e.remark("%s is written, for you alone\n", a.file)
	}
	return nil
}

// writeDocument writes texts into their files, and the others into a JSON document.
func writeDocument(e access, command string, all []textFile) error {
	var files []view.File
	for _, a := range all {
		one := view.File{Name: a.file, Holds: a.holds, Written: a.file != "", Text: a.text}
		if one.Written {
			if err := replaceFile(a.file, []byte(a.text), forOwner); err != nil {
				return err
			}
			one.Text = ""
		}
		files = append(files, one)
	}
	return view.Files(e.out, e.Output, command, files)
}

// renderImport writes the scripts for a router.
func renderImport(ctx context.Context, e access, o renderFlags, format render.Format, args []string) error {
	r, p, remarks, err := routerFor(ctx, e, o, args)
	if err != nil {
		return err
	}
	if r.Err != nil { // with its exit code
		return fmt.Errorf("%s: %w", r.Name, r.Err)
	}
	if !r.Changes.Changed() {
		e.remark("%s is as the plan wants it: there is nothing to write\n", r.Name)
		if view.IsJSON(e.Output) {
			return view.Files(e.out, e.Output, "render", nil)
		}
		return nil
	}
	remarks = append(remarks, fmt.Sprintf("The promises of rosknock were proved in every state on the way (%s).", view.Plural(r.Proof.States, "state")))
	if len(o.operator) == 0 && r.Address == "" {
		remarks = append(remarks, "Whether you stay let in was not checked: name your address with --operator.")
	}
	remarks = append(remarks, r.Changes.Notes...)
	i := render.Import{Plan: p.Name, Router: r.Name, Before: *r.Snapshot, Changes: *r.Changes, Remarks: remarks, Window: windowOf(e, p)}
	undo, err := i.UndoScript()
	if err != nil {
		return err
	}
	if format == render.UndoRSC {
		return writeFiles(e, textFile{o.out, string(format), undo})
	}
	text, err := i.Script()
	if err != nil {
		return err
	}
	all := []textFile{{o.out, string(format), text}}
	if o.out != "" {
		all = append(all, textFile{beside(o.out), string(render.UndoRSC), undo})
	}
	return writeFiles(e, all...)
}

// scriptOf is the name of the PowerShell script that a batch file runs; "" of none.
func scriptOf(name string) string {
	if name == "" {
		return ""
	}
	return strings.TrimSuffix(name, filepath.Ext(name)) + ".ps1"
}

// beside is the name of the undo of a script.
func beside(name string) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "-undo" + ext
}

// routerFor compares the plan with the router, the export or the assumed table, and says what is
// assumed.
func routerFor(ctx context.Context, e access, o renderFlags, args []string) (r operate.Result, p plans.Plan, remarks []string, err error) {
	named := len(e.routers)+len(e.inventories) > 0
	if o.export == "" && !named {
		return assumed(ctx, e, o, args)
	}
	read := &results{keeps: true}
	jobs, err := diffTargets(ctx, e, args, comparison{export: o.export, operator: o.operator}, read)
	routers := read.routers()
	switch {
	case err != nil:
		return r, p, nil, err
	case len(routers) != 1:
		return r, p, nil, usagef("a script is for one router, and there are %d: choose one with --limit", len(routers))
	case routers[0].Snapshot == nil:
		return r, p, nil, fmt.Errorf("%s: %w", routers[0].Name, routers[0].Err)
	case o.export != "":
		p, err = readPlan(e.settings, args[0])
	default:
		p = jobs[0].plans[0]
	}
	return routers[0], p, []string{fmt.Sprintf("It was made for RouterOS %s.", routers[0].Snapshot.Version)}, err
}

// assumed compares the plan with a table that stands for a router.
func assumed(ctx context.Context, e access, o renderFlags, args []string) (operate.Result, plans.Plan, []string, error) {
	p, err := readPlan(e.settings, args[0])
	if err != nil {
		return operate.Result{}, p, nil, err
	}
	of := p
	if err := e.mayRun(ctx, p); err != nil {
		return operate.Result{}, p, nil, err
	}
	if of, err = e.resolved(ctx, of, router{}); err != nil {
		return operate.Result{}, p, nil, err
	}
	if of.Rotates() {
		if o.identity == "" {
			return operate.Result{}, p, nil, usagef("the plan's knocks follow from the router's own name, which /system identity print shows: give it with --identity")
		}
		if of, err = e.standing(ctx, of, routeros.Snapshot{Identity: o.identity}); err != nil {
			return operate.Result{}, p, nil, err
		}
	}
	snapshot, err := assumedTable(o.assume)
	if err != nil {
		return operate.Result{}, p, nil, err
	}
	session, err := sessionOf(e.settings, o.operator)
	if err != nil {
		return operate.Result{}, p, nil, err
	}
	what := "It assumes RouterOS 7.19 or later with MikroTik's default firewall for homes, and no other rule in input."
	name := "a router with the default firewall"
	if o.assume == "empty" {
		what = "It assumes RouterOS 7.19 or later, and a router without any rule in input, such as a CHR or an x86."
		name = "a router without a firewall"
	}
	return operate.Compare(operate.Result{Name: name, Snapshot: &snapshot}, of, session), p, []string{what}, nil
}

// assumedTable is what a router without a firewall, or with the default one, looks like.
func assumedTable(which string) (routeros.Snapshot, error) {
	text := []byte("/ip firewall filter\n/ipv6 firewall filter\n/interface ethernet set [ find default-name=ether1 ]\n")
	if which == "default" {
		var err error
		if text, err = fixtures.Router("defconf.rsc"); err != nil {
			return routeros.Snapshot{}, err
		}
	}
	// From 7.19 on services have rows of their own for each connection, and until 7.24 they call
	// their prefixes address, which that knows too.
	s, _ := rsc.Read(text).Snapshot(rsc.Options{Version: routeros.Version{Major: 7, Minor: 20}})
	return s, nil
}

// windowOf is when the knocks of a plan are valid; nil for a plan whose knocks stay. Of several
// doors it is the shortest.
func windowOf(e access, p plans.Plan) *render.Window {
	var out *render.Window
	for _, d := range p.Doors {
		w := windowOfDoor(e, d)
		if w != nil && d.Rotate.Ahead > 0 {
			w.Until = w.From.Add(d.Rotate.Ahead) // then they come again
		}
		if w != nil && (out == nil || w.Until.Before(out.Until)) {
			out = w
		}
	}
	return out
}

func windowOfDoor(e access, d plans.Door) *render.Window {
	if d.Rotate == nil {
		return nil
	}
	w := sequence.ScheduleOf(*d.Rotate)
	n := w.At(e.knocksAt())
	return &render.Window{From: w.Begin(n), Until: w.End(n), Overlap: w.Overlap}
}
