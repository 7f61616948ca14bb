package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// exportFlags are those of the commands that also work on an export.
func exportFlags(c *cobra.Command, export *string, operator *[]string) {
	c.Flags().StringVar(export, "export", "", "look at an export in a `FILE.rsc` instead of a router")
	versionFlag(c)
	if operator != nil {
		c.Flags().StringArrayVar(operator, "operator", nil, "your own `ADDRESS` as the router sees it, which must stay let in; may be repeated")
	}
}

// versionFlag is for the commands that read an export.
func versionFlag(c *cobra.Command) {
	c.Flags().String("ros-version", "", "the RouterOS `VERSION` of an export that names none, such as 7.20")
}

// readVersion reads --ros-version. It returns the zero version where the flag is not given.
func readVersion(c *cobra.Command) (routeros.Version, error) {
	text, _ := c.Flags().GetString("ros-version")
	if text == "" {
		return routeros.Version{}, nil
	}
	v, err := routeros.ParseVersion(text)
	if err != nil {
		return v, usagef("--ros-version %q: a version such as 7.20 or 6.49.10 is expected", text)
	}
	return v, nil
}

// readExport reads an export instead of a router.
func readExport(e access, name string) (operate.Result, error) {
	read, err := readExportText(e, name)
	if err != nil {
		return operate.Result{}, err
	}
	return replayed(e, name, read), nil
}

// readExportText reads the text of an export.
func readExportText(e access, name string) (rsc.Export, error) {
	if len(e.routers)+len(e.inventories) > 0 {
		return rsc.Export{}, usagef("--export and routers exclude each other")
	}
	data, err := readFile(name, maxExport)
	if err != nil {
		return rsc.Export{}, invalid(err)
	}
	if len(data) > maxExport {
		return rsc.Export{}, invalid(fmt.Errorf("%s is larger than %d MiB: is it an export?", name, maxExport>>20))
	}
	read := rsc.Read(data)
	if len(read.Statements) == 0 {
		return rsc.Export{}, invalid(fmt.Errorf("%s: it holds no command of an export", name))
	}
	if read.HasVersion && e.rosVersion != (routeros.Version{}) && read.Version != e.rosVersion {
		return rsc.Export{}, invalid(fmt.Errorf("%s: it names RouterOS %s itself, but --ros-version says %s: leave the flag out", name, read.Version, e.rosVersion))
	}
	return read, nil
}

// replayed is the router that an export shows.
func replayed(e access, name string, read rsc.Export) operate.Result {
	snapshot, skipped := read.Snapshot(rsc.Options{Version: e.rosVersion})
	reportSkipped(e.err, e.settings, name, append(read.Skipped, skipped...))
	if snapshot.VersionAssumed {
		view.Say(e.err, "rosknock: %s does not name its RouterOS version, so it is read as %s; --ros-version sets another\n", name, snapshot.Version)
	}
	return operate.Result{Name: name, Snapshot: &snapshot, Renewals: lint.Renewals(snapshot.Version, jobs(read))}
}

// jobs returns the schedulers and scripts of an export.
func jobs(export rsc.Export) map[routeros.Menu][]routeros.Attributes {
	rows := map[routeros.Menu][]routeros.Attributes{}
	for _, st := range export.Statements {
		if st.Verb == "add" && (st.Menu == routeros.Scheduler || st.Menu == routeros.Script) {
			rows[st.Menu] = append(rows[st.Menu], routeros.SortAttributes(slices.Clone(st.Attrs)))
		}
	}
	return rows
}

// maxExport is the largest export that is read: real ones reach a few MiB with long address lists.
const maxExport = 64 << 20

// reportSkipped reports what was left out of an export. It shows each line that decides who reaches
// the router. Of all others it shows the number, unless more is asked for.
func reportSkipped(w io.Writer, s settings, name string, skipped []rsc.Skip) {
	slices.SortStableFunc(skipped, func(a, b rsc.Skip) int { return cmp.Compare(a.Line, b.Line) })
	others := 0
	for _, skip := range skipped {
		switch {
		case s.Verbose:
			view.Say(w, "%s:%d: skipped: %s: %s\n", name, skip.Line, skip.Text, skip.Why)
		case skip.Decides:
			view.Say(w, "%s:%d: not understood: a row of %s: %s\n", name, skip.Line, skip.Menu, skip.Why)
		default:
			others++
		}
	}
	if others > 0 {
		view.Say(w, "rosknock: %s: %s left out, of menus that rosknock does not need; -v shows them\n", name, view.Plural(others, "piece"))
	}
}
