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
	// overrides are the rules of others that let in sources which would have to knock.
	overrides []proof.Override
	wider     []excess
	// exposed are the services that strangers reach today; forwarded are those to whose port they
	// reach another host.
	exposed, forwarded map[string]bool
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
	for _, o := range t.overrides {
		rule, _ := d.rule(o)
		for _, a := range sources(rule) {
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
	t.overrides = slices.DeleteFunc(proved.Overrides, func(o proof.Override) bool { return !o.Present })
	for _, f := range proved.Failures {
		t.refusals = append(t.refusals, change.RefusalError{Risk: f.Risk, What: f.What, Remedy: f.WayOut()})
	}
	return t, nil
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
