package operate

import (
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// StepName names the row of a step for people: its slot, and in a firewall the family, since a slot
// may have a row in both.
func StepName(step change.Step) string {
	switch {
	case !strings.Contains(string(step.Menu), "/firewall/"):
		return step.Slot
	case step.Menu.Family() == routeros.IPv6:
		return step.Slot + " (IPv6)"
	}
	return step.Slot + " (IPv4)"
}
