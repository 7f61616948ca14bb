package sim_test

import (
	"fmt"
	"testing"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// TestLargePrint prints every row of a large list with its columns, counts them, and obeys queries.
func TestLargePrint(t *testing.T) {
	var entries []routeros.ListEntry
	for i := range 700 {
		entries = append(entries, routeros.ListEntry{List: "blocked", Address: fmt.Sprintf("10.0.%d.%d", i/256, i%256), Comment: "abuse"})
	}
	entries = append(entries, routeros.ListEntry{List: "other", Address: "192.0.2.1"})
	router := simtest.New(t, sim.Options{PrintPace: 100_000}, routeros.Snapshot{Entries: map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: entries}})
	s, err := api.NewSession(t.Context(), simtest.Pipe(t, router), "admin", "", api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := routeros.Print(routeros.AddressList)
	count := routeros.NewCommand("/ip/firewall/address-list/print", "count-only", "")
	results, err := s.Batch(t.Context(), []routeros.Command{all, count, count.Where("list=blocked"), all.Where("list=other"), routeros.Print(routeros.AddressList, ".id", "address").Where("list=blocked")})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(results[0].Rows); n != 701 || results[1].Ret != "701" || results[2].Ret != "700" || len(results[3].Rows) != 1 || len(results[4].Rows) != 700 {
		t.Fatalf("%d rows, %s, %s, %d and %d", n, results[1].Ret, results[2].Ret, len(results[3].Rows), len(results[4].Rows))
	}
	if row := results[0].Rows[0]; row.Get("comment") != "abuse" || row.Get("creation-time") == "" || row.Get("dynamic") != "false" {
		t.Errorf("the first row is %s", row)
	}
	if row := results[4].Rows[0]; len(row) != 2 || !row.Has(".id") {
		t.Errorf("two columns were asked for, and there are %s", row)
	}
}
