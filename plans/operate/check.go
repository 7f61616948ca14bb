package operate

import (
	"context"
	"fmt"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Check logs in to a router and asks what it is: less than [Read], and enough to see that it
// answers and is the known box.
func Check(ctx context.Context, d Desk, o Options, r Router) Result {
	out := r.Result()
	out.Outcome = apply.Unchanged
	err := o.Retries.Retry(ctx, func() error {
		session, err := d.Connect(ctx)
		if err != nil {
			return err
		}
		defer session.Close()
		out.Snapshot, err = whatItIs(ctx, session)
		return err
	}, Final)
	if err != nil {
		return out.Failed(err)
	}
	if err := SameBox(d, r, out.Snapshot.Serial); err != nil {
		return out.Refused(err)
	}
	return out
}

// whatItIs reads the version, the name, the board and the serial number of a router.
func whatItIs(ctx context.Context, session *api.Session) (*routeros.Snapshot, error) {
	commands := []routeros.Command{routeros.Print(routeros.Resource), routeros.Print(routeros.Identity)}
	for _, menu := range routeros.SerialMenus() {
		commands = append(commands, routeros.Print(menu))
	}
	results, err := session.Batch(ctx, commands)
	if err != nil {
		return nil, err
	}
	if results[0].Err != nil || len(results[0].Rows) == 0 {
		return nil, fmt.Errorf("the router does not say what it is: %w", results[0].Err)
	}
	row := results[0].Rows[0]
	snapshot := routeros.Snapshot{Board: row.Get("board-name"), Arch: row.Get("architecture-name")}
	if snapshot.Version, err = routeros.ParseVersion(row.Get("version")); err != nil {
		return nil, err
	}
	if len(results[1].Rows) > 0 {
		snapshot.Identity = results[1].Rows[0].Get("name")
	}
	snapshot.Serial, err = api.Serial(results[2:])
	return &snapshot, err
}
