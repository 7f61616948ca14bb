package diff

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// guard refuses to touch the service that carries the session: there would be no way back.
func guard(m change.Management, s routeros.Snapshot, want compile.RuleSet) error {
	if m.Service == "" || slices.Contains(m.Accepted, change.LoseSession) {
		return nil
	}
	for _, w := range want.Services {
		err := Keeps(m, s, w)
		if err != nil && want.Removes {
			return m.Lose(fmt.Sprintf("putting back the service %s would end this session, which it carries", w.Name), "leave it out of --restore-services, or connect through another service")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Keeps returns nil when the session outlives what is wanted of a service, and else a
// *[change.RefusalError].
func Keeps(m change.Management, s routeros.Snapshot, w compile.Service) error {
	row, ok := s.Service(w.Name)
	if w.Name != m.Service || !ok {
		return nil
	}
	set, _ := serviceDifference(row, w)
	switch {
	case set.Get("disabled") == "true":
		return m.Lose(fmt.Sprintf("the plan disables the service %s, which carries this session", w.Name), "take it out of services.disable, or connect through another service")
	case set.Has("port"):
		return m.Lose(fmt.Sprintf("the plan moves the service %s, which carries this session, to another port", w.Name), "take it out of services.ports, or connect through another service")
	case set.Has(row.FromName) && !m.CoveredBy(w.From):
		return m.Lose(fmt.Sprintf("the plan limits the service %s, which carries this session, to prefixes without this session's own source (%s)", w.Name, m.Source()), "add the source to services.from, or connect through another service")
	}
	return nil
}
