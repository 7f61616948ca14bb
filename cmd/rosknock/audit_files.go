package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// auditFiles are the files that an audit leaves for people and for other programs.
type auditFiles struct {
	report, junit, sarif, metrics string
}

func (a *auditFiles) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.report, "report", "", "write a page of all routers with filters, a `FILE.html`")
	f.StringVar(&a.junit, "junit", "", "write exposures and findings as test cases for a CI system, a `FILE.xml`")
	f.StringVar(&a.sarif, "sarif", "", "write findings and what is exposed too far in SARIF for a code host, a `FILE.sarif`")
	f.StringVar(&a.metrics, "metrics", "", "write a `FILE.prom` for the textfile collector of Prometheus' node exporter")
}

// flows are those to standard output and into the files that were asked for.
func (a *auditRun) flows(r *results, routers int) ([]taker[view.Audited], error) {
	first, err := a.shown(a.sink(r), routers)
	if err != nil {
		return nil, err
	}
	out := []taker[view.Audited]{first}
	spots := func(view.Audited, string) view.Spot { return view.Spot{} }
	if a.files.sarif != "" {
		if spots, err = a.spots(); err != nil {
			return nil, err
		}
	}
	took := func() time.Duration { return a.now().Sub(a.began) }
	for _, one := range []struct {
		flag, name string
		into       func(view.Sink) (taker[view.Audited], error)
	}{
		{"report", a.files.report, a.page},
		{"junit", a.files.junit, func(s view.Sink) (taker[view.Audited], error) { return view.AuditJUnitOf(s, a.check), nil }},
		{"sarif", a.files.sarif, func(s view.Sink) (taker[view.Audited], error) {
			return view.AuditSARIFOf(s, a.check, buildVersion(), spots), nil
		}},
		{"metrics", a.files.metrics, func(s view.Sink) (taker[view.Audited], error) {
			return view.AuditMetricsOf(s, a.check, a.began, took), nil
		}},
	} {
		if one.name == "" {
			continue
		}
		f, err := intoFile(a.access, r, one.flag, one.name, one.into)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// shown is the flow to standard output.
func (a *auditRun) shown(sink view.Sink, routers int) (taker[view.Audited], error) {
	if a.Output == "html" {
		return a.page(sink)
	}
	return view.AuditsOf(sink, routers == 1 || a.Verbose, a.earlier), nil
}

// page is the page of the audit.
func (a *auditRun) page(sink view.Sink) (taker[view.Audited], error) {
	sources := a.sources()
	return view.AuditPageOf(sink, a.check, a.earlier, func() (view.Run, []page.Source) {
		return a.ran("audit", a.began, nil), sources
	})
}

// sources are the files that the audit reads, with their digests. What is no file, such as a pipe, is
// read only once, so it has none. Exports, and the variables of an inventory, may hold knocks: their
// digests are keyed, as in a report of changes.
func (a *auditRun) sources() []page.Source {
	var out []page.Source
	plain := func(text []byte) string {
		sum := sha256.Sum256(text)
		return "sha256:" + hex.EncodeToString(sum[:])[:16]
	}
	add := func(what, name string, most int64, digest func([]byte) string) {
		if name == "" {
			return
		}
		s := page.Source{What: what, Name: name}
		if data, ok := again(name, most); ok {
			s.Digest = digest(data)
		}
		out = append(out, s)
	}
	for _, name := range a.inventories {
		add("Inventory", name, maxInventory, a.keyed)
	}
	add("Export", a.export, maxExport, a.keyed)
	add("Accepted by", a.file, maxPlan, plain)
	add("Since", a.since, maxAudits, plain)
	return out
}

// again reads a file that is read elsewhere too, where that can be done twice.
func again(name string, most int64) ([]byte, bool) {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	data, err := readFile(name, most)
	return data, err == nil
}

// spots finds where the places of an audit stand in the files that it reads: in the export, or else
// the router in its inventory.
func (a *auditRun) spots() (func(view.Audited, string) view.Spot, error) {
	if a.export != "" {
		data, _ := again(a.export, maxExport)
		lines := linesOf(rsc.Read(data), a.rosVersion)
		return func(_ view.Audited, place string) view.Spot { return view.Spot{File: a.export, Line: lines.of(place)} }, nil
	}
	at := map[string]view.Spot{}
	if len(a.inventories) > 0 {
		known, err := readInventory(a.inventories)
		if err != nil {
			return nil, err
		}
		for r := range known.All() {
			at[r.Key()] = spotOf(r.Place)
		}
	}
	return func(r view.Audited, _ string) view.Spot { return at[r.Key] }, nil
}

// spotOf reads a place such as fleet.yaml:3:5.
func spotOf(place string) view.Spot {
	rest, _, _ := cutLast(place, ":")
	file, line, _ := cutLast(rest, ":")
	n, _ := strconv.Atoi(line)
	return view.Spot{File: file, Line: n}
}
