package operate

import (
	"context"
	"errors"

	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// readMore completes a snapshot with what the router's own servers are set to, and finds what renews
// certificates. A menu that the router lacks, or does not show, is no error.
func readMore(ctx context.Context, session *api.Session, s *routeros.Snapshot) ([]lint.Renewal, error) {
	menus := routeros.ServerMenus()
	var commands []routeros.Command
	for _, m := range menus {
		commands = append(commands, routeros.ServerPrint(m))
	}
	renewals := lint.RenewalMenus()
	results, err := session.Batch(ctx, append(commands, renewals...))
	if err != nil {
		return nil, err
	}
	s.Settings = map[routeros.Menu][]routeros.Attributes{}
	for i, m := range menus {
		_, lacks := errors.AsType[*api.UnknownMenuError](results[i].Err)
		switch {
		case lacks:
			s.Settings[m] = routeros.Lacks()
		case results[i].Err != nil:
			s.Untold = append(s.Untold, m)
		case len(results[i].Rows) > 0:
			s.Settings[m] = results[i].Rows
		}
	}
	rows := map[routeros.Menu][]routeros.Attributes{}
	for i, c := range renewals {
		rows[c.Menu()] = results[len(menus)+i].Rows
	}
	return lint.Renewals(s.Version, rows), nil
}
