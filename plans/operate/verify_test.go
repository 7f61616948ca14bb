package operate

import (
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// TestPresentDoors: of what is laid down, one window is verified: that which is there now, and in a minute.
func TestPresentDoors(t *testing.T) {
	p, err := plans.Read("p.yaml", []byte("version: 1\nname: p\ndoors:\n  fixed: {knock: [tcp/4711, udp/4712], trusted: {list: a, for: 1h}}\n"+
		"  turning: {rotate: {secret: \"env:X\", every: 1h, overlap: 10s, ahead: 1d}, trusted: {list: b, for: 1h}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for second := 0; second < 2*60*60; second += 17 {
		at := time.Date(2026, 11, 21, 22, 30, second, 0, time.FixedZone("", 3600))
		laid, err := sequence.Standing(p, "r1", at, func(plans.Credential) (string, error) { return "0123456789abcdef", nil })
		if err != nil {
			t.Fatal(err)
		}
		if got := presentDoors(laid, at).Doors; len(got) < 2 || len(got) > 3 || got[0].Name != "fixed" {
			t.Fatalf("at %s: %d doors", at, len(got))
		}
	}
}

// TestLogin: a run knows as whom it works on the router: safe mode and the history are judged by
// it.
func TestLogin(t *testing.T) {
	a := attempt{router: Router{User: "provision"}, out: Result{Snapshot: new(routeros.Snapshot)}}
	if o := a.options(); o.Login != "provision" {
		t.Errorf("%q", o.Login)
	}
}
