package lint

import (
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/routeros"
)

// Audience is how many may reach something, as far as that can be ordered. What hangs on something
// that is not known counts as if it were so, and what may run as if it ran.
type Audience uint8

// The audiences, the narrowest first.
const (
	ToNobody Audience = iota
	ToTrusted
	ToAllowed
	ToLAN
	ToNeighbors
	ToAnyone
)

// Audiences are the words for them, in their order.
func Audiences() []string {
	return []string{"nobody", "knock", "allow-list", "LAN", "neighbors", "anyone"}
}

// AudienceOf returns the widest of those who reach something.
func AudienceOf(r audit.Reach) Audience {
	widest := ToNobody
	for _, by := range r.By {
		widest = max(widest, map[audit.Who]Audience{audit.Anyone: ToAnyone, audit.Neighbors: ToNeighbors, audit.LAN: ToLAN, audit.AllowList: ToAllowed, audit.Tunnel: ToAllowed, audit.Trusted: ToTrusted}[by.Who])
	}
	return widest
}

// Rank orders what is reached: the smaller, the worse. Facts come before what may be.
func Rank(r audit.Reach) int {
	if len(r.By) == 0 {
		return 4 * int(ToAnyone+1)
	}
	out := 4 * int(ToAnyone-AudienceOf(audit.Reach{By: r.By[:1]}))
	if r.By[0].Perhaps {
		out += 2
	}
	if r.State == routeros.ServerUnknown {
		out++
	}
	return out
}
