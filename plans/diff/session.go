package diff

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// Session is what is known of the connection over which the change will be made. The zero value is none:
// an export, or a rehearsal.
type Session struct {
	// Service is the service that carries the session: api or api-ssl.
	Service string
	// Operators are the addresses from which it may come, as the router sees it: usually one, several when the same
	// user is logged in more than once and nobody can tell which session is this.
	Operators []netip.Addr
	// Accepted names the risks that the operator takes: lose-session.
	Accepted []string
}

// LoseSession is the name of the risk of shutting out the operator himself.
const LoseSession = "lose-session"

// guard refuses to touch the service that carries the session: there would be no way back.
func (o Session) guard(s routeros.Snapshot, want compile.RuleSet) error {
	if o.Service == "" || slices.Contains(o.Accepted, LoseSession) {
		return nil
	}
	for _, w := range want.Services {
		err := o.Keeps(s, w)
		if err != nil && want.Removes {
			return o.lose(fmt.Sprintf("putting back the service %s would end this session, which it carries", w.Name), "leave it out of --restore-services, or connect through another service")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Keeps returns nil when the session outlives what is wanted of a service, and else a *[RefusalError].
func (o Session) Keeps(s routeros.Snapshot, w compile.Service) error {
	row, ok := s.Service(w.Name)
	if w.Name != o.Service || !ok {
		return nil
	}
	set, _ := serviceDifference(row, w)
	switch {
	case set.Get("disabled") == "true":
		return o.lose(fmt.Sprintf("the plan disables the service %s, which carries this session", w.Name), "take it out of services.disable, or connect through another service")
	case set.Has("port"):
		return o.lose(fmt.Sprintf("the plan moves the service %s, which carries this session, to another port", w.Name), "take it out of services.ports, or connect through another service")
	case set.Has(row.FromName) && !o.covered(w.From):
		return o.lose(fmt.Sprintf("the plan limits the service %s, which carries this session, to prefixes without this session's own source (%s)", w.Name, o.source()), "add the source to services.from, or connect through another service")
	}
	return nil
}

func (o Session) lose(what, remedy string) error {
	return &RefusalError{Risk: LoseSession, What: what, Remedy: remedy + ", or accept with --accept-risk=" + LoseSession}
}

func (o Session) source() string {
	if len(o.Operators) == 0 {
		return "unknown"
	}
	names := make([]string, len(o.Operators))
	for i, a := range o.Operators {
		names[i] = a.String()
	}
	return strings.Join(names, " or ")
}

// covered reports whether a service that is limited to prefixes answers the operator, wherever he is of the places
// known. An operator of whom nothing is known is not.
func (o Session) covered(prefixes []string) bool {
	return len(o.Operators) > 0 && !slices.ContainsFunc(o.Operators, func(a netip.Addr) bool { return !covers(prefixes, a) })
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
