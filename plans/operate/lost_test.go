package operate_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

// applied returns a desk whose router has the plan, and what the router then shows.
func applied(t *testing.T) (*desk, plans.Plan, routeros.Snapshot) {
	t.Helper()
	desks, p := two(t)
	d := desks[0]
	if out := operate.Run(t.Context(), d, operate.Options{Actor: "anna", Protect: apply.Auto}, operate.ToPlan("apply", p, nil), routerOf(0)); out.Outcome != apply.Changed {
		t.Fatalf("%s: %v", out.Outcome, out.Err)
	}
	return d, p, d.router.Snapshot()
}

// again gives a desk a router that is as it was, the same box or another.
func (d *desk) again(t rapid.TB, s routeros.Snapshot, serial string) {
	d.router = sim.New(sim.Options{Version: routeros.Version{Major: 7, Minor: 20}, Serial: strings.TrimPrefix(serial, "system-id/")})
	if err := d.router.Load(s); err != nil {
		t.Fatal(err)
	}
}

// removeMarked removes rows of the plan from the router, as another tool would: those that are chosen. It
// returns how many there were and how many are gone, for each menu.
func (d *desk) removeMarked(t rapid.TB, plan string, choose func(routeros.Menu) bool) (was, gone map[routeros.Menu]int) {
	was, gone = map[routeros.Menu]int{}, map[routeros.Menu]int{}
	s := d.router.Snapshot()
	remove := func(m routeros.Menu, id, comment string) {
		if mark, ok := routeros.FindMark(comment); !ok || mark.Plan != plan {
			return
		}
		if was[m]++; !choose(m) {
			return
		}
		gone[m]++
		if err := d.router.Admin(routeros.NewCommand(string(m)+"/remove", "numbers", id)); err != nil {
			t.Fatal(err)
		}
	}
	for m, rows := range s.Rules {
		for _, r := range rows {
			remove(m, r.ID, r.Comment())
		}
	}
	for m, rows := range s.Entries {
		for _, e := range rows {
			remove(m, e.ID, e.Comment)
		}
	}
	return was, gone
}

// lostNotes are what a look at the router says of rows that are gone.
func (d *desk) lostNotes(t rapid.TB, p plans.Plan) string {
	out := operate.Look(context.Background(), d, operate.Options{}, routerOf(0), false, operate.ToPlan("diff", p, nil))[0]
	if out.Changes == nil {
		t.Fatalf("%s: %v", out.Outcome, out.Err)
	}
	lost := slices.DeleteFunc(slices.Clone(out.Changes.Notes), func(n string) bool { return !strings.Contains(n, "somebody else has removed them") })
	if len(lost) > 1 {
		t.Errorf("%q", lost)
	}
	return strings.Join(lost, "\n")
}

// TestLost: whatever another tool removes of a plan's rows, diff says so if it is all of them, all of
// a menu, or half; and nothing where it is less, or where only entries that time out are gone.
func TestLost(t *testing.T) {
	d, p, s := applied(t)
	rapid.Check(t, func(t *rapid.T) {
		d.again(t, s, s.Serial)
		trusted := routeros.NewCommand("/ip/firewall/address-list/add", "list", "desk", "address", "203.0.113.7", "timeout", "1h")
		if err := d.router.Admin(trusted); err != nil {
			t.Fatal(err)
		}
		how := rapid.SampledFrom([]string{"all", "menu", "some", "reboot"}).Draw(t, "how")
		menu := rapid.SampledFrom([]routeros.Menu{routeros.Filter, routeros.NAT, routeros.AddressList, routeros.Filter6}).Draw(t, "menu")
		was, gone := d.removeMarked(t, p.Name, func(m routeros.Menu) bool {
			return how == "all" || how == "menu" && m == menu || how == "some" && rapid.IntRange(0, 2).Draw(t, "row") > 0
		})
		d.router.Reboot()
		total, lost, menus := 0, 0, 0
		for m, n := range was {
			total, lost = total+n, lost+gone[m]
			if gone[m] == n {
				menus++
			}
		}
		got := d.lostNotes(t, p)
		want := ""
		switch {
		case lost == total:
			want = "no row of this plan is left"
		case menus > 0:
			want = "all rows of this plan in "
		case 2*lost >= total:
			want = "rows of this plan are gone"
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%d of %d gone, %d menus: %q, want %q", lost, total, menus, got, want)
		}
		if how == "menu" && menus == 1 && !strings.Contains(got, string(menu)+" are gone") {
			t.Errorf("%s: %q", menu, got)
		}
	})
}

// TestNotLost: where the journal does not say that the plan stands on this very box, nothing is lost.
func TestNotLost(t *testing.T) {
	every := func(routeros.Menu) bool { return true }
	run := func(t *testing.T, d *desk, op operate.Operation) {
		t.Helper()
		if out := operate.Run(t.Context(), d, operate.Options{Actor: "anna", Protect: apply.Auto, Accepted: []string{"exposure"}}, op, routerOf(0)); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	t.Run("before the first apply", func(t *testing.T) {
		desks, p := two(t)
		if got := desks[0].lostNotes(t, p); got != "" {
			t.Error(got)
		}
	})
	t.Run("after an undo", func(t *testing.T) {
		d, p, _ := applied(t)
		run(t, d, operate.Undo(""))
		if got := d.lostNotes(t, p); got != "" {
			t.Error(got)
		}
	})
	t.Run("after a removal", func(t *testing.T) {
		d, p, _ := applied(t)
		run(t, d, operate.Remove(p, nil))
		if got := d.lostNotes(t, p); got != "" {
			t.Error(got)
		}
	})
	t.Run("another plan", func(t *testing.T) {
		d, p, _ := applied(t)
		p.Name = "other"
		if got := d.lostNotes(t, p); got != "" {
			t.Error(got)
		}
	})
	t.Run("an edited plan, of which much is new", func(t *testing.T) {
		d, p, _ := applied(t)
		d.removeMarked(t, p.Name, func(m routeros.Menu) bool { return m != routeros.Filter })
		p.Allow.Addresses = nil
		if got := d.lostNotes(t, p); got != "" {
			t.Error(got)
		}
	})
	t.Run("another box under a name that was accepted", func(t *testing.T) {
		d, p, s := applied(t)
		known, err := d.Known()
		if err == nil {
			_, err = known.Forget("-/r0", "")
		}
		if err != nil {
			t.Fatal(err)
		}
		d.again(t, s, "ANOTHER")
		d.removeMarked(t, p.Name, every)
		if got := d.lostNotes(t, p); got != "" {
			t.Error(got)
		}
	})
	t.Run("and apply says it once, and puts it back", func(t *testing.T) {
		d, p, _ := applied(t)
		d.removeMarked(t, p.Name, every)
		out := operate.Run(t.Context(), d, operate.Options{Actor: "anna", Protect: apply.Auto}, operate.ToPlan("apply", p, nil), routerOf(0))
		if out.Outcome != apply.Changed || !strings.Contains(strings.Join(out.Changes.Notes, "\n"), "no row of this plan is left") {
			t.Errorf("%s, %v, %q", out.Outcome, out.Err, out.Changes.Notes)
		}
		if got := d.lostNotes(t, p); got != "" {
			t.Error(got)
		}
	})
}
