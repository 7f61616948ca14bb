package view

import (
	"slices"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
)

// Check is what the routers of an audit are held against.
type Check struct {
	Widest lint.Audience // who may reach something
	Strict bool          // a finding to refuse, or a warning, is too much
}

// Asked reports whether anything can fail the check.
func (c Check) Asked() bool { return c.Strict || c.Widest < lint.ToAnyone }

// Fails reports whether a router exposes or has too much that was not accepted.
func (c Check) Fails(a Audited) bool {
	return slices.ContainsFunc(a.Reach, func(r audit.Reach) bool { return c.exposes(r) && a.Decided[r.Name] == "" }) ||
		slices.ContainsFunc(a.Findings, func(f lint.Finding) bool { return c.minds(f) && a.Accepted[f] == "" })
}

// exposes reports whether more than the widest audience that is allowed reach something.
func (c Check) exposes(r audit.Reach) bool { return lint.AudienceOf(r) > c.Widest }

// minds reports whether a finding fails the check.
func (c Check) minds(f lint.Finding) bool { return c.Strict && f.Severity >= lint.Warn }
