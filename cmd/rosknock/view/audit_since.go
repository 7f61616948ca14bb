package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Earlier are the audits of an earlier run, as its JSON holds them.
type Earlier struct{ routers map[string]jsonAudit }

// ReadAudits reads what audit -o json or -o jsonl has written.
func ReadAudits(data []byte) (Earlier, error) {
	out := Earlier{map[string]jsonAudit{}}
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var doc struct {
			Format  string      `json:"format"`
			Routers []jsonAudit `json:"routers"`
		}
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Earlier{}, fmt.Errorf("it is no JSON of an audit: %w: write it with rosknock audit -o json", err)
		}
		if doc.Format != formatOf("audit") {
			return Earlier{}, fmt.Errorf("its format is %q, not %q: write it with rosknock audit -o json", doc.Format, formatOf("audit"))
		}
		for _, r := range doc.Routers {
			out.routers[r.Name] = r
		}
	}
	if len(out.routers) == 0 {
		return Earlier{}, errors.New("it holds no router: write it with rosknock audit -o json")
	}
	return out, nil
}

// jsonSince is what changed on a router since an earlier audit.
type jsonSince struct {
	New   bool        `json:"new"` // the earlier audit does not have the router, or could not read it
	Reach []jsonShift `json:"reach"`
	// Found and Gone are findings that are there now, and those that no longer are.
	Found []jsonFinding `json:"found"`
	Gone  []jsonFinding `json:"gone"`
}

// jsonShift is something that others reach than before.
type jsonShift struct {
	Name   string `json:"name"`
	Port   string `json:"port"`
	Family string `json:"family"`
	Was    string `json:"was"` // who reached it; "" where there was no such row
	Is     string `json:"is"`
}

// since compares an audit with the earlier one of its router.
func (e Earlier) since(now jsonAudit) jsonSince {
	was, known := e.routers[now.Name]
	out := jsonSince{New: !known || was.Error != "", Reach: []jsonShift{}, Found: []jsonFinding{}, Gone: []jsonFinding{}}
	if out.New {
		return out
	}
	before, after := reachOf(was), reachOf(now)
	for _, row := range slices.Concat(rowsOf(was), rowsOf(now)) {
		if before[row] != after[row] && !slices.ContainsFunc(out.Reach, func(c jsonShift) bool { return c.Name == row.Name && c.Port == row.Port && c.Family == row.Family }) {
			out.Reach = append(out.Reach, jsonShift{row.Name, row.Port, row.Family, before[row], after[row]})
		}
	}
	out.Found, out.Gone = lacking(now.Lint, was.Lint), lacking(was.Lint, now.Lint)
	return out
}

// reachRow names a row of an audit.
type reachRow struct{ Name, Port, Family string }

func rowsOf(a jsonAudit) []reachRow {
	out := make([]reachRow, len(a.Reach))
	for i, r := range a.Reach {
		out[i] = reachRow{r.Name, strings.TrimSuffix(r.Protocol+"/"+r.Ports, "/"), r.Family}
	}
	return out
}

// reachOf says of each row who reaches it.
func reachOf(a jsonAudit) map[reachRow]string {
	out := map[reachRow]string{}
	for i, row := range rowsOf(a) {
		out[row] = whoOf(a.Reach[i])
	}
	return out
}

// whoOf names the most open of those who reach something, and whether that is sure.
func whoOf(r jsonReach) string {
	switch {
	case r.Disabled:
		return "off"
	case len(r.By) == 0:
		return "nobody"
	}
	who := r.By[0].Who
	if r.By[0].Perhaps {
		who = "perhaps " + who
	}
	if r.State == "unknown" {
		who += "; not known whether it runs"
	}
	return who
}

// lacking are the findings that others do not have.
func lacking(findings, others []jsonFinding) []jsonFinding {
	has := map[jsonFinding]bool{}
	for _, f := range others {
		f.Accepted = ""
		has[f] = true
	}
	out := []jsonFinding{}
	for _, f := range findings {
		bare := f
		if bare.Accepted = ""; !has[bare] {
			out = append(out, f)
		}
	}
	return out
}

// sinceLine is what changed on a router, as people see it.
type sinceLine struct {
	Name, Failed string
	Since        jsonSince
}

// sinceText writes what changed since an earlier audit, equal changes once.
type sinceText struct {
	auditStyle
	earlier Earlier
}

func (s sinceText) line(a Audited) sinceLine {
	if a.Err != nil {
		return sinceLine{Name: a.Name, Failed: strings.TrimPrefix(reason(a.Err), a.Name+": ")}
	}
	return sinceLine{Name: a.Name, Since: s.earlier.since(s.auditJSON(a))}
}

func (s sinceText) all(w io.Writer, all iter.Seq[sinceLine]) error {
	read, unread, seen := 0, 0, map[string]bool{}
	failed, fresh := map[string]names{}, names{}
	changes, news, gone := map[jsonShift]names{}, map[jsonFinding]names{}, map[jsonFinding]names{}
	for l := range all {
		seen[l.Name] = true
		if l.Failed != "" {
			failed[l.Failed], unread = append(failed[l.Failed], l.Name), unread+1
			continue
		}
		if read++; l.Since.New {
			fresh = append(fresh, l.Name)
		}
		for _, c := range l.Since.Reach {
			changes[c] = append(changes[c], l.Name)
		}
		for _, f := range l.Since.Found {
			news[f] = append(news[f], l.Name)
		}
		for _, f := range l.Since.Gone {
			gone[f] = append(gone[f], l.Name)
		}
	}
	s.unread(w, failed)
	if len(fresh) > 0 {
		Say(w, "%s\n", wrap(clean("not in the earlier audit: "+fresh.of(0)), s.Width, 2))
	}
	if left := s.earlier.without(seen); len(left) > 0 {
		Say(w, "%s\n", wrap(clean("only in the earlier audit: "+left.of(0)), s.Width, 2))
	}
	if len(changes) > 0 {
		if err := changeTable(changes, read, s.Width).text(w, s.Width); err != nil {
			return err
		}
	}
	s.moved(w, "new findings", news, read)
	s.moved(w, "findings that are gone", gone, read)
	if len(changes)+len(news)+len(gone) == 0 {
		Say(w, "nothing changed\n")
	}
	Say(w, "%s", Plural(read+unread, "router"))
	if unread > 0 {
		Say(w, ", %d not read", unread)
	}
	Say(w, "\n")
	return nil
}

// without are the routers that are not among those seen.
func (e Earlier) without(seen map[string]bool) names {
	var out names
	for name := range e.routers {
		if !seen[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func changeTable(changes map[jsonShift]names, read, width int) table {
	t := table{header: []string{"CHANGED", "PORT", "FAMILY", "WAS", "IS", "ROUTERS"}}
	t.whole = t.header
	for _, c := range ordered(changes, func(a, b jsonShift) int {
		return cmp.Or(cmp.Compare(len(changes[b]), len(changes[a])), strings.Compare(a.Name, b.Name), strings.Compare(a.Port, b.Port), strings.Compare(a.Family, b.Family), strings.Compare(a.Was+a.Is, b.Was+b.Is))
	}) {
		t.rows = append(t.rows, []string{c.Name, cmp.Or(c.Port, "-"), c.Family, cmp.Or(c.Was, "-"), cmp.Or(c.Is, "-"), changes[c].of(read)})
	}
	return t.lastFolded(width)
}

// moved lists findings that came or went, each with its routers.
func (s sinceText) moved(w io.Writer, title visible, findings map[jsonFinding]names, read int) {
	if len(findings) == 0 {
		return
	}
	section(w, title, len(findings), "", s.Style)
	for _, f := range ordered(findings, func(a, b jsonFinding) int {
		return cmp.Or(cmp.Compare(len(findings[b]), len(findings[a])), strings.Compare(a.ID, b.ID), strings.Compare(a.Place, b.Place), strings.Compare(a.What, b.What))
	}) {
		Say(w, "%s\n", wrap(clean(fmt.Sprintf("%s %s %s: %s; on %s", f.Severity, f.ID, f.Place, f.What, findings[f].of(read))), s.Width, 2))
	}
	Say(w, "\n")
}
