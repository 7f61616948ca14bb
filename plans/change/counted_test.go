package change_test

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// TestForeignCounted compares lists that were read row by row, and the others by their number: an
// entry that somebody adds, changes or removes during a change is seen in both.
func TestForeignCounted(t *testing.T) {
	const m = routeros.AddressList
	snapshot := func(unread int, lists []string, rows ...routeros.ListEntry) routeros.Snapshot {
		return routeros.Snapshot{
			Entries:    map[routeros.Menu][]routeros.ListEntry{m: rows},
			PartlyRead: map[routeros.Menu]routeros.ListReading{m: {Lists: lists, Unread: unread}},
		}
	}
	entry := func(id, list, address, comment string) routeros.ListEntry {
		return routeros.ListEntry{ID: id, List: list, Address: address, Comment: comment}
	}
	ours := entry("*9", "allow", "192.0.2.9", "[rosknock branch/allow]")
	lists := []string{"allow", "blocked"}
	before := snapshot(50_000, lists, entry("*1", "blocked", "192.0.2.1", ""), entry("*2", "blocked", "192.0.2.2", ""))
	for _, c := range []struct {
		name, want string
		after      routeros.Snapshot
	}{
		{"as it was, in another order of lists", "", snapshot(50_000, lists, ours, before.Entries[m][0], before.Entries[m][1])},
		{"another address", "there is now", snapshot(50_000, lists, entry("*1", "blocked", "192.0.2.7", ""), before.Entries[m][1])},
		{"one less", "is gone", snapshot(50_000, lists, before.Entries[m][0])},
		{"one more that was not read", "50003 now", snapshot(50_001, lists, before.Entries[m]...)},
		{"another list was read, with as many entries", "", snapshot(49_999, []string{"allow", "blocked", "more"}, before.Entries[m][0], before.Entries[m][1], entry("*3", "more", "192.0.2.3", "x"))},
	} {
		if got := strings.Join(change.Foreign(before, c.after, "branch"), "; "); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
