package audit

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Outside returns those of some interfaces that are not on the side of the operator's own network:
// by which strangers may come in.
func Outside(s routeros.Snapshot, f routeros.Family, interfaces []string) []string {
	world := firewall.NewFirewall(s)
	return slices.DeleteFunc(slices.Clone(interfaces), func(name string) bool { return sideOf(s, f, world, name) == inside })
}
