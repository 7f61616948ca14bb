package view

import (
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/routeros"
)

// Metrics writes a run in the text format of Prometheus, for the textfile collector of its node exporter.
func Metrics(w io.Writer, command string, routers []Router, began time.Time, took time.Duration) error {
	registry := prometheus.NewRegistry()
	m := metrics{registry, command}
	m.gauge("rosknock_run_timestamp_seconds", "When the run began.").WithLabelValues().Set(float64(began.Unix()))
	m.gauge("rosknock_run_duration_seconds", "How long the run took.").WithLabelValues().Set(took.Seconds())
	counts := m.gauge("rosknock_routers", "Routers by what became of them; in a diff, of what would.", "outcome")
	for _, o := range []apply.Outcome{apply.Unchanged, apply.Changed, apply.Refused, apply.Reverted, apply.Failed, apply.Unknown, apply.Skipped} {
		counts.WithLabelValues(string(o)).Set(0)
	}
	outcome := m.gauge("rosknock_router_outcome", "What became of a router: the value is always 1.", "router", "plan", "outcome")
	steps := m.gauge("rosknock_router_steps", "Steps from the router to its plan, as it was read: more than 0 is drift.", "router", "plan")
	holds := m.gauge("rosknock_router_proof_holds", "Whether the proof of the steps held.", "router", "plan")
	duration := m.gauge("rosknock_router_duration_seconds", "How long the router took.", "router")
	for _, r := range routers {
		name, became := routeros.Visible(r.Name, mostName), string(r.Became())
		counts.WithLabelValues(became).Inc()
		outcome.WithLabelValues(name, r.Plan, became).Set(1)
		duration.WithLabelValues(name).Set(r.Took.Seconds())
		if r.Changes != nil {
			steps.WithLabelValues(name, r.Plan).Set(float64(len(r.Changes.Steps)))
		}
		if r.Proof != nil {
			value := 0.0
			if r.Proof.Holds() {
				value = 1
			}
			holds.WithLabelValues(name, r.Plan).Set(value)
		}
	}
	families, err := registry.Gather()
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

func (m metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{"command": m.command}}, labels)
	m.registry.MustRegister(g)
	return g
}
