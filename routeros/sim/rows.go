package sim

import (
	"cmp"
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
		return []routeros.Attributes{q.options.routerBoard()}
	case routeros.License:
		return []routeros.Attributes{q.options.license()}
	case routeros.Resource:
		return []routeros.Attributes{q.options.resource(q.clock.now().Sub(q.booted))}
	case routeros.Clock:
		return []routeros.Attributes{q.clock.row(q.now)}
	case routeros.NTPMenu:
		return []routeros.Attributes{q.options.ntp()}
	case routeros.DeviceMode:
		home := q.options.DeviceMode == "home"
		return []routeros.Attributes{routeros.MakeAttributes("mode", cmp.Or(q.options.DeviceMode, "advanced"), "flagged", routeros.FormatBool(q.options.Flagged), "scheduler", routeros.FormatBool(!home))}
	case routeros.SafeMode:
		return []routeros.Attributes{q.safe.row(q.session, q.options.Knobs.SafeModeByUser)}
	case routeros.UserActive:
		return q.sessions.active(&q.clock)
	}
	var out []routeros.Attributes
	for _, w := range q.tables.of(q.menu).rows {
		if w.hidden == 0 || !q.now.Before(w.shows) {
			out = append(out, q.show(q.menu, w))
		}
	}
	if q.menu == routeros.ServiceMenu && q.options.Version.AtLeast(7, 19) {
		out = append(out, q.sessions.connections()...)
	}
	return out
}

// show prints a row as the menu does (routeros-facts § 2.3, § 3, § 4).
func (r *Router) show(m routeros.Menu, w *row) routeros.Attributes {
	a := w.attrs.With(".id", formatID(w.id))
	now := r.clock.now()
	switch {
	case m.IsRuleTable():
		a = a.Merge(routeros.MakeAttributes("dynamic", routeros.FormatBool(w.dynamic), "bytes", utoa(w.count.bytes), "packets", utoa(w.count.packets)))
		if !w.dynamic {
			a = a.With("invalid", routeros.FormatBool(r.tables.invalid(m, w)))
		}
	case m == routeros.AddressList || m == routeros.AddressList6:
		a = a.Merge(routeros.MakeAttributes("dynamic", routeros.FormatBool(w.dynamic), "creation-time", r.clock.stamp(w.created)))
		if !w.until.IsZero() {
			a = a.With("timeout", left(w, now))
		}
	case m == routeros.Connection || m == routeros.Connection6:
		a = a.With("timeout", left(w, now))
	case m == routeros.Scheduler:
		a = a.With("run-count", itoa(w.runs))
		if !w.next.IsZero() {
			a = a.With("next-run", r.clock.nextRunText(w.next, now))
		}
	case m == routeros.Script:
		a = a.Merge(routeros.MakeAttributes("run-count", itoa(w.runs), "invalid", "false"))
		if w.runs > 0 {
			a = a.With("last-started", r.clock.stamp(w.next))
		}
	case m == routeros.InterfaceMenu && r.tables.slave(w):
		a = a.With("slave", "true")
	case m == routeros.Route || m == routeros.Route6:
		a = a.With("static", routeros.FormatBool(!w.dynamic))
	case m == routeros.Address || m == routeros.Address6:
		a = r.tables.showAddress(a, r.options.Version)
	case m == routeros.Log:
		a = a.With("time", r.clock.short(w.created, now))
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

// ntp is /system/ntp/client: RouterOS 7 has a status, the simple client of RouterOS 6 shows the
// last answer that it used (MikroTik's manual, NTP).
func (o *Options) ntp() routeros.Attributes {
	on := o.NTP != ""
	synchronized := o.NTP == "synchronized"
	a := routeros.MakeAttributes("enabled", routeros.FormatBool(on), "mode", "unicast")
	if o.Version.Major < 7 {
		a = a.Merge(routeros.MakeAttributes("primary-ntp", "192.0.2.123", "secondary-ntp", "0.0.0.0", "server-dns-names", "", "poll-interval", "15m"))
		if synchronized {
			a = a.Merge(routeros.MakeAttributes("active-server", "192.0.2.123", "last-update-from", "192.0.2.123", "last-update-before", "1m10s", "last-adjustment", "2ms"))
		}
		return a
	}
	a = a.Merge(routeros.MakeAttributes("servers", "192.0.2.123", "vrf", "main", "freq-drift", "0", "status", cmp.Or(o.NTP, "stopped")))
	if synchronized {
		a = a.Merge(routeros.MakeAttributes("synced-server", "192.0.2.123", "synced-stratum", "2", "system-offset", "0.4"))
	}
	return a
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
	t := r.tables.of(routeros.Log)
	t.append("topics", topics, "message", message).created = r.clock.wall(r.clock.now())
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
	now := r.clock.now()
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
		r.fasttrack(r.tables.of(menu)) // now that every id is taken that a rule has
	}
	for menu, entries := range s.Entries {
		for _, e := range entries {
			r.loadEntry(menu, e, now)
		}
	}
	r.tables.loadServices(s.Services)
	r.outdated = true
	return nil
}

func (r *Router) loadRow(m routeros.Menu, id string, pairs ...string) *row {
	t := r.tables.of(m)
	w := t.append(pairs...)
	w.count, w.created = &counters{}, r.clock.wall(r.clock.now())
	if n, ok := parseID(id); ok {
		w.id = n
		t.next = max(t.next, n+1)
	}
	return w
}

func (r *Router) loadEntry(m routeros.Menu, e routeros.ListEntry, now time.Time) {
	w := &row{attrs: routeros.MakeAttributes("list", e.List, "address", e.Address, "disabled", routeros.FormatBool(e.Disabled)), dynamic: e.Dynamic, created: r.clock.wall(now)}
	if e.Comment != "" {
		w.attrs = w.attrs.With("comment", e.Comment)
	}
	if e.Timed {
		w.until, w.dynamic = now.Add(e.Timeout), true
		r.ends(w.until)
	}
	t := r.tables.of(m)
	t.insert(len(t.rows), w)
	if n, ok := parseID(e.ID); ok {
		w.id = n
		t.next = max(t.next, n+1)
	}
}

func (t tables) loadServices(services []routeros.Service) {
	rows := t.of(routeros.ServiceMenu).rows
	for _, s := range services {
		i := slices.IndexFunc(rows, func(w *row) bool { return w.get("name") == s.Name })
		if i < 0 || s.Dynamic || s.Connection {
			continue
		}
		a := rows[i].attrs.With("port", itoa(int(s.Port))).With("disabled", routeros.FormatBool(s.Disabled)).With("address", routeros.JoinPrefixes(s.From))
		if s.VRF != "" {
			a = a.With("vrf", s.VRF)
		}
		if s.Certificate != "" {
			a = a.With("certificate", s.Certificate)
		}
		rows[i].attrs = a
	}
}

// Snapshot returns what is on the router now, ids included.
func (r *Router) Snapshot() routeros.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot(r.expire())
}

func (r *Router) snapshot(now time.Time) routeros.Snapshot {
	s := r.tables.filtered(&r.options)
	s.Identity, s.Version, s.Board, s.Arch = r.identity, r.options.Version, r.options.Board, "x86_64"
	s.Uptime, s.Clock = now.Sub(r.booted), r.clock.wall(now).In(r.options.Zone)
	if r.options.Board == cloudRouter {
		s.Serial = routeros.ReadSerial(nil, []routeros.Attributes{r.options.license()})
	} else {
		s.Serial = routeros.ReadSerial([]routeros.Attributes{r.options.routerBoard()}, []routeros.Attributes{r.options.license()})
	}
	s.Entries = map[routeros.Menu][]routeros.ListEntry{}
	for _, f := range routeros.Families() {
		for _, w := range r.tables.of(f.AddressList()).rows {
			s.Entries[f.AddressList()] = append(s.Entries[f.AddressList()], routeros.ReadListEntry(r.show(f.AddressList(), w)))
		}
	}
	for _, w := range r.tables.of(routeros.ServiceMenu).rows {
		s.Services = append(s.Services, routeros.ReadService(r.show(routeros.ServiceMenu, w)))
	}
	for _, m := range routeros.NetworkMenus() {
		for _, w := range r.tables.of(m).rows {
			s.Learn(m, w.attrs)
		}
	}
	r.tables.readServers(&s)
	for _, a := range r.sessions.active(&r.clock) {
		s.Active = append(s.Active, routeros.ActiveUser{Name: a.Get("name"), Address: a.Get("address"), Via: a.Get("via")})
	}
	return s
}

// cloudRouter and personalComputer are the boards of a virtual machine and of a PC.
const (
	cloudRouter      = "CHR"
	personalComputer = "x86"
)

// routerBoard is /system/routerboard, which only MikroTik's own hardware has something to say in
// (routeros-facts § 8).
func (o *Options) routerBoard() routeros.Attributes {
	if o.Board == personalComputer {
		return routeros.MakeAttributes("routerboard", "false")
	}
	version := o.Version.String()
	return routeros.MakeAttributes("routerboard", "true", "model", o.Board, "serial-number", o.Serial, "current-firmware", version, "upgrade-firmware", version)
}

// license is /system/license.
func (o *Options) license() routeros.Attributes {
	if o.Board == cloudRouter {
		return routeros.MakeAttributes("system-id", o.Serial, "level", "free")
	}
	return routeros.MakeAttributes("software-id", o.Serial, "nlevel", "4", "features", "")
}

// resource is /system/resource (routeros-facts § 8).
func (o *Options) resource(uptime time.Duration) routeros.Attributes {
	v := o.Version
	channel := "stable"
	switch v.Stage {
	case "alpha", "beta":
		channel = "development"
	case "rc":
		channel = "testing"
	}
	return routeros.MakeAttributes("uptime", routeros.FormatDuration(uptime.Truncate(time.Second)),
		"version", v.String()+" ("+channel+")", "board-name", o.Board, "platform", "MikroTik", "architecture-name", "x86_64",
		"cpu", "QEMU", "cpu-count", "1", "cpu-load", "1", "free-memory", "134217728", "total-memory", "268435456",
		"free-hdd-space", "67108864", "total-hdd-space", "134217728")
}
