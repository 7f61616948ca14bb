package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/routeros"
)

// abuse is what strangers do with a server that answers them, and what helps. rules is a menu of the
// server's own that may refuse clients, and that is not read; "" for none.
type abuse struct{ why, remedy, rules string }

// abuses are the servers and services, by their names in an audit, that no stranger needs.
func abuses() map[string]abuse {
	drop := "drop it in input for all but your own networks"
	return map[string]abuse{
		"dns":             {why: "an open resolver takes part in attacks on others, and providers block it", remedy: "drop udp/53 and tcp/53 from outside, or set allow-remote-requests=no"},
		"snmp":            {why: "anyone who guesses the community can read how the router and its networks are set up, and forged packets turn its answers on others", remedy: "limit the addresses of the community, or " + drop},
		"ntp":             {why: "forged packets turn its answers on others", remedy: drop},
		"web-proxy":       {why: "strangers browse with your address", remedy: drop + ", or switch the proxy off", rules: "/ip/proxy/access"},
		"socks":           {why: "strangers send mail and attacks with your address", remedy: drop + ", or switch it off", rules: "/ip/socks/access"},
		"bandwidth-test":  {why: "one client fills the line and the CPU", remedy: "/tool/bandwidth-server set enabled=no, or " + drop},
		"upnp":            {why: "strangers open ports to hosts behind the router", remedy: "let UPnP answer on inner interfaces only"},
		"smb":             {why: "files are offered to the internet", remedy: "limit its interfaces, or " + drop},
		"tftp":            {why: "files are offered to the internet", remedy: "limit its ip-addresses, or " + drop},
		"radius-incoming": {why: "anyone who knows the secret can end sessions", remedy: drop},
		"telnet":          {why: "the password crosses the internet in clear", remedy: "switch telnet off, and use ssh"},
		"ftp":             {why: "the password crosses the internet in clear", remedy: "switch ftp off, and use ssh"},
	}
}

// abused names the servers that answer strangers, as a fact. Services about which nothing is known count
// as running, other servers do not: most are off from the factory.
func (f *finder) abused(report audit.Report) {
	all := abuses()
	for _, r := range report.Reach {
		one, listed := all[r.Name]
		anyone := slices.ContainsFunc(r.By, func(by audit.By) bool { return by.Who == audit.Anyone && !by.Perhaps })
		untold := r.State == routeros.ServerUnknown && r.Kind == audit.Server
		if listed && anyone && !untold {
			what := ifItRuns(r) + "anyone reaches it over " + r.Family.String()
			if one.rules != "" {
				what += " (its own rules, " + one.rules + ", are not read: they may still refuse strangers)"
			}
			f.add("L55", fmt.Sprintf("%s, %s/%s", r.Name, r.Protocol, r.Ports), what, one.why, one.remedy)
		}
	}
}

// ifItRuns begins a sentence about what perhaps does not run.
func ifItRuns(r audit.Reach) string {
	if r.State == routeros.ServerUnknown {
		return "if it runs, "
	}
	return ""
}

// stagePorts checks that no stage of a knock is on the port of a service that runs: users of the
// service would knock by accident, and a knock would be answered.
func (f *finder) stagePorts(s routeros.Snapshot, report audit.Report) {
	for _, k := range report.Knocks {
		for i, step := range k.Steps {
			for _, service := range s.Services {
				if step.Protocol == "tcp" && !service.Disabled && !service.Dynamic && !service.Connection && int(service.Port) >= int(step.First) && int(service.Port) <= int(step.Last) {
					f.add("L53", "list "+k.List, fmt.Sprintf("stage %d is on the port of a service that runs: %s", i+1, service.Name),
						"users of the service knock without knowing it, and a scanner tries its port first", "give the stage a port of its own")
				}
			}
		}
	}
}

// names finds entries of address lists that look like addresses and are none: the router takes what it
// can't read for a host name, so nobody is in it (routeros-facts § 3).
func (f *finder) names(s routeros.Snapshot, family routeros.Family) {
	var lists []string
	wrong := map[string][]string{} // by list
	for _, e := range s.Entries[family.AddressList()] {
		if _, ok := e.Range(); ok || e.Disabled || strings.Trim(e.Address, "0123456789.:/-") != "" || e.Address == "" {
			continue
		}
		if wrong[e.List] == nil {
			lists = append(lists, e.List)
		}
		wrong[e.List] = append(wrong[e.List], e.Address)
	}
	for _, list := range lists {
		what := "the entry " + wrong[list][0] + " is no address, no prefix and no range: the router takes it for a host name"
		if more := len(wrong[list]) - 1; more > 0 {
			what = fmt.Sprintf("the entry %s and %d more are no addresses, prefixes or ranges: the router takes them for host names", wrong[list][0], more)
		}
		f.add("L54", "list "+list, what, "those addresses are not in the list, so they are not let in, or not kept out", "write a whole range, such as 203.0.113.1-203.0.113.254, or a prefix")
	}
}
