package inventory_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/inventory"
)

// TestWriteInventory: what is written reads back the same, whatever notes and values hold.
func TestWriteInventory(t *testing.T) {
	name := rapid.StringMatching(`[a-z0-9][a-zA-Z0-9._-]{0,8}`)
	value := rapid.StringMatching(`[!-~]([ -~]{0,8}[!-~])?`)
	vars := rapid.MapOfN(rapid.StringMatching(`[a-z][a-z0-9_-]{0,5}`), value, 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SliceOfNDistinct(name, 1, 3, rapid.ID[string]).Draw(t, "groups")
		d := inventory.Draft{Groups: map[string]map[string]string{groups[0]: vars.Draw(t, "vars of the group")}}
		for _, g := range groups[1:] {
			d.Groups[g] = nil
		}
		for _, n := range rapid.SliceOfNDistinct(name, 1, 5, rapid.ID[string]).Draw(t, "routers") {
			d.Routers = append(d.Routers, inventory.DraftRouter{
				Name: n, Site: rapid.SampledFrom([]string{"", "pop1", "No.2"}).Draw(t, "site"), Address: rapid.SampledFrom([]string{"192.0.2.1", "r.example:8729", "2001:db8::1", "[2001:db8::1]:8729"}).Draw(t, "address"), User: value.Draw(t, "user"),
				Groups: groups[:1], Tags: rapid.SliceOfNDistinct(name, 0, 2, rapid.ID[string]).Draw(t, "tags"), Vars: vars.Draw(t, "vars"), Note: rapid.String().Draw(t, "note"),
			})
		}
		text := inventory.Write(d)
		i, err := inventory.Read(inventory.File{Name: "i", Data: text})
		if err != nil {
			if strings.HasPrefix(d.Routers[0].User, "!") || strings.Contains(err.Error(), "leading ! ") {
				return // a user's name can't begin so
			}
			t.Fatalf("%v\n%s", err, text)
		}
		for n := range i.Len() {
			r := i.Router(n)
			want := map[string]string{}
			maps.Copy(want, d.Groups[groups[0]])
			maps.Copy(want, d.Routers[n].Vars)
			if r.Name != d.Routers[n].Name || r.Site != d.Routers[n].Site || r.Address != d.Routers[n].Address || r.User != d.Routers[n].User || !reflect.DeepEqual(r.Vars, want) || len(r.Tags) != len(d.Routers[n].Tags) {
				t.Fatalf("%+v of %+v in\n%s", r, d.Routers[n], text)
			}
		}
	})
}
