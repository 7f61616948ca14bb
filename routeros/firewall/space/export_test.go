package space

import "github.com/rosknock/rosknock/routeros/firewall"

// InParts is [Space.Openings] for a search that is too wide, whatever its width.
func (s *Space) InParts(search Search) ([]Opening, bool) {
	k := &seeker{Search: &search, space: s}
	return k.inParts()
}

// Unseen is the example on an interface that the router does not show, a member of some lists.
func (e Example) Unseen(kind string, dynamic bool, lists ...string) Example {
	e.Packet.InInterface, e.face = firewall.AnyOther, face{lists, kind, dynamic}
	return e
}

// Forget drops what is known of rules and tables from earlier walks.
func (s *Space) Forget() { clear(s.rows); clear(s.tables) }
