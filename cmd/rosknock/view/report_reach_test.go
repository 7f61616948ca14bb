package view

import (
	"slices"
	"testing"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/routeros"
)

// TestReachOnPage: what moved to another port is one row, what is off before and after is none, and
// what differs only in interfaces is still told for the fleet.
func TestReachOnPage(t *testing.T) {
	on := func(name, ports string, f routeros.Family, who audit.Who, detail ...string) audit.Reach {
		r := audit.Reach{Name: name, Kind: audit.Service, Protocol: "tcp", Ports: ports, Family: f, State: routeros.ServerOn}
		if who != "" {
			r.By = []audit.By{{Who: who, Detail: detail}}
		}
		return r
	}
	off := func(name, ports string, f routeros.Family) audit.Reach {
		r := on(name, ports, f, "")
		r.State = routeros.ServerOff
		return r
	}
	v4, v6 := routeros.IPv4, routeros.IPv6
	c := audit.Comparison{
		Before: audit.Report{Reach: []audit.Reach{
			on("ssh", "22", v4, audit.Anyone, "ether1"), on("ssh", "22", v6, audit.Anyone, "ether1"), on("winbox", "8291", v4, audit.Anyone, "ether1"), on("winbox", "8291", v6, audit.Anyone, "ether1"),
			on("www", "80", v4, audit.LAN, "bridge"), off("ftp", "21", v4), on("api", "8728", v4, audit.Anyone, "ether1", "ether2"), on("gone", "9", v4, audit.LAN, "bridge"),
		}},
		After: audit.Report{Reach: []audit.Reach{
			on("ssh", "2222", v4, audit.Trusted), on("ssh", "2222", v6, audit.Trusted), on("winbox", "8291", v4, audit.Trusted), on("winbox", "8291", v6, audit.Trusted),
			on("www", "80", v4, audit.LAN, "bridge"), off("ftp", "2121", v4), on("api", "8728", v4, audit.Anyone, "ether1"), on("new", "7", v4, audit.LAN, "bridge"),
		}},
	}
	var got page.Router
	reachOnPage(&c, &got)
	if want := []page.Reach{
		{What: "ssh tcp/22 → tcp/2222 IPv4", Before: "anyone (ether1)", After: "trusted after a knock"}, {What: "ssh tcp/22 → tcp/2222 IPv6", Before: "anyone (ether1)", After: "trusted after a knock"},
		{What: "winbox tcp/8291 IPv4", Before: "anyone (ether1)", After: "trusted after a knock"}, {What: "winbox tcp/8291 IPv6", Before: "anyone (ether1)", After: "trusted after a knock"},
		{What: "api tcp/8728 IPv4", Before: "anyone (ether1, ether2)", After: "anyone (ether1)"},
		{What: "gone tcp/9 IPv4", Before: "LAN", After: "not there any more"}, {What: "new tcp/7 IPv4", Before: "not there", After: "LAN"},
	}; !slices.Equal(got.Reach, want) || got.Same != 1 {
		t.Errorf("%q, the same: %d", got.Reach, got.Same)
	}
	if want := []page.Reach{
		{What: "ssh tcp/22 → tcp/2222, winbox tcp/8291", Family: "IPv4 and IPv6", Before: "anyone", After: "trusted after a knock"},
		{What: "api tcp/8728", Family: "IPv4", Before: "anyone (ether1, ether2)", After: "anyone (ether1)"},
		{What: "gone tcp/9", Family: "IPv4", Before: "LAN", After: "not there any more"}, {What: "new tcp/7", Family: "IPv4", Before: "not there", After: "LAN"},
	}; !slices.Equal(got.Means, want) {
		t.Errorf("%q", got.Means)
	}
}

// TestOutcomeColours: each outcome has a colour of its own in a terminal.
func TestOutcomeColours(t *testing.T) {
	s, seen := Style{Color: true}, map[visible]apply.Outcome{}
	for _, o := range []apply.Outcome{apply.Unchanged, apply.Changed, apply.Refused, apply.Reverted, apply.Failed, apply.Unknown, apply.Skipped} {
		text := s.outcomeText(o, "x")
		if other, taken := seen[text]; taken {
			t.Errorf("%s looks as %s", o, other)
		}
		if seen[text] = o; columns(text) != 1 {
			t.Errorf("%q counts as %d columns", text, columns(text))
		}
	}
}
