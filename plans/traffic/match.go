// Package traffic says which packets a plan is about: a [Match] is a set of packets to the router,
// and [Probes] makes packets of a stranger that test a rule set on it.
package traffic

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Match is a set of packets to the router itself: a protocol, its destination ports, and whether
// they must have come out of an IPsec tunnel. Without a protocol it is every packet.
type Match struct {
	Protocol    string
	Ports       routeros.Ports // nil: the protocol has none, or all
	IPsecPolicy string         // "in,ipsec" or empty
	part        int            // of a port list that had to be cut into several rules, from 1
}

// mostPorts is how many ports one rule may list, a range counting for two: the limit of the
// kernel's multiport match, on which RouterOS's port lists rest. MikroTik documents none.
const mostPorts = 15

// Slot names the match within a mark. It reveals the protocol, never a port.
func (m Match) Slot() string {
	name := m.Protocol
	if name == "" {
		name = "all"
	}
	if m.IPsecPolicy != "" {
		name += "-ipsec"
	}
	if m.part > 1 {
		name += fmt.Sprintf("-%d", m.part)
	}
	return name
}

// Attributes returns the matchers as alternating names and values.
func (m Match) Attributes() []string {
	if m.Protocol == "" {
		return nil
	}
	pairs := []string{"protocol", m.Protocol}
	if m.Ports != nil {
		pairs = append(pairs, "dst-port", m.Ports.String())
	}
	if m.IPsecPolicy != "" {
		pairs = append(pairs, "ipsec-policy", m.IPsecPolicy)
	}
	return pairs
}

// Ports reads a port list of our own tables; none stays none.
func Ports(list string) routeros.Ports {
	if list == "" {
		return nil
	}
	ports, _ := routeros.ParsePorts(list)
	return ports
}

// Merge joins matches of one protocol and policy and cuts port lists that are too long for one
// rule. Everything swallows the rest.
func Merge(all []Match) []Match {
	if slices.ContainsFunc(all, func(m Match) bool { return m.Protocol == "" }) {
		return []Match{{}}
	}
	type key struct{ protocol, policy string }
	var order []key
	ports := map[key]string{}
	for _, m := range all {
		k := key{m.Protocol, m.IPsecPolicy}
		if _, seen := ports[k]; !seen {
			order = append(order, k)
		}
		ports[k] = strings.Trim(ports[k]+","+m.Ports.String(), ",")
	}
	var out []Match
	for _, k := range order {
		out = append(out, cut(Match{Protocol: k.protocol, Ports: Ports(ports[k]), IPsecPolicy: k.policy})...)
	}
	return out
}

func cut(m Match) []Match {
	var out []Match
	next := Match{Protocol: m.Protocol, IPsecPolicy: m.IPsecPolicy, part: 1}
	weight := 0
	for _, r := range m.Ports {
		w := 1
		if r.First != r.Last {
			w = 2
		}
		if weight+w > mostPorts {
			out = append(out, next)
			next.Ports, next.part, weight = nil, next.part+1, 0
		}
		next.Ports = append(next.Ports, r)
		weight += w
	}
	return append(out, next)
}

// Shut turns the targets of a gate into the packets to drop: it removes the IPsec condition, since
// packets that are only allowed through a tunnel must not arrive in clear either.
func Shut(gate []Match) []Match {
	bare := slices.Clone(gate)
	for i := range bare {
		bare[i].IPsecPolicy = ""
	}
	return Merge(bare)
}
