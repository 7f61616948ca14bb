package sim

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// historyOf prints the history, newest first: what was done, by whom, and F where it floats under a
// safe mode.
func historyOf(r *Router) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, w := range r.tables.of(routeros.History).rows {
		row := r.show(routeros.History, w)
		text := row.Get("action")
		if by := row.Get("by"); by != "" {
			text += " by " + by
		}
		if row.Bool("floating-undo") {
			text += " F"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// TestHistory: what is an action, whose it is, and what becomes of the actions of a safe mode.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{Users: []User{{Name: "admin"}, {Name: "billing"}}})
		c := login(t, r)
		want := func(want string) {
			t.Helper()
			if got := historyOf(r); got != want {
				t.Errorf("the history is\n%s\nwant\n%s", got, want)
			}
		}
		want("---")
		c.run(add("input", "=comment=a")...)
		c.run("/ip/firewall/filter/set", "=.id=*1", "=dst-address=192.0.2.1")
		c.run("/ip/firewall/filter/unset", "=.id=*1", "=value-name=dst-address")
		c.run("/ip/firewall/filter/move", "=.id=*1")
		c.run("/ip/firewall/filter/remove", "=.id=*1")
		c.run("/ip/firewall/filter/remove", "=.id=*1") // refused
		c.run("/ip/firewall/filter/print")
		c.expect("!re =.id=*6 =action=filter rule removed =by=admin =floating-undo=false =policy=write =redoable=false =time=2000-01-01 00:00:00 =undoable=true | !done",
			"/system/history/print", "?action=filter rule removed")
		want("filter rule removed by admin; filter rule moved by admin; filter rule changed by admin; filter rule changed by admin; filter rule added by admin; ---")
		r.Reboot()
		want("---")

		c = connect(t, r)
		c.expect("!done", "/login", "=name=billing", "=password=")
		c.run("/safe-mode/take")
		c.run("/ip/service/set", "=.id=telnet", "=disabled=yes")
		c.run("/system/identity/set", "=name=x")
		want("system identity changed by billing F; ip service changed by billing F; ---")
		c.run("/safe-mode/unroll")
		want("---")
		c.run("/safe-mode/take")
		c.run("/ip/service/set", "=.id=telnet", "=disabled=yes")
		c.run("/safe-mode/release")
		want("ip service changed by billing; ---")

		// What the scheduler runs is done by the owner of the entry; what packets bring about by
		// nobody.
		c.job("/ip firewall filter add chain=input action=add-src-to-address-list address-list=l", "=interval=1m")
		login(t, r)
		time.Sleep(time.Minute)
		r.Packet(firewall.Packet{Protocol: 17, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), DstPort: 53})
		if n := len(r.Snapshot().Entries[routeros.AddressList]); n != 1 {
			t.Errorf("%d entries", n)
		}
		want("filter rule added by billing; scheduled script added by billing; ip service changed by billing; ---")
	})
}

// TestHistoryIsShort: it keeps a hundred actions.
func TestHistoryIsShort(t *testing.T) {
	r := New(Options{})
	c := login(t, r)
	for i := range historySize + 5 {
		c.run(add("input", fmt.Sprintf("=comment=%d", i))...)
	}
	c.expect("!done =ret=100", "/system/history/print", "=count-only=")
	c.expect("!done =ret=0", "/system/history/print", "=count-only=", "?action=---")
}
