package view

import (
	"io"
	"iter"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/routeros"
)

// AuditMetricsOf takes audits for the text format of Prometheus. took says at the end how long the
// run took.
func AuditMetricsOf(sink Sink, check Check, began time.Time, took func() time.Duration) *Flow[Audited] {
	sink.Format = "prometheus"
	return newFlow(sink, kind[Audited]{text: lines[Audited, auditMetrics]{
		line: func(a Audited) auditMetrics { return measured(a, check) },
		all: func(w io.Writer, all iter.Seq[auditMetrics]) error {
			return writeAuditMetrics(w, all, began, took())
		},
	}})
}

// auditMetrics is what is measured of a router.
type auditMetrics struct {
	Name         string
	Read, Passes bool // Passes is about the check
	Took         time.Duration
	Exposures    []flagged // by who reaches it, and whether that is sure
	Findings     []flagged // by severity, and whether it was accepted
}

// flagged are things of which a word is true, and a yes or no.
type flagged struct {
	Word, Flag string
	N          int
}

// measured counts what was found on a router. The worst is always there, also where it is 0, so that
// an alarm ends.
func measured(a Audited, check Check) auditMetrics {
	m := auditMetrics{Name: routeros.Visible(a.Name, mostName), Read: a.Err == nil, Passes: a.Err == nil && !check.Fails(a), Took: a.Took}
	if a.Err != nil {
		return m
	}
	m.Exposures = []flagged{{string(audit.Anyone), "yes", 0}, {string(audit.Anyone), "no", 0}}
	for _, r := range a.Reach {
		if len(r.By) > 0 {
			m.Exposures = count(m.Exposures, string(r.By[0].Who), !r.By[0].Perhaps && r.State != routeros.ServerUnknown)
		}
	}
	m.Findings = []flagged{{lint.Refuse.String(), "no", 0}, {lint.Warn.String(), "no", 0}}
	for _, f := range a.Findings {
		m.Findings = count(m.Findings, f.Severity.String(), a.Accepted[f] != "")
	}
	return m
}

// count counts one thing more.
func count(counts []flagged, word string, is bool) []flagged {
	flag := "no"
	if is {
		flag = "yes"
	}
	i := slices.IndexFunc(counts, func(c flagged) bool { return c.Word == word && c.Flag == flag })
	if i < 0 {
		return append(counts, flagged{word, flag, 1})
	}
	counts[i].N++
	return counts
}

func writeAuditMetrics(w io.Writer, routers iter.Seq[auditMetrics], began time.Time, took time.Duration) error {
	m := runMetrics("audit", began, took)
	states := m.gauge("rosknock_audit_routers", "Routers by whether they could be read.", "read")
	states.WithLabelValues("yes").Set(0)
	states.WithLabelValues("no").Set(0)
	read := m.gauge("rosknock_audit_router_read", "Whether the router could be read.", "router")
	passes := m.gauge("rosknock_audit_router_passes", "Whether the router was read and passes the check of --max-exposure and --exit-code.", "router")
	exposures := m.gauge("rosknock_audit_exposures", "What is reached on a router, by the widest who reach it; sure=no hangs on something that is not known.", "router", "who", "sure")
	findings := m.gauge("rosknock_audit_findings", "Findings on a router.", "router", "severity", "accepted")
	duration := m.gauge("rosknock_router_duration_seconds", "How long the router took.", "router")
	for r := range routers {
		states.WithLabelValues(map[bool]string{true: "yes", false: "no"}[r.Read]).Inc()
		read.WithLabelValues(r.Name).Set(truth(r.Read))
		passes.WithLabelValues(r.Name).Set(truth(r.Passes))
		duration.WithLabelValues(r.Name).Set(r.Took.Seconds())
		for _, c := range r.Exposures {
			exposures.WithLabelValues(r.Name, c.Word, c.Flag).Set(float64(c.N))
		}
		for _, c := range r.Findings {
			findings.WithLabelValues(r.Name, c.Word, c.Flag).Set(float64(c.N))
		}
	}
	return m.write(w)
}

// truth is 1 for what is true.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
