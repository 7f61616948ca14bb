package change

import (
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Name names the row of a step for people: its slot, and in a firewall the family, since a slot may
// have a row in both.
func (s Step) Name() string {
	switch {
	case !strings.Contains(string(s.Menu), "/firewall/"):
		return s.Slot
	case s.Menu.Family() == routeros.IPv6:
		return s.Slot + " (IPv6)"
	}
	return s.Slot + " (IPv4)"
}
