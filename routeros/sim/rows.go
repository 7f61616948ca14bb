package sim

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// rows returns what print shows of the request's menu.
func (q *request) rows() []routeros.Attributes {
	switch q.menu {
	case routeros.Identity:
		return []routeros.Attributes{routeros.MakeAttributes("name", q.identity)}
	case routeros.RouterBoard:
		return []routeros.Attributes{q.routerBoard()}
	case routeros.License:
		return []routeros.Attributes{q.license()}
	case routeros.Resource:
		return []routeros.Attributes{q.resource()}
	case routeros.Clock:
		return []routeros.Attributes{q.clock()}
	case routeros.NTPMenu:
		return []routeros.Attributes{q.ntp()}
	case routeros.DeviceMode:
		home := q.options.DeviceMode == "home"
		return []routeros.Attributes{routeros.MakeAttributes("mode", cmp.Or(q.options.DeviceMode, "advanced"), "flagged", routeros.FormatBool(q.options.Flagged), "scheduler", routeros.FormatBool(!home))}
	case routeros.SafeMode:
		return []routeros.Attributes{q.safeModeRow()}
	case routeros.UserActive:
		return q.active()
	}
	var out []routeros.Attributes
	for _, w := range q.table(q.menu).rows {
		if w.hidden == 0 || !q.now.Before(w.shows) {
			out = append(out, q.show(q.menu, w))
		}
	}
	if q.menu == routeros.ServiceMenu && q.options.Version.AtLeast(7, 19) {
		out = append(out, q.connections()...)
	}
	return out
}

// show prints a row as the menu does (routeros-facts § 2.3, § 3, § 4).
func (r *Router) show(m routeros.Menu, w *row) routeros.Attributes {
	a := w.attrs.With(".id", formatID(w.id))
	now := r.options.Now()
	switch {
	case m.IsRuleTable():
		a = a.Merge(routeros.MakeAttributes("dynamic", routeros.FormatBool(w.dynamic), "bytes", utoa(w.count.bytes), "packets", utoa(w.count.packets)))
		if !w.dynamic {
			a = a.With("invalid", routeros.FormatBool(r.invalid(m, w)))
		}
	case m == routeros.AddressList || m == routeros.AddressList6:
		a = a.Merge(routeros.MakeAttributes("dynamic", routeros.FormatBool(w.dynamic), "creation-time", r.stamp(w.created)))
		if !w.until.IsZero() {
			a = a.With("timeout", left(w, now))
		}
	case m == routeros.Connection || m == routeros.Connection6:
		a = a.With("timeout", left(w, now))
	case m == routeros.Scheduler:
		a = a.With("run-count", itoa(w.runs))
		if !w.next.IsZero() {
			a = a.With("next-run", r.nextRunText(w.next, now))
		}
	case m == routeros.Script:
		a = a.Merge(routeros.MakeAttributes("run-count", itoa(w.runs), "invalid", "false"))
		if w.runs > 0 {
			a = a.With("last-started", r.stamp(w.next))
		}
	case m == routeros.InterfaceMenu && r.slave(w):
		a = a.With("slave", "true")
	case m == routeros.Route || m == routeros.Route6:
		a = a.With("static", routeros.FormatBool(!w.dynamic))
	case m == routeros.Address || m == routeros.Address6:
		a = r.showAddress(a)
	case m == routeros.Log:
		a = a.With("time", r.short(w.created, now))
	case m == routeros.History:
		a = r.showAction(a, w)
	case m == routeros.ServiceMenu && r.options.Version.AtLeast(7, 24):
		a = a.With("available-from", a.Get("address")).Without("address")
	}
	return a
}

// left prints the remaining time of a row, rounded up, so that a living row never shows zero.
func left(w *row, now time.Time) string {
	return routeros.FormatDuration((w.until.Sub(now) + time.Second - 1).Truncate(time.Second))
}

// slave reports whether an interface is a port: of a bridge, or as it was loaded.
func (r *Router) slave(w *row) bool {
	return w.attrs.Bool("slave") || r.bridgeOf(w.get("name")) != ""
}

// bridgeOf is the bridge of which an interface is a port; nothing when it is none.
func (r *Router) bridgeOf(name string) string {
	for _, w := range r.table(routeros.BridgePorts).rows {
		if w.get("interface") == name && !w.attrs.Bool("disabled") {
			return w.get("bridge")
		}
	}
	return ""
}

// showAddress adds to an address what follows from it and from its interface (routeros-facts § 15).
func (r *Router) showAddress(a routeros.Attributes) routeros.Attributes {
	name := a.Get("interface")
	bridge := r.bridgeOf(name)
	w := r.named(routeros.InterfaceMenu, name)
	out := routeros.MakeAttributes("actual-interface", cmp.Or(bridge, name), "invalid", routeros.FormatBool(w == nil), "dynamic", "false", "disabled", "false").Merge(a)
	if prefix, err := netip.ParsePrefix(a.Get("address")); err == nil && prefix.Addr().Is4() && !a.Has("network") {
		out = out.With("network", prefix.Masked().Addr().String())
	}
	if r.options.Version.AtLeast(7, 23) {
		out = out.With("slave", routeros.FormatBool(bridge != "")).With("vrf", "main")
	}
	return out
}

// invalid is true for jumps to an empty chain and rules without an action, as they were seen
// (routeros-facts § 2.3).
func (r *Router) invalid(m routeros.Menu, w *row) bool {
	target, jumps := w.attrs.Lookup("jump-target")
	return !w.attrs.Has("action") ||
		jumps && !slices.ContainsFunc(r.table(m).rows, func(x *row) bool { return x.get("chain") == target })
}

// ntp is /system/ntp/client: RouterOS 7 has a status, the simple client of RouterOS 6 shows the
// last answer that it used (MikroTik's manual, NTP).
func (r *Router) ntp() routeros.Attributes {
	on := r.options.NTP != ""
	synchronized := r.options.NTP == "synchronized"
	a := routeros.MakeAttributes("enabled", routeros.FormatBool(on), "mode", "unicast")
	if r.options.Version.Major < 7 {
		a = a.Merge(routeros.MakeAttributes("primary-ntp", "192.0.2.123", "secondary-ntp", "0.0.0.0", "server-dns-names", "", "poll-interval", "15m"))
		if synchronized {
			a = a.Merge(routeros.MakeAttributes("active-server", "192.0.2.123", "last-update-from", "192.0.2.123", "last-update-before", "1m10s", "last-adjustment", "2ms"))
		}
		return a
	}
	a = a.Merge(routeros.MakeAttributes("servers", "192.0.2.123", "vrf", "main", "freq-drift", "0", "status", cmp.Or(r.options.NTP, "stopped")))
	if synchronized {
		a = a.Merge(routeros.MakeAttributes("synced-server", "192.0.2.123", "synced-stratum", "2", "system-offset", "0.4"))
	}
	return a
}

// resource is /system/resource (routeros-facts § 8).
func (r *Router) resource() routeros.Attributes {
	v := r.options.Version
	channel := "stable"
	switch v.Stage {
	case "alpha", "beta":
		channel = "development"
	case "rc":
		channel = "testing"
	}
	return routeros.MakeAttributes("uptime", routeros.FormatDuration(r.options.Now().Sub(r.booted).Truncate(time.Second)),
		"version", v.String()+" ("+channel+")", "board-name", r.options.Board, "platform", "MikroTik", "architecture-name", "x86_64",
		"cpu", "QEMU", "cpu-count", "1", "cpu-load", "1", "free-memory", "134217728", "total-memory", "268435456",
		"free-hdd-space", "67108864", "total-hdd-space", "134217728")
}

func (r *Router) active() []routeros.Attributes {
	var out []routeros.Attributes
	for s := range r.sessions {
		if s.user != "" {
			row := routeros.MakeAttributes(".id", formatID(s.number), "when", r.stamp(s.since), "name", s.user, "via", s.service, "group", s.group, "radius", "false")
			if s.remote.IsValid() || s.conn != nil {
				row = row.With("address", s.remote.Addr().String())
			}
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b routeros.Attributes) int {
		return strings.Compare(a.Get("when")+a.Get(".id"), b.Get("when")+b.Get(".id"))
	})
	return out
}

// connections are the rows of /ip/service for open sessions, from 7.19 on (routeros-facts § 4).
func (r *Router) connections() []routeros.Attributes {
	var out []routeros.Attributes
	for s := range r.sessions {
		if s.conn == nil {
			continue // it came by no port
		}
		port, _ := routeros.KnownService(s.service)
		out = append(out, routeros.MakeAttributes(".id", formatID(connectionID(s)), "name", s.service, "port", itoa(int(port)), "proto", "tcp",
			"disabled", "false", "invalid", "false", "dynamic", "true", "connection", "true", "local", s.local, "remote", s.remote.String()))
	}
	slices.SortFunc(out, func(a, b routeros.Attributes) int { return strings.Compare(a.Get(".id"), b.Get(".id")) })
	return out
}

// connectionID keeps connection rows apart from static ones.
func connectionID(s *session) uint32 { return 0x80000000 + s.number }

func (q *request) isConnectionRow(selector string) bool {
	id, ok := parseID(selector)
	if !ok {
		return false
	}
	for s := range q.sessions {
		if connectionID(s) == id {
			return q.options.Version.AtLeast(7, 19)
		}
	}
	return false
}

// logout ends sessions of /user/active.
func (q *request) logout(selector string) *trap {
	for part := range strings.SplitSeq(selector, ",") {
		id, ok := parseID(part)
		found := false
		for s := range q.sessions {
			if ok && s.number == id && s.user != "" {
				q.end(s)
				found = true
			}
		}
		if !found {
			return noSuchItem()
		}
	}
	return nil
}

// log writes a row of /log and keeps the last hundred.
func (r *Router) log(topics, message string) {
	t := r.table(routeros.Log)
	t.append("topics", topics, "message", message).created = r.wall(r.options.Now())
	if len(t.rows) > 100 {
		t.delete(0)
	}
}

// Load fills the router from a snapshot, such as one of an export: rows are added to what is there,
// services and the identity are set. Ids are kept where the snapshot has them, so load into a fresh
// router only.
func (r *Router) Load(s routeros.Snapshot) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Identity != "" {
		r.identity = s.Identity
	}
	now := r.options.Now()
	ports := 0
	for _, i := range s.Interfaces {
		w := r.loadRow(routeros.InterfaceMenu, "", "name", i.Name, "type", i.Type, "disabled", routeros.FormatBool(i.Disabled), "dynamic", routeros.FormatBool(i.Dynamic), "running", routeros.FormatBool(!i.Disabled))
		if i.Slave {
			w.attrs = w.attrs.With("slave", "true")
		}
		if i.Type == "ether" {
			ports++
			w.attrs = w.attrs.With("default-name", "ether"+itoa(ports))
		}
	}
	for _, l := range s.InterfaceLists {
		r.loadRow(routeros.InterfaceLists, "", "name", l.Name, "include", strings.Join(l.Include, ","), "exclude", strings.Join(l.Exclude, ","), "builtin", "false", "dynamic", routeros.FormatBool(l.Dynamic))
	}
	for _, m := range s.ListMembers {
		r.loadRow(routeros.ListMembers, "", "list", m.List, "interface", m.Interface, "disabled", routeros.FormatBool(m.Disabled), "dynamic", routeros.FormatBool(m.Dynamic))
	}
	for _, a := range s.Addresses {
		menu := routeros.Address
		if a.Prefix.Addr().Is6() {
			menu = routeros.Address6
		}
		r.loadRow(menu, "", "address", a.Prefix.String(), "interface", a.Interface, "disabled", routeros.FormatBool(a.Disabled), "dynamic", routeros.FormatBool(a.Dynamic))
	}
	for _, m := range routeros.NetworkMenus() {
		for _, row := range s.NetworkRows(m) {
			r.loadRow(m, "").attrs = row
		}
	}
	r.loadServers(s)
	for menu, rules := range s.Rules {
		for _, rule := range rules {
			w := r.loadRow(menu, rule.ID)
			w.attrs, w.dynamic, w.builtin = rule.Attrs, rule.Dynamic, rule.Dynamic
		}
		r.fasttrack(r.table(menu)) // now that every id is taken that a rule has
	}
	for menu, entries := range s.Entries {
		for _, e := range entries {
			r.loadEntry(menu, e, now)
		}
	}
	r.loadServices(s.Services)
	r.outdated = true
	return nil
}

func (r *Router) loadRow(m routeros.Menu, id string, pairs ...string) *row {
	t := r.table(m)
	w := t.append(pairs...)
	w.count, w.created = &counters{}, r.wall(r.options.Now())
	if n, ok := parseID(id); ok {
		w.id = n
		t.next = max(t.next, n+1)
	}
	return w
}

func (r *Router) loadEntry(m routeros.Menu, e routeros.ListEntry, now time.Time) {
	w := &row{attrs: routeros.MakeAttributes("list", e.List, "address", e.Address, "disabled", routeros.FormatBool(e.Disabled)), dynamic: e.Dynamic, created: r.wall(now)}
	if e.Comment != "" {
		w.attrs = w.attrs.With("comment", e.Comment)
	}
	if e.Timed {
		w.until, w.dynamic = now.Add(e.Timeout), true
		r.ends(w.until)
	}
	t := r.table(m)
	t.insert(len(t.rows), w)
	if n, ok := parseID(e.ID); ok {
		w.id = n
		t.next = max(t.next, n+1)
	}
}

func (r *Router) loadServices(services []routeros.Service) {
	t := r.table(routeros.ServiceMenu)
	for _, s := range services {
		i := slices.IndexFunc(t.rows, func(w *row) bool { return w.get("name") == s.Name })
		if i < 0 || s.Dynamic || s.Connection {
			continue
		}
		a := t.rows[i].attrs.With("port", itoa(int(s.Port))).With("disabled", routeros.FormatBool(s.Disabled)).With("address", routeros.JoinPrefixes(s.From))
		if s.Certificate != "" {
			a = a.With("certificate", s.Certificate)
		}
		if s.VRF != "" {
			a = a.With("vrf", s.VRF)
		}
		t.rows[i].attrs = a
	}
}

// Snapshot returns what is on the router now, ids included.
func (r *Router) Snapshot() routeros.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot(r.expire())
}

func (r *Router) snapshot(now time.Time) routeros.Snapshot {
	s := r.filtered()
	s.Identity, s.Version, s.Board, s.Arch = r.identity, r.options.Version, r.options.Board, "x86_64"
	s.Uptime, s.Clock = now.Sub(r.booted), r.wall(now).In(r.options.Zone)
	if r.options.Board == cloudRouter {
		s.Serial = routeros.ReadSerial(nil, []routeros.Attributes{r.license()})
	} else {
		s.Serial = routeros.ReadSerial([]routeros.Attributes{r.routerBoard()}, []routeros.Attributes{r.license()})
	}
	s.Entries = map[routeros.Menu][]routeros.ListEntry{}
	for _, f := range routeros.Families() {
		for _, w := range r.table(f.AddressList()).rows {
			s.Entries[f.AddressList()] = append(s.Entries[f.AddressList()], routeros.ReadListEntry(r.show(f.AddressList(), w)))
		}
	}
	for _, w := range r.table(routeros.ServiceMenu).rows {
		s.Services = append(s.Services, routeros.ReadService(r.show(routeros.ServiceMenu, w)))
	}
	for _, m := range routeros.NetworkMenus() {
		for _, w := range r.table(m).rows {
			s.Learn(m, w.attrs)
		}
	}
	r.readServers(&s)
	for _, a := range r.active() {
		s.Active = append(s.Active, routeros.ActiveUser{Name: a.Get("name"), Address: a.Get("address"), Via: a.Get("via")})
	}
	return s
}

// filtered is what of a snapshot decides about packets, but for address lists.
func (r *Router) filtered() routeros.Snapshot {
	s := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{}}
	for _, f := range routeros.Families() {
		for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			if _, ok := r.schema(m); ok {
				s.Rules[m] = r.rules(m)
			}
		}
		s.Addresses = append(s.Addresses, r.addresses(f)...)
	}
	for _, w := range r.table(routeros.InterfaceMenu).rows {
		s.Interfaces = append(s.Interfaces, routeros.Interface{Name: w.get("name"), Type: w.get("type"), Disabled: w.attrs.Bool("disabled"), Dynamic: w.attrs.Bool("dynamic"), Slave: r.slave(w)})
	}
	for _, w := range r.table(routeros.InterfaceLists).rows {
		if !w.builtin {
			s.InterfaceLists = append(s.InterfaceLists, routeros.InterfaceList{Name: w.get("name"), Include: routeros.SplitPrefixes(w.get("include")), Exclude: routeros.SplitPrefixes(w.get("exclude")), Dynamic: w.attrs.Bool("dynamic")})
		}
	}
	for _, w := range r.table(routeros.ListMembers).rows {
		s.ListMembers = append(s.ListMembers, routeros.ListMember{List: w.get("list"), Interface: w.get("interface"), Disabled: w.attrs.Bool("disabled"), Dynamic: w.attrs.Bool("dynamic")})
	}
	return s
}

func (r *Router) rules(m routeros.Menu) []routeros.Rule {
	rows := r.table(m).rows
	out := make([]routeros.Rule, len(rows))
	for i, w := range rows {
		out[i] = routeros.ReadRule(w.attrs)
		out[i].ID, out[i].Dynamic = formatID(w.id), w.dynamic
	}
	return out
}

func (r *Router) addresses(f routeros.Family) []routeros.InterfaceAddress {
	var out []routeros.InterfaceAddress
	for _, w := range r.table(f.Address()).rows {
		if p, err := netip.ParsePrefix(w.get("address")); err == nil {
			out = append(out, routeros.InterfaceAddress{Prefix: p, Interface: w.get("interface"), Disabled: w.attrs.Bool("disabled"), Dynamic: w.attrs.Bool("dynamic")})
		}
	}
	return out
}

// cloudRouter and personalComputer are the boards of a virtual machine and of a PC.
const (
	cloudRouter      = "CHR"
	personalComputer = "x86"
)

// routerBoard is /system/routerboard, which only MikroTik's own hardware has something to say in
// (routeros-facts § 8).
func (r *Router) routerBoard() routeros.Attributes {
	if r.options.Board == personalComputer {
		return routeros.MakeAttributes("routerboard", "false")
	}
	version := r.options.Version.String()
	return routeros.MakeAttributes("routerboard", "true", "model", r.options.Board, "serial-number", r.options.Serial, "current-firmware", version, "upgrade-firmware", version)
}

// license is /system/license.
func (r *Router) license() routeros.Attributes {
	if r.options.Board == cloudRouter {
		return routeros.MakeAttributes("system-id", r.options.Serial, "level", "free")
	}
	return routeros.MakeAttributes("software-id", r.options.Serial, "nlevel", "4", "features", "")
}
