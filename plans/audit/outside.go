package audit

import "github.com/rosknock/rosknock/routeros"

// Outside returns those of some interfaces that are not on the side of the operator's own network:
// by which strangers may come in.
func Outside(s routeros.Snapshot, f routeros.Family, interfaces []string) []string {
	outer, _ := sides(s, f, interfaces)
	return outer
}
