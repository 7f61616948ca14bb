package compile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// TestNetworks: a door with a list of networks has one more rule wherever its trusted list is let in
// or spared, which asks for that list, and nothing else changes.
func TestNetworks(t *testing.T) {
	for name, want := range map[string]string{
		"seed.yaml":       "admin/networks",
		"inline.yaml":     "admin/networks",
		"branch.yaml":     "admin/networks-tcp admin/networks-udp",
		"quarantine.yaml": "admin/networks-tcp admin/spare-networks",
		"hygiene.yaml":    "admin.networks/jump admin.networks/forged-1 admin/networks-tcp admin/spare-networks",
		"forward.yaml":    "office/networks-tcp office.networks/forward-rdp office.networks/forward-rdp",
	} {
		p := plan(t, name)
		before, err := compile.Compile(p, defconf(t))
		if err != nil {
			t.Fatal(name, err)
		}
		p.Doors = slices.Clone(p.Doors)
		p.Doors[0].Trusted.Networks = "guests"
		after, err := compile.Compile(p, defconf(t))
		if err != nil {
			t.Fatal(name, err)
		}
		for i, table := range after.Tables {
			rest := slots(before.Tables[i])
			var added []string
			for _, r := range rows(table) {
				mark, _ := r.Mark()
				if at := slices.Index(rest, mark.Slot); at >= 0 {
					rest = slices.Delete(rest, at, at+1)
					continue
				}
				added = append(added, mark.Slot)
				forged := strings.Contains(mark.Slot, "/forged-")
				if list := r.Attrs.Get("src-address-list"); list != "guests" && !forged {
					t.Errorf("%s: %s asks for the list %q", name, mark.Slot, list)
				}
				if in := compile.NetworksOf(r, p.Name); in != "guests" && !forged && !strings.Contains(mark.Slot, "/spare-") {
					t.Errorf("%s: %s lets in %q", name, mark.Slot, in)
				}
			}
			slices.Sort(added)
			wanted := strings.Fields(want)
			if table.Family == routeros.IPv6 {
				wanted = slices.DeleteFunc(wanted, func(slot string) bool { return strings.Contains(slot, "/forward-") })
			}
			slices.Sort(wanted)
			if !slices.Equal(added, wanted) || len(rest) > 0 {
				t.Errorf("%s, %s: added %q, want %q; gone %q", name, table.Family, added, wanted, rest)
			}
		}
	}
}

// rows are all rules of a table, those of its chains and forwards included.
func rows(t compile.Table) []routeros.Rule {
	out := slices.Concat(t.Rules, t.Forwarding.NAT, t.Forwarding.Filter)
	for _, c := range t.Chains {
		out = append(out, c.Rules...)
	}
	return out
}

func slots(t compile.Table) []string {
	var out []string
	for _, r := range rows(t) {
		mark, _ := r.Mark()
		out = append(out, mark.Slot)
	}
	return out
}
