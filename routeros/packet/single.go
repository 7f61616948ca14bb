package packet

import "time"

// Matches holds a packet against one matcher of a rule, by the name and value that it has there. The
// answer is known only where the packet, the lists and the time settle it. What is no matcher
// matches.
func (w *World) Matches(name, value string, p Packet, lists Lists, at time.Time) (matches, known bool) {
	return w.holds(name, value, &walk{world: w, packet: p, family: p.Family(), lists: lists, at: at, toRouter: true})
}

// MatchesSent is [World.Matches] for a packet that destination NAT has sent away from the router.
func (w *World) MatchesSent(name, value string, p Packet, lists Lists, at time.Time) (matches, known bool) {
	k := &walk{world: w, packet: p, family: p.Family(), lists: lists, at: at, sent: true}
	k.packet.OutInterface, k.leaves = w.Leaves(p.Dst)
	return w.holds(name, value, k)
}

func (w *World) holds(name, value string, k *walk) (matches, known bool) {
	m, ok := w.matcher(name, value)
	if !ok {
		return true, true
	}
	a := m.test(k)
	return a == yes, a != unknown
}

// IsMatcher reports whether an attribute of a rule decides which packets it matches.
func IsMatcher(name string) bool { return classify(name) != notMatcher }
