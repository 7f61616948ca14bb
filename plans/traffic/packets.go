package traffic

import (
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Packets returns the packets that some of the matches cover when they come to the filter. What
// destination NAT does with them is in the result, which may be empty.
func Packets(classes *space.Space, nat space.Result, matches []Match) space.Set {
	var out space.Set
	for _, m := range matches {
		set := classes.All()
		if number, err := routeros.ParseProtocol(m.Protocol); err == nil {
			set = classes.Protocol(number)
		}
		if m.Ports != nil {
			set = classes.And(set, classes.Arriving(nat, m.Ports))
		}
		if m.IPsecPolicy != "" {
			set = classes.And(set, classes.IPsec())
		}
		out = classes.Or(out, set)
	}
	return out
}

// Translated returns what destination NAT does with packets that it keeps on the router.
func Translated(classes *space.Space, s routeros.Snapshot) space.Result {
	var asked []space.Set
	menu := classes.Family.NAT()
	rows := s.Rules[menu]
	for i := range rows {
		if !rows[i].Disabled() && rows[i].Attrs.Get("to-ports") != "" {
			asked = append(asked, classes.Asks(s, menu, &rows[i]))
		}
	}
	if asked == nil {
		return space.Result{}
	}
	return classes.Walk(s, asked...)
}
