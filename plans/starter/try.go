package starter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// trial is what comes of a draft on its router.
type trial struct {
	text     []byte
	plan     plans.Plan
	refusals []change.RefusalError
	// shut are the rules of the router that let in sources which would have to knock, or which the
	// gate does not stop.
	shut  []letting
	wider []excess
	// exposed are the services that strangers reach today; forwarded are those to whose port they
	// reach another host.
	exposed, forwarded map[string]bool
}

// letting is a rule of the router that lets certain sources in.
type letting struct {
	rule     routeros.Rule
	who      string
	services []string // that they reach by it
}

// refused are the reasons why an apply would be refused, and what the draft could not do about them.
func (d *draft) refused(t trial) []change.RefusalError {
	out := slices.Clone(t.refusals)
	for _, e := range t.wider {
		out = append(out, change.RefusalError{
			Risk: proof.Exposure, What: fmt.Sprintf("%s would reach %s by allow.%s, and does not reach it today", e.source.who(), strings.Join(e.services, ", "), e.source.key),
			Remedy: "remove it from the plan",
		})
	}
	for i := range out {
		for _, why := range d.rejections(t) {
			if out[i].Risk == proof.Overrides {
				out[i].Remedy += "; " + why
			}
		}
	}
	return out
}

// rejections say why the sources of overridden rules are not let in.
func (d *draft) rejections(t trial) []string {
	var out []string
	for _, l := range t.shut {
		for _, a := range sources(l.rule) {
			if why := d.rejected[a]; why != "" {
				out = append(out, fmt.Sprintf("allow.%s: %s was left out, because %s", a.key, list([]string{a.value}), why))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// try writes the draft, reads it back, and proves the steps to it. The error is that of a text that
// can't be read.
func (d *draft) try() (trial, error) {
	t := trial{text: d.text(), exposed: map[string]bool{}, forwarded: map[string]bool{}}
	var err error
	if t.plan, err = plans.Read("the plan", t.text); err != nil {
		return t, err
	}
	want, err := compile.Compile(t.plan, d.router)
	if err != nil {
		return t, t.refuse(err)
	}
	changes, err := diff.Compute(d.router, want, d.Session)
	if err != nil {
		return t, t.refuse(err)
	}
	after, err := change.Rehearse(d.router, changes, len(changes.Steps))
	if err != nil {
		return t, err
	}
	for _, table := range want.Tables {
		d.weigh(&t, table, after)
	}
	proved := proof.Prove(d.router, want, changes, d.Session)
	for _, o := range proved.Overrides {
		if rule, ok := d.rule(o); ok && o.Present {
			t.shut = append(t.shut, letting{rule, o.Who, strings.Split(o.What, ", ")})
		}
	}
	for _, f := range proved.Failures {
		t.shut = append(t.shut, d.unstopped(f)...)
		t.refusals = append(t.refusals, change.RefusalError{Risk: f.Risk, What: f.What, Remedy: f.WayOut()})
	}
	return t, nil
}

// unstopped is the rule by which a gated service stays open to a source that the rule names.
func (d *draft) unstopped(f proof.Failure) []letting {
	if f.Risk != proof.OpenGate || f.Is == nil || f.Is.Rule == nil || len(f.Packets) == 0 {
		return nil
	}
	l := letting{rule: *f.Is.Rule, who: "who comes in by it"}
	for _, s := range d.services {
		if s.port == f.Packets[0].Packet.DstPort {
			l.services = append(l.services, s.name)
		}
	}
	return []letting{l}
}

// refuse keeps a refusal; any other error comes back.
func (t *trial) refuse(err error) error {
	refused, ok := errors.AsType[*change.RefusalError](err)
	if !ok {
		return err
	}
	t.refusals = append(t.refusals, *refused)
	return nil
}

// broken reports whether a risk is among the refusals.
func (t trial) broken(risk string) bool {
	return slices.ContainsFunc(t.refusals, func(r change.RefusalError) bool { return r.Risk == risk })
}

// rule finds the rule of an override.
func (d *draft) rule(o proof.Override) (routeros.Rule, bool) {
	rows := d.router.Rules[o.Family.Filter()]
	at := slices.IndexFunc(rows, func(r routeros.Rule) bool { return r.Describe() == o.Rule })
	if at < 0 {
		return routeros.Rule{}, false
	}
	return rows[at], true
}
