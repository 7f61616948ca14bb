package routeros

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Snapshot is what was read from one router at one moment. It is a value: nothing in it changes
// when the router does. Tables hold their rows in the router's order, dynamic rows included.
type Snapshot struct {
	Identity string
	Version  Version
	Board    string
	Arch     string
	// Serial tells the box from every other one, see [ReadSerial]; "" where it tells none. It is no
	// part of the digest: what is computed for a router rests on what is set there.
	Serial string
	Uptime time.Duration
	// Clock is the router's own date and time; zero where it could not be read. It is in the
	// router's zone where that is known by its name, else at its present offset, in a zone without
	// a name.
	Clock time.Time
	// NTP is the state of the NTP client; it is read only on request.
	NTP NTPClient

	// Rules holds each rule table that the router has. A missing key means a missing menu: RouterOS
	// 6 without the ipv6 package has no /ipv6/firewall/filter.
	Rules map[Menu][]Rule
	// Entries holds the rows of both families' address lists, under their menus.
	Entries map[Menu][]ListEntry
	// PartlyRead has a key for each menu of address lists that was too large to be read whole: its
	// entries are those of some lists. Who looks for an entry has to ask [Snapshot.ReadsList], too.
	PartlyRead map[Menu]ListReading
	Services   []Service

	Interfaces     []Interface
	InterfaceLists []InterfaceList
	ListMembers    []ListMember
	Addresses      []InterfaceAddress
	Active         []ActiveUser

	// Uplinks are the default routes that clients of DHCP, PPP and LTE get, and the static ones.
	// Those of routing protocols are not read.
	Uplinks []Uplink
	// RouteSources may give default routes that are not among the uplinks.
	RouteSources []RouteSource
	VRFs         []VRF
	APNs         []APN
	// VPNServers are the VPN servers, those that are switched off too.
	VPNServers []VPNServer
	// Settings are the rows of [ServerMenus]; nil where they were not read. They are no part of the
	// digest.
	Settings map[Menu][]Attributes
	// IPv6Off says that IPv6 is switched off as a whole, in /ipv6/settings.
	IPv6Off bool
	// Peers are the far ends of tunnels. They come and go, so they are no part of the digest.
	Peers    []Peer
	Tracking Tracking
	// Untold are menus that the user may not read, see [Snapshot.Tells], and those of
	// [SerialMenus] that failed, see [Snapshot.SerialUntold].
	Untold []Menu

	// VersionAssumed says that an export does not name its version: Version is then what is taken
	// for it.
	VersionAssumed bool
	// Partial is the menu under which all stands that an export shows; nothing is known of menus
	// elsewhere. Empty is a whole export, or a live router.
	Partial Menu
	// Unread are the rows of an export that could not be read, though they stand in menus that
	// decide who reaches the router: what they do is not known. A live router has none.
	Unread []UnreadRow
}

// UnreadRow is a piece of an export that could not be read.
type UnreadRow struct {
	Line int // from 1
	Menu Menu
	Why  string
}

// String names the row and says why it could not be read.
func (u UnreadRow) String() string { return fmt.Sprintf("line %d, %s: %s", u.Line, u.Menu, u.Why) }

// NTPClient is what /system/ntp/client shows.
type NTPClient struct {
	// Known says that it was read, Enabled that it is switched on, and Synchronized that it has set
	// the clock by a server.
	Known, Enabled, Synchronized bool
	// State is its state as text.
	State string
}

// Interface is one row of /interface.
type Interface struct {
	Name     string
	Type     string // ether, bridge, vlan, pppoe-out, wg, …
	Disabled bool
	Dynamic  bool
	// Slave is a port of a bridge or a bond; see [Interface.Receives].
	Slave bool
}

// InterfaceList is one row of /interface/list: its members are those of ListMember, plus those of
// the lists in Include, less those of the lists in Exclude. The router's own all, none, dynamic
// and static need no members.
type InterfaceList struct {
	Name    string
	Include []string
	Exclude []string
	Dynamic bool
}

// ListMember is one row of /interface/list/member.
type ListMember struct {
	List      string
	Interface string
	Disabled  bool
	Dynamic   bool // such as that of a client who dials in, by the profile
}

// InterfaceAddress is one row of /ip/address or /ipv6/address.
type InterfaceAddress struct {
	Prefix    netip.Prefix // the address with the length of its network, host bits kept
	Interface string
	Disabled  bool
	Dynamic   bool // from DHCP, PPP or a router advertisement
}

// ActiveUser is one row of /user/active.
type ActiveUser struct {
	Name    string
	Address string
	Via     string // api, api-ssl, winbox, ssh, console, …
}

// HasMenu reports whether the router has this rule table.
func (s Snapshot) HasMenu(m Menu) bool {
	_, ok := s.Rules[m]
	return ok
}

// HasInterfaceList reports whether an interface list of that name exists; all, none, dynamic and
// static always do.
func (s Snapshot) HasInterfaceList(name string) bool {
	switch name {
	case "all", "none", "dynamic", "static":
		return true
	}
	return slices.ContainsFunc(s.InterfaceLists, func(l InterfaceList) bool { return l.Name == name })
}

// Interface returns the interface of a name.
func (s Snapshot) Interface(name string) (Interface, bool) {
	for _, row := range s.Interfaces {
		if row.Name == name {
			return row, true
		}
	}
	return Interface{}, false
}

// Service returns the static row of a service. Dynamic rows of the same name, which are listed for
// every connection from 7.19 on, are never it (routeros-facts § 4).
func (s Snapshot) Service(name string) (Service, bool) {
	for _, row := range s.Services {
		if row.Name == name && !row.Dynamic && !row.Connection {
			return row, true
		}
	}
	return Service{}, false
}

// Digest is a SHA-256 over the configuration on which a change set depends: the version, the rules
// in their order with their ids, list entries, services, interfaces, interface lists and addresses.
// Counters, remaining time-outs, the clock and the dynamic rows of every menu are left out: even
// without an administrator, a router gets a new address from its provider, and clients dial in. So
// two readings of a router that nobody touched have one digest; the effect of new dynamic rows has
// to be proved again. Values count by meaning, as in [Rule.Canonical].
func (s Snapshot) Digest() string {
	h := &digester{to: sha256.New()}
	h.line("rosknock.snapshot/2", s.Version.String())
	for _, f := range Families() {
		for _, m := range []Menu{f.Filter(), f.NAT(), f.Raw()} {
			digestRules(h, m, s.Rules)
		}
		digestEntries(h, f, s)
	}
	for _, row := range s.Services {
		if !row.Dynamic && !row.Connection {
			h.line("service", row.Name, strconv.Itoa(int(row.Port)), FormatBool(row.Disabled), row.Certificate, fmt.Sprint(canonicalPrefixes(row.From)))
		}
	}
	digestInterfaces(h, s)
	digestNetwork(h, s)
	return "sha256:" + hex.EncodeToString(h.sum())
}

func digestRules(h *digester, m Menu, tables map[Menu][]Rule) {
	rules, ok := tables[m]
	h.line("table", string(m), FormatBool(ok))
	for _, r := range rules {
		if r.Dynamic {
			continue
		}
		h.line("rule", r.ID)
		for name, value := range r.Canonical().All() {
			h.line(name, value)
		}
	}
}

// digestEntries is over all entries. Of a menu that was not read whole it is over the lists that
// rules on the way to the router name, list by list and without their comments, and over the number
// of all entries: that is the same for every reading, no matter for which plan.
func digestEntries(h *digester, f Family, s Snapshot) {
	m := f.AddressList()
	h.line("list", string(m))
	reading, partly := s.PartlyRead[m]
	if !partly {
		for _, e := range s.Entries[m] {
			if !e.Dynamic {
				h.line(e.ID, e.List, Canonical("address", e.Address), e.Comment, FormatBool(e.Disabled))
			}
		}
		return
	}
	own, others := s.Needed(f, ListScope{InputOnly: true})
	lists, all := map[string][]int{}, reading.Unread
	for i := range s.Entries[m] {
		if e := &s.Entries[m][i]; !e.Dynamic {
			lists[e.List], all = append(lists[e.List], i), all+1
		}
	}
	h.line("counted", strconv.Itoa(all))
	for _, list := range slices.Sorted(slices.Values(slices.Concat(own, others))) {
		for _, i := range lists[list] {
			e := &s.Entries[m][i]
			h.line(e.ID, e.List, Canonical("address", e.Address), FormatBool(e.Disabled))
		}
	}
}

func digestInterfaces(h *digester, s Snapshot) {
	for _, i := range s.Interfaces {
		if !i.Dynamic {
			h.line("interface", i.Name, i.Type, FormatBool(i.Disabled))
		}
		if i.Slave {
			h.line("slave", i.Name)
		}
	}
	for _, l := range s.InterfaceLists {
		if !l.Dynamic {
			h.line("interface-list", l.Name, fmt.Sprint(l.Include), fmt.Sprint(l.Exclude))
		}
	}
	for _, m := range s.ListMembers {
		if !m.Dynamic {
			h.line("member", m.List, m.Interface, FormatBool(m.Disabled))
		}
	}
	for _, a := range s.Addresses {
		if !a.Dynamic {
			h.line("address", a.Prefix.String(), a.Interface, FormatBool(a.Disabled))
		}
	}
}

// digestNetwork: what strangers come in by, and where VPNs listen.
func digestNetwork(h *digester, s Snapshot) {
	for _, u := range s.Uplinks {
		if u.Gateway != "" {
			u.Interface = "" // it follows from the addresses, which change by themselves
		}
		if !u.Dynamic {
			h.line("uplink", u.Family.String(), u.Interface, string(u.Menu), u.Gateway)
		}
	}
	for _, v := range s.VPNServers {
		h.line("vpn", v.Kind, v.Name, v.Protocol, strconv.Itoa(int(v.Port)), FormatBool(v.Disabled))
	}
	if s.IPv6Off {
		h.line("ipv6", "off")
	}
	for _, v := range s.VRFs {
		h.line("vrf", v.Name, fmt.Sprint(v.Interfaces))
	}
	if s.Tracking == TrackingOff {
		h.line("tracking", string(s.Tracking))
	}
}

// digester hashes lines of fields.
type digester struct {
	to      hash.Hash
	pending []byte
}

// line writes fields with their lengths, so that no two lists of fields share an encoding.
func (d *digester) line(fields ...string) {
	b := d.pending
	for _, f := range fields {
		b = strconv.AppendInt(b, int64(len(f)), 10)
		b = append(append(append(b, ':'), f...), ',')
	}
	if d.pending = append(b, '\n'); len(d.pending) > 4<<10 {
		d.flush()
	}
}

func (d *digester) flush() {
	d.to.Write(d.pending)
	d.pending = d.pending[:0]
}

func (d *digester) sum() []byte {
	d.flush()
	return d.to.Sum(nil)
}
