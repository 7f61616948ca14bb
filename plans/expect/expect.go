// Package expect holds tests of a firewall: what has to become of which packets, and whether it
// does.
//
// A test names one packet, or a class of packets: sides that it leaves open, such as the source
// port, are open. It holds when all packets of the class meet what is expected, which is computed
// over sets of packets and not sampled. Where it does not hold, the result has a packet that shows
// it, held against the evaluator of single packets once more.
//
//	cases, err := expect.Read("tests.yaml", data) // err: form.Problems
//	for _, r := range expect.Check(cases, snapshot, plan) {
//		fmt.Println(r.Test.Name, r.Outcome, r.Got)
//	}
//
// Tests are about packets to the router itself, and about what destination NAT forwards. The
// package is pure: no clock, no socket, no file.
package expect

import (
	"net/netip"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Cases are the tests of a file.
type Cases struct {
	// Plan is the plan file whose doors and allow-list the tests name, relative to the tests file;
	// "" for none.
	Plan  string
	Tests []Test
}

// NeedsPlan reports whether a test can't be checked without a plan.
func (c Cases) NeedsPlan() bool {
	for _, t := range c.Tests {
		if t.Knock != "" || t.From.Kind == Allowed {
			return true
		}
	}
	return false
}

// Test is one expectation: what has to become of all packets of a class.
type Test struct {
	Name string
	Line int // in the file
	From Source
	// In is an interface, or an interface list, by which the packets come in; "" for those that
	// follow from the source.
	In      string
	Targets []Target
	// Reaches says that the targets are things that can be reached: services, VPNs and ports. A
	// test that is about a packet has one target.
	Reaches bool
	Family  routeros.Family // 0 for both
	State   firewall.State
	Size    int    // of the whole packet; 0 for any
	Knock   string // the door whose knock the source plays first; "" for none
	Expect  Verdict
}

// SourceKind says which sources a test is about.
type SourceKind uint8

// The kinds of sources.
const (
	Anyone    SourceKind = iota // any address that a host can have
	Stranger                    // outside, and named by no rule and no address list
	Addresses                   // a range of addresses
	Behind                      // whatever comes in by an interface or an interface list
	Allowed                     // the allow-list of the plan
)

// Source says from where packets come.
type Source struct {
	Kind  SourceKind
	Range routeros.AddressRange // of [Addresses]
	Name  string                // of [Behind]
	Port  uint16                // 0 for any
}

// single reports whether the source is one that can play a knock.
func (s Source) single() bool {
	return s.Kind == Stranger || s.Kind == Addresses && s.Range.First == s.Range.Last
}

// TargetKind says what a [Target] is.
type TargetKind uint8

// The kinds of targets.
const (
	ToPort    TargetKind = iota // a protocol, with ports where it has them
	ToService                   // of /ip/service, on its port
	ToVPN                       // on the port by which its clients begin
)

// Target is where packets go.
type Target struct {
	Kind     TargetKind
	Name     string // as it is written: ssh, tcp/8443
	Protocol uint8
	Ports    routeros.PortRange // zero where the protocol has none
	To       netip.Addr         // invalid: any address of the router
}

// Verdict is what is expected of packets.
type Verdict string

// The verdicts.
const (
	Accept  Verdict = "accept"
	Drop    Verdict = "drop"
	Reject  Verdict = "reject"
	Forward Verdict = "forward"
)

// Verdicts lists the words for what can be expected.
func Verdicts() []string {
	return []string{string(Accept), string(Drop), string(Reject), string(Forward)}
}

// Outcome is what came of a test.
type Outcome string

// The outcomes. Unknown is no success: it hangs on something that neither the rules nor the export
// tell.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Unknown Outcome = "unknown"
)

// Result is what came of a test on one router.
type Result struct {
	Test    Test
	Outcome Outcome
	// Got is what becomes of the counter-example; of a test that passed, what was expected.
	Got string
	// Why says on what an unknown outcome hangs, or why no packet shows a failure; else "".
	Why     string
	Example *Example // nil where there is none
}

// Holds reports whether the test passed.
func (r Result) Holds() bool { return r.Outcome == Passed }

// Example is a packet that does not meet what is expected.
type Example struct {
	space.Example
	Family routeros.Family
	Target string // what it goes to, as the test names it
	Fate   firewall.Disposition
	// Secret says that the packet is part of a knock: its port and its size are not to be shown.
	Secret bool
}
