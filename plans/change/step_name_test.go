package change_test

import (
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// TestStepName: a row of a firewall is named with its family, a service is not.
func TestStepName(t *testing.T) {
	for want, step := range map[string]change.Step{
		"m/a/stage-1 (IPv4)": {Menu: routeros.IPv4.Filter(), Slot: "m/a/stage-1"},
		"m/a/stage-1 (IPv6)": {Menu: routeros.IPv6.NAT(), Slot: "m/a/stage-1"},
		"m/allow (IPv6)":     {Menu: routeros.IPv6.AddressList(), Slot: "m/allow"},
		"telnet":             {Menu: routeros.ServiceMenu, Slot: "telnet"},
	} {
		if got := step.Name(); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
