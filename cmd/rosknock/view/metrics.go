package view

import (
	"io"
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
)

// MetricsOf takes the routers of a run for the text format of Prometheus, which the textfile
// collector of its node exporter reads. took says at the end how long the run took.
func MetricsOf(sink Sink, command string, began time.Time, took func() time.Duration) *Flow[operate.Result] {
	sink.Format = "prometheus"
	return newFlow(sink, kind[operate.Result]{text: lines[operate.Result, metricsLine]{
		line: func(r operate.Result) metricsLine {
			l := metricsLine{Name: routeros.Visible(r.Name, mostName), Plan: r.Plan, Became: string(r.Became()), Took: r.Took}
			if r.Changes != nil {
				l.Steps = new(len(r.Changes.Steps))
			}
			if r.Proof != nil {
				l.Holds = new(r.Proof.Holds())
			}
			return l
		},
		all: func(w io.Writer, all iter.Seq[metricsLine]) error {
			return writeMetrics(w, command, all, began, took())
		},
	}})
}

// metricsLine is what is measured of a router.
type metricsLine struct {
	Name, Plan, Became string
	Took               time.Duration
	Steps              *int
	Holds              *bool
}

func writeMetrics(w io.Writer, command string, routers iter.Seq[metricsLine], began time.Time, took time.Duration) error {
	m := runMetrics(command, began, took)
	counts := m.gauge("rosknock_routers", "Routers by what became of them; in a diff, of what would.", "outcome")
	for _, o := range []apply.Outcome{apply.Unchanged, apply.Changed, apply.Refused, apply.Reverted, apply.Failed, apply.Unknown, apply.Skipped} {
		counts.WithLabelValues(string(o)).Set(0)
	}
	outcome := m.gauge("rosknock_router_outcome", "What became of a router: the value is always 1.", "router", "plan", "outcome")
	steps := m.gauge("rosknock_router_steps", "Steps from the router to its plan, as it was read: more than 0 is drift.", "router", "plan")
	holds := m.gauge("rosknock_router_proof_holds", "Whether the proof of the steps held.", "router", "plan")
	duration := m.gauge("rosknock_router_duration_seconds", "How long the router took.", "router")
	for r := range routers {
		counts.WithLabelValues(r.Became).Inc()
		outcome.WithLabelValues(r.Name, r.Plan, r.Became).Set(1)
		duration.WithLabelValues(r.Name).Set(r.Took.Seconds())
		if r.Steps != nil {
			steps.WithLabelValues(r.Name, r.Plan).Set(float64(*r.Steps))
		}
		if r.Holds != nil {
			holds.WithLabelValues(r.Name, r.Plan).Set(truth(*r.Holds))
		}
	}
	return m.write(w)
}

// write writes the gauges in the text format.
func (m metrics) write(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return err
	}
	e := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := e.Encode(family); err != nil {
			return err
		}
	}
	return nil
}

// metrics makes gauges of one run.
type metrics struct {
	registry *prometheus.Registry
	command  string
}

// runMetrics begins the metrics of a run.
func runMetrics(command string, began time.Time, took time.Duration) metrics {
	m := metrics{prometheus.NewRegistry(), command}
	m.gauge("rosknock_run_timestamp_seconds", "When the run began.").WithLabelValues().Set(float64(began.Unix()))
	m.gauge("rosknock_run_duration_seconds", "How long the run took.").WithLabelValues().Set(took.Seconds())
	return m
}

func (m metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{"command": m.command}}, labels)
	m.registry.MustRegister(g)
	return g
}
