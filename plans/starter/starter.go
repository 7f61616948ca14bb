// Package starter writes a first plan for one router: for the services, interface lists and VPNs
// that are there, and so that the plan can be applied without edits.
//
// The draft is tried before it is handed out: compiled, compared with the router and proved, as
// diff does it. Where the proof refuses for a reason with a mechanical remedy, such as a rule that
// lets in a tunnel which the gate would shut out, the draft gets that remedy with a comment that
// says why, and is tried again.
//
// A remedy never weakens the router. What an allow-list would let in is compared with what reaches
// the router today, for all packets there are: a source that would reach more by it is not allowed.
//
//	p, err := starter.For(snapshot, starter.Options{Name: "main", Knock: knock})
//	p.Text, p.Holds(), p.Refusals
//
// The package is pure. The text holds the knock: the caller keeps it from others.
package starter

import (
	"fmt"
	"net/netip"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Options say what a router does not tell.
type Options struct {
	// Name is the plan's name, Knock the knock of its door.
	Name  string
	Knock []plans.Stage
	// Decoys are traps of the door; with any, a wrong knock leads into quarantine, too. Where the router
	// does not let that be proved, the plan goes without, and says why.
	Decoys []plans.Stage
	// Allow never have to knock: the operator named them.
	Allow []netip.Prefix
	// Opens are the services that the door opens, of those that run; nil are all.
	Opens []string
	// For is how long a knock lets in, as a plan writes it; "" is 8h.
	For string
	// Session is over which the router was read; of an export, its operators alone. They stay let in.
	Session change.Management
	// RenewsByHTTP says that something hints at a certificate that is renewed over port 80.
	RenewsByHTTP bool
	// Source names where the router was read from, for the heading: r1.example or router.rsc.
	Source string
}

// Plan is the plan that was written.
type Plan struct {
	// Text is the plan file, Plan what is read from it. It holds the knock.
	Text []byte
	Plan plans.Plan
	// Gated lists the services that it gates; none where nothing is left to shut. Opened are those
	// that its door opens.
	// Closed run and are gated, and the operator left them out of the door.
	Gated, Opened, Closed []string
	// Remarks say what was found and decided, a line each. They hold names of the router.
	Remarks []string
	// Refusals say why an apply would be refused, each with its remedy; none where the proof holds.
	Refusals []change.RefusalError
	// Tries is how often the draft was tried.
	Tries int
}

// Holds reports whether the proof holds for the plan as it is written.
func (p Plan) Holds() bool { return len(p.Refusals) == 0 }

// mostTries bounds the remedies.
const mostTries = 40

// For writes the plan for a router. The error is that of a plan that can't be read back: the name is
// none, or the knock.
func For(s routeros.Snapshot, o Options) (Plan, error) {
	d := begin(s, o)
	for tries := 1; ; tries++ {
		t, err := d.try()
		if err != nil {
			return Plan{}, fmt.Errorf("the plan that was written can't be read: %w", err)
		}
		if len(t.refusals) == 0 && len(t.wider) == 0 || tries == mostTries || !d.mend(t) {
			d.refusals = d.refused(t)
			return Plan{Text: d.text(), Plan: t.plan, Gated: d.gated(), Opened: d.opens(), Closed: d.unwanted(), Remarks: d.remarks(), Refusals: d.refusals, Tries: tries}, nil
		}
	}
}

// Services lists the services for management that run on a router, of those that a plan can gate.
func Services(s routeros.Snapshot) []string {
	var out []string
	for _, one := range begin(s, Options{Name: "main"}).services {
		out = append(out, one.name)
	}
	return out
}
