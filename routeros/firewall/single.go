package firewall

import "time"

// Meets holds a packet that arrives against one condition. The answer is known only where the
// packet, the lists and the time settle it.
func (w *Firewall) Meets(c Condition, p Packet, lists Lists, at time.Time) (meets, known bool) {
	return c.holds(&walk{world: w, packet: p, family: p.Family(), lists: lists, at: at, toRouter: true})
}

// MeetsSent is [Firewall.Meets] for a packet that destination NAT has sent away from the router.
func (w *Firewall) MeetsSent(c Condition, p Packet, lists Lists, at time.Time) (meets, known bool) {
	k := &walk{world: w, packet: p, family: p.Family(), lists: lists, at: at, sent: true}
	k.packet.OutInterface, k.leaves = w.Leaves(p.Dst)
	return c.holds(k)
}

func (c *Condition) holds(k *walk) (meets, known bool) {
	a := (&check{c.Test, c.Negated}).on(k)
	return a == yes, a != unknown
}
