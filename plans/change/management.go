package change

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Management is what is known of the session over which the change will be made. The zero value is
// none: an export, or a rehearsal.
type Management struct {
	// Service is the service that carries the session: api or api-ssl.
	Service string
	// Operators are the addresses from which it may come, as the router sees it: usually one, several
	// when the same user is logged in more than once and nobody can tell which session is this.
	Operators []netip.Addr
	// Accepted names the risks that the operator takes: lose-session.
	Accepted []string
}

// LoseSession is the name of the risk of shutting out the operators themselves.
const LoseSession = "lose-session"

// Lose is the refusal of what would end the session.
func (m Management) Lose(what, remedy string) error {
	return &RefusalError{Risk: LoseSession, What: what, Remedy: remedy + ", or accept with --accept-risk=" + LoseSession}
}

// Source names the addresses of the operators for people.
func (m Management) Source() string {
	if len(m.Operators) == 0 {
		return "unknown"
	}
	names := make([]string, len(m.Operators))
	for i, a := range m.Operators {
		names[i] = a.String()
	}
	return strings.Join(names, " or ")
}

// CoveredBy reports whether a service that is limited to prefixes answers the operators, at each of
// their possible addresses. Operators without a known address are not covered.
func (m Management) CoveredBy(prefixes []string) bool {
	return len(m.Operators) > 0 && !slices.ContainsFunc(m.Operators, func(a netip.Addr) bool { return !covers(prefixes, a) })
}

func covers(prefixes []string, a netip.Addr) bool {
	if len(prefixes) == 0 {
		return true
	}
	return slices.ContainsFunc(prefixes, func(p string) bool {
		r, err := routeros.ParseAddressRange(p)
		return err == nil && r.Contains(a)
	})
}
