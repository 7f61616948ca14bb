package audit

import (
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Outside returns those of some interfaces that are not known to lead to the operator's own network:
// by which strangers may come in.
func Outside(s routeros.Snapshot, f routeros.Family, interfaces []string) []string {
	world := firewall.NewFirewall(s)
	var out []string
	for _, name := range interfaces {
		if sideOf(s, f, world, name) != inside {
			out = append(out, name)
		}
	}
	return out
}
