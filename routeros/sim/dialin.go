package sim

import "github.com/rosknock/rosknock/routeros"

// DialIn lets somebody dial in over PPP: an interface of a type such as l2tp-in appears, and joins
// an interface list, that of their PPP profile. Both rows are dynamic, and nobody has changed the
// configuration (routeros-facts § 15).
func (r *Router) DialIn(name, kind, list string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.appears(routeros.InterfaceMenu, "name", name, "type", kind, "disabled", "false", "dynamic", "true", "running", "true")
	r.appears(routeros.ListMembers, "list", list, "interface", name, "disabled", "false", "dynamic", "true")
}

// appears adds a row that the router makes by itself.
func (r *Router) appears(m routeros.Menu, pairs ...string) {
	w := r.loadRow(m, "", pairs...)
	w.dynamic = true
	r.outdate(r.tables.of(m))
	r.notify(r.tables.of(m), w, false)
}
