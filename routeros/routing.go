package routeros

import (
	"slices"
	"strings"
)

// VRF is a group of interfaces with a routing table of its own.
type VRF struct {
	Name       string
	Interfaces []string
}

// APN is a profile by which an LTE interface connects.
type APN struct {
	Name         string
	DefaultRoute bool
}

// RouteSource is something that may give the router a default route which is not read.
type RouteSource string

// What may give a default route, beside what [Snapshot.Uplinks] holds.
const (
	ByBGP            RouteSource = "BGP"
	ByOSPF           RouteSource = "OSPF"
	ByAdvertisement  RouteSource = "IPv6 router advertisements"
	ByDetectInternet RouteSource = "detect-internet"
)

// Reaches reports whether the source gives routes of a family.
func (r RouteSource) Reaches(f Family) bool { return r != ByAdvertisement || f == IPv6 }

// routingMenus are the menus of VRFs, LTE profiles and of what gives routes.
func routingMenus() []Menu {
	return []Menu{VRFMenu, LTEAPN, IPv6Settings, DetectInternet, BGPConnection, BGPPeer, OSPFInstance, OSPFNetwork}
}

// routing reads a row of routingMenus (routeros-facts § 15.3).
func (s *Snapshot) routing(m Menu, row Attributes) {
	if row.Bool("disabled") {
		return
	}
	switch m {
	case VRFMenu:
		if name := row.Get("name"); name != "" && name != "main" {
			s.VRFs = append(s.VRFs, VRF{name, SplitPrefixes(row.Get("interfaces"))})
			if _, known := s.Interface(name); !known {
				s.Interfaces = append(s.Interfaces, Interface{Name: name, Type: "vrf", Dynamic: true})
			}
		}
	case LTEAPN:
		name := row.Get("name")
		if name == "" {
			name = defaultAPN
		}
		no, told := ParseBool(row.Get("add-default-route"))
		s.APNs = append(s.APNs, APN{name, no || !told})
	case IPv6Settings:
		s.IPv6Off = row.Bool("disable-ipv6")
		accepts, forwards := row.Get("accept-router-advertisements"), row.Get("forward")
		off, _ := ParseBool(forwards)
		off = !off && forwards != "" // forward is on by default
		if yes, _ := ParseBool(accepts); yes || off && (accepts == "" || accepts == "yes-if-forwarding-disabled") {
			s.source(ByAdvertisement, !row.Bool("disable-ipv6"))
		}
	case DetectInternet:
		list := row.Get("detect-interface-list")
		s.source(ByDetectInternet, list != "" && list != "none")
	case BGPConnection, BGPPeer:
		s.source(ByBGP, row.Get("name") != "" || row.Has("remote.address") || row.Has("remote-address"))
	case OSPFNetwork:
		s.source(ByOSPF, row.Get("network") != "")
	case OSPFInstance:
		s.source(ByOSPF, row.Get("name") != "" && row.Get("name") != "default") // RouterOS 6 has a default one
	}
}

const defaultAPN = "default"

func (s *Snapshot) source(r RouteSource, is bool) {
	if is && !slices.Contains(s.RouteSources, r) {
		s.RouteSources = append(s.RouteSources, r)
	}
}

// lteRoutes reports whether an LTE interface gets a default route, as far as its profiles tell.
func (s *Snapshot) lteRoutes(row Attributes) bool {
	names := row.Get("apn-profiles")
	if names == "" {
		names = defaultAPN
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(s.APNs, func(a APN) bool { return a.Name == name })
		if i < 0 || s.APNs[i].DefaultRoute {
			return true
		}
	}
	return false
}

// routingRows are rows of routingMenus that say what the snapshot knows.
func (s Snapshot) routingRows(m Menu) []Attributes {
	var out []Attributes
	switch m {
	case VRFMenu:
		for _, v := range s.VRFs {
			out = append(out, MakeAttributes("name", v.Name, "interfaces", JoinPrefixes(v.Interfaces)))
		}
	case LTEAPN:
		for _, a := range s.APNs {
			out = append(out, MakeAttributes("name", a.Name, "add-default-route", FormatBool(a.DefaultRoute)))
		}
	}
	rows := map[RouteSource]struct {
		menu Menu
		row  Attributes
	}{
		ByAdvertisement:  {IPv6Settings, MakeAttributes("accept-router-advertisements", "yes")},
		ByDetectInternet: {DetectInternet, MakeAttributes("detect-interface-list", "all")},
		ByBGP:            {BGPConnection, MakeAttributes("name", "bgp1")},
		ByOSPF:           {OSPFInstance, MakeAttributes("name", "ospf1")},
	}
	if m == IPv6Settings && s.IPv6Off {
		return []Attributes{MakeAttributes("disable-ipv6", "yes")}
	}
	for _, r := range s.RouteSources {
		if rows[r].menu == m {
			out = append(out, rows[r].row)
		}
	}
	return out
}
