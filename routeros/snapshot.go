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
	// Clock is the router's own date and time; zero where it could not be read. It is in the router's zone where that
	// is known by its name, else at its present offset, in a zone without a name.
	Clock time.Time
	// NTP is what keeps the clock right; it is read only when asked for.
	NTP NTPClient

	// Rules holds each rule table that the router has. A missing key means a missing menu: RouterOS
	// 6 without the ipv6 package has no /ipv6/firewall/filter.
	Rules map[Menu][]Rule
	// Entries holds the rows of both families' address lists, under their menus.
	Entries  map[Menu][]ListEntry
	Services []Service

	Interfaces     []Interface
	InterfaceLists []InterfaceList
	ListMembers    []ListMember
	Addresses      []InterfaceAddress
	Active         []ActiveUser
}

// NTPClient is what /system/ntp/client says of itself.
type NTPClient struct {
	// Known says that it was read, Enabled that it is switched on, and Synchronized that it has set the clock by a server.
	Known, Enabled, Synchronized bool
	// State is how it stands, in a few words.
	State string
}

// Interface is one row of /interface.
type Interface struct {
	Name     string
	Type     string // ether, bridge, vlan, pppoe-out, wg, …
	Disabled bool
	Dynamic  bool
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

// Digest is a SHA-256 over everything that a change set rests on and that somebody has set: the
// version, the rules in their order with their ids, list entries, services, interfaces, interface
// lists and addresses. Counters, time-outs that run down, the clock and the dynamic rows of every
// menu are left out: a router on which nobody does anything gets a new address from its provider,
// and clients dial in. So two readings of a router that nobody touched have one digest; what
// follows from rows that came meanwhile has to be proved anew. Values count by meaning, as in
// [Rule.Canonical].
func (s Snapshot) Digest() string {
	h := &digester{to: sha256.New()}
	h.line("rosknock.snapshot/2", s.Version.String())
	for _, f := range Families() {
		for _, m := range []Menu{f.Filter(), f.NAT(), f.Raw()} {
			digestRules(h, m, s.Rules)
		}
		digestEntries(h, f.AddressList(), s.Entries)
	}
	for _, row := range s.Services {
		if !row.Dynamic && !row.Connection {
			h.line("service", row.Name, strconv.Itoa(int(row.Port)), FormatBool(row.Disabled), row.Certificate, fmt.Sprint(canonicalPrefixes(row.From)))
		}
	}
	digestInterfaces(h, s)
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

func digestEntries(h *digester, m Menu, tables map[Menu][]ListEntry) {
	h.line("list", string(m))
	for _, e := range tables[m] {
		if !e.Dynamic {
			h.line(e.ID, e.List, Canonical("address", e.Address), e.Comment, FormatBool(e.Disabled))
		}
	}
}

func digestInterfaces(h *digester, s Snapshot) {
	for _, i := range s.Interfaces {
		if !i.Dynamic {
			h.line("interface", i.Name, i.Type, FormatBool(i.Disabled))
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
