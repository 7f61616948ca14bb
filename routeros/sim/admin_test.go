package sim

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/routeros"
)

func safeVerb(verb string, pairs ...string) routeros.Command {
	return routeros.NewCommand(routeros.SafeMode.Verb(verb), pairs...)
}

// TestHijack: what becomes of safe mode and of the changes under it when somebody else ends it or
// takes it over, and when they leave.
func TestHijack(t *testing.T) {
	const ours, none = "!re =current=true =enabled=true =owner=api =user=admin", "!re =current=false =enabled=false"
	held := func(service, user string) string {
		return "!re =current=false =enabled=true =owner=" + service + " =user=" + user
	}
	tests := []struct {
		name          string
		service, user string
		commands      []routeros.Command
		row, rules    string // afterwards
		left          string // the rules when they have left
	}{
		{"nothing", "local", "other", nil, ours, "a b", "a b"},
		{"unroll", "local", "other", []routeros.Command{safeVerb("unroll")}, none, "a", "a"},
		{"release", "winbox", "other", []routeros.Command{safeVerb("release")}, none, "a b", "a b"},
		{"a take that is refused", "local", "other", []routeros.Command{safeVerb("take", "on-error", "abort")}, ours, "a b", "a b"},
		{"hijack, unroll", "local", "other", []routeros.Command{safeVerb("take", "on-error", "unroll")}, held("local", "other"), "a c", "a"},
		{"hijack, release", "local", "other", []routeros.Command{safeVerb("take", "on-error", "release")}, held("local", "other"), "a b c", "a b"},
		{"unroll and take", "winbox", "other", []routeros.Command{safeVerb("unroll"), safeVerb("take")}, held("winbox", "other"), "a c", "a"},
		{"the same user over the API", "api", "admin", []routeros.Command{safeVerb("take", "on-error", "unroll")}, held("api", "admin"), "a c", "a"},
		{"taken over and released", "api", "admin", []routeros.Command{safeVerb("take", "on-error", "unroll"), safeVerb("release")}, none, "a c", "a c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := New(Options{})
			c := login(t, r)
			c.run(add("input", "=comment=a")...)
			c.expect("!done", "/safe-mode/take", "=on-error=abort")
			c.run(add("input", "=comment=b")...)
			err := r.AdminVia(tt.service, tt.user, tt.commands...)
			if refused := strings.Contains(tt.name, "refused"); (err != nil) != refused {
				t.Fatal(err)
			}
			c.expect(tt.row+" | !done", "/safe-mode/print")
			if strings.Contains(tt.rules, "c") {
				c.run(add("input", "=comment=c")...) // under the other's safe mode, or under none
			}
			if got := comments(r); got != tt.rules {
				t.Errorf("rules %q, want %q", got, tt.rules)
			}
			c.expect("!done =ret=1", "/user/active/print", "=count-only=", "?name="+tt.user, "?via="+tt.service, "?-address")
			r.AdminLeaves(tt.user)
			if got := comments(r); got != tt.left {
				t.Errorf("when they have left: rules %q, want %q", got, tt.left)
			}
			c.expect("!done =ret=0", "/user/active/print", "=count-only=", "?-address")
		})
	}
}

// TestIDsAfterUnroll: who may get the id of a row that an unroll took away, and that it is gone
// before.
func TestIDsAfterUnroll(t *testing.T) {
	for _, tt := range []struct {
		knobs          Knobs
		back, next     string // ids of the row that came back and of the next one
		gone           string // an id that nobody has
		timed, nextOne string // ids in the address list, where a timed entry of the unrolled time stays
	}{
		{Knobs{}, "*3", "*4", "*5", "*2", "*3"},
		{Knobs{UnrollKeepsIDs: true}, "*2", "*3", "*4", "*2", "*3"},
		{Knobs{FreshIDs: true}, "*5", "*6", "*3", "*2", "*4"},
		{Knobs{FreshIDs: true, UnrollKeepsIDs: true}, "*2", "*5", "*3", "*2", "*4"},
	} {
		r := New(Options{Knobs: tt.knobs})
		c := login(t, r)
		c.expect("!done =ret=*1", add("input", "=comment=a")...)
		c.expect("!done =ret=*2", add("input", "=comment=b")...)
		c.expect("!done =ret=*1", "/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.1")
		c.run("/safe-mode/take")
		c.run("/ip/firewall/filter/remove", "=.id=*2")
		c.expect("!done =ret=*3", add("input", "=comment=c")...)
		c.expect("!done =ret=*4", add("input", "=comment=d")...)
		c.expect("!done =ret=*2", "/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.2", "=timeout=1h")
		c.expect("!done =ret=*3", "/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.3")
		c.run("/safe-mode/unroll")
		c.expect("!re =.id=*1 | !re =.id="+tt.back+" | !done", "/ip/firewall/filter/print", "=.proplist=.id")
		c.expect("!done =ret="+tt.next, add("input", "=comment=e")...)
		for _, words := range [][]string{{"set", "=.id=" + tt.gone, "=comment=x"}, {"enable", "=.id=" + tt.gone}, {"remove", "=.id=" + tt.gone}, {"unset", "=.id=" + tt.gone, "=value-name=comment"}, {"move", "=.id=" + tt.gone}} {
			c.expect("!trap =category=0 =message=no such item | !done", append([]string{"/ip/firewall/filter/" + words[0]}, words[1:]...)...)
		}
		c.expect("!re =.id=*1 | !re =.id="+tt.timed+" | !done", "/ip/firewall/address-list/print", "=.proplist=.id")
		c.expect("!done =ret="+tt.nextOne, "/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.3")
	}
}

// TestCurrentByUser: on a router that says current to every session of the same user, a hijack
// under the same name can't be told.
func TestCurrentByUser(t *testing.T) {
	r := New(Options{Knobs: Knobs{SafeModeByUser: true}})
	c := login(t, r)
	c.run("/safe-mode/take")
	if err := r.AdminVia("api", "admin", safeVerb("take", "on-error", "release")); err != nil {
		t.Fatal(err)
	}
	c.expect("!re =current=true =enabled=true =owner=api =user=admin | !done", "/safe-mode/print")
}

// TestAdminRights: a user with an account has the rights of its group, and the history says whose
// the changes are.
func TestAdminRights(t *testing.T) {
	r := New(Options{Users: []User{{Name: "admin"}, {Name: "looks", Group: "read"}}})
	rule := routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "accept")
	if err := r.AdminAs("looks", rule); err == nil || !strings.Contains(err.Error(), "not enough permissions") {
		t.Error(err)
	}
	if err := r.AdminAs("billing", rule, routeros.NewCommand("/ip/firewall/address-list/add", "list", "l", "address", "192.0.2.1")); err != nil {
		t.Error(err)
	}
	if got := historyOf(r); got != "address list entry added by billing; filter rule added by billing; ---" {
		t.Error(got)
	}
	r.Reboot() // which ends all sessions
	login(t, r).expect("!done =ret=1", "/user/active/print", "=count-only=")
}
