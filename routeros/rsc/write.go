package rsc

import (
	"fmt"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Write prints a snapshot as an export: sections in the router's order, long lines broken as the
// router breaks them, dynamic rows left out. Reading it back gives the same rules, entries,
// services and interface lists.
func Write(s routeros.Snapshot) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# by RouterOS %s\n", s.Version)
	if s.Board != "" {
		fmt.Fprintf(&b, "# model = %s\n", strings.Join(strings.Fields(s.Board), " "))
	}
	section := func(m routeros.Menu, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "%s\n", spaced(m))
		}
		for _, line := range lines {
			fmt.Fprintf(&b, "%s\n", wrap(line))
		}
	}
	for _, i := range s.Interfaces {
		if !i.Dynamic {
			section(routeros.InterfaceMenu+"/"+routeros.Menu(kindMenu(i.Type)), []string{"add " + routeros.MakeAttributes("name", i.Name, "disabled", yesNo(i.Disabled)).String()})
		}
	}
	section(routeros.InterfaceLists, lines(s.InterfaceLists, listLine))
	section(routeros.ListMembers, lines(s.ListMembers, memberLine))
	for _, f := range routeros.Families() {
		section(f.Address(), addressLines(s.Addresses, f))
		section(f.AddressList(), lines(s.Entries[f.AddressList()], entryLine))
		for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			section(m, lines(s.Rules[m], ruleLine))
		}
	}
	for _, m := range routeros.NetworkMenus() {
		if m == routeros.WireGuardPeers || m == routeros.PPPActive || m == routeros.IPsecActive {
			continue // who is connected now is no configuration
		}
		section(m, networkLines(s.NetworkRows(m)))
	}
	section(routeros.BridgePorts, lines(s.Interfaces, portLine))
	section(routeros.ServiceMenu, lines(s.Services, serviceLine))
	section(routeros.Identity, []string{"set name=" + routeros.Quote(s.Identity)})
	return []byte(b.String())
}

func kindMenu(kind string) string {
	switch kind {
	case "ether", "":
		return "ethernet"
	}
	return kind
}

func lines[T any](rows []T, line func(T) string) []string {
	var out []string
	for _, r := range rows {
		if text := line(r); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// spaced is the path in the form of RouterOS 6, which 7 reads as well.
func spaced(m routeros.Menu) string {
	return "/" + strings.ReplaceAll(strings.TrimPrefix(string(m), "/"), "/", " ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Rule prints a rule as the line that adds it: add chain=input action=drop …
func Rule(r routeros.Rule) string {
	head := r.Attrs.Only("chain", "action")
	return strings.TrimRight("add "+head.String()+" "+r.Attrs.Without("chain", "action").String(), " ")
}

func ruleLine(r routeros.Rule) string {
	if r.Dynamic {
		return ""
	}
	return Rule(r)
}

func entryLine(e routeros.ListEntry) string {
	if e.Dynamic && !e.Timed {
		return ""
	}
	return "add " + e.Attributes().String()
}

func listLine(l routeros.InterfaceList) string {
	if l.Dynamic {
		return ""
	}
	row := routeros.MakeAttributes("name", l.Name)
	if len(l.Include) > 0 {
		row = row.With("include", routeros.JoinPrefixes(l.Include))
	}
	if len(l.Exclude) > 0 {
		row = row.With("exclude", routeros.JoinPrefixes(l.Exclude))
	}
	return "add " + row.String()
}

func memberLine(m routeros.ListMember) string {
	if m.Dynamic {
		return ""
	}
	return "add " + routeros.MakeAttributes("list", m.List, "interface", m.Interface, "disabled", yesNo(m.Disabled)).String()
}

func addressLines(addresses []routeros.InterfaceAddress, f routeros.Family) []string {
	var out []string
	for _, a := range addresses {
		if !a.Dynamic && a.Prefix.Addr().Is4() == (f == routeros.IPv4) {
			out = append(out, "add "+routeros.MakeAttributes("address", a.Prefix.String(), "interface", a.Interface, "disabled", yesNo(a.Disabled)).String())
		}
	}
	return out
}

// networkLines set the row of a menu that has one, and add those of the others.
func networkLines(rows []routeros.Attributes) []string {
	return lines(rows, func(row routeros.Attributes) string {
		if row.Has("enabled") {
			return "set " + row.String()
		}
		return "add " + row.String()
	})
}

// portLine makes a port of a bridge of what is one of a bond too: either receives nothing.
func portLine(i routeros.Interface) string {
	if !i.Slave || i.Dynamic {
		return ""
	}
	return "add " + routeros.MakeAttributes("bridge", "bridge", "interface", i.Name).String()
}

func serviceLine(s routeros.Service) string {
	if s.Dynamic || s.Connection {
		return ""
	}
	row := routeros.MakeAttributes("disabled", yesNo(s.Disabled), "port", fmt.Sprint(s.Port), s.FromName, routeros.JoinPrefixes(s.From))
	if s.VRF != "" {
		row = row.With("vrf", s.VRF)
	}
	if s.Certificate != "" {
		row = row.With("certificate", s.Certificate)
	}
	return "set " + s.Name + " " + row.String()
}
