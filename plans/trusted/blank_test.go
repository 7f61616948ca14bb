package trusted_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// blanking is a session with a router whose rows of connections come without what was asked for
// (routeros-facts § 1.5): when columns are named, or always.
type blanking struct {
	*api.Session
	always bool
}

func (b blanking) Run(ctx context.Context, c routeros.Command) (api.Reply, error) {
	reply, err := b.Session.Run(ctx, c)
	if c.Path != "/ip/firewall/connection/print" || !b.always && len(c.Attrs) == 0 {
		return reply, err
	}
	for i := range reply.Rows {
		reply.Rows[i] = reply.Rows[i].Without("src-address")
	}
	return reply, err
}

// TestBlankConnections: connections whose rows come without addresses are read again in full and
// cut; where that tells no more, it is said, and they are not counted as none.
func TestBlankConnections(t *testing.T) {
	for _, always := range []bool{false, true} {
		b := newBench(t, "seed.yaml")
		b.knock("203.0.113.9", b.plan.Doors[0].Knock...)
		session := blanking{b.session, always}
		ledger := b.ledger()
		if err := ledger.Count(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		for _, e := range ledger.Entries {
			if e.Counted == always || !always && e.Connections == 0 {
				t.Errorf("%t: %+v", always, e)
			}
		}
		done, err := trusted.Revoke(t.Context(), session, ledger, rangeOf("203.0.113.9"), false)
		left := strings.Join(done.Left, "; ")
		if err != nil || always != strings.Contains(left, "source the router does not show") || always != (done.Connections == 0) || !always && left != "" {
			t.Errorf("%t: %+v, %v", always, done, err)
		}
	}
}
