package starter

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// mostAvoided is the widest range of ports that a knock keeps away from.
const mostAvoided = 256

// Avoid lists the ports on which the router listens, or that it forwards: a knock must not use one.
func Avoid(s routeros.Snapshot) []uint16 {
	var out []uint16
	for _, service := range s.Services {
		out = append(out, service.Port)
	}
	for _, server := range s.VPNServers {
		out = append(out, server.Port)
	}
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.NAT(), f.Raw(), f.Filter()} {
			for _, r := range s.Rules[menu] {
				ports, err := routeros.ParsePorts(r.Attrs.Get("dst-port"))
				if err != nil || r.Disabled() {
					continue
				}
				for _, p := range ports {
					for port := int(p.First); port <= int(p.Last) && int(p.Last)-int(p.First) < mostAvoided; port++ {
						out = append(out, uint16(port)) // #nosec G115 -- at most 65535
					}
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// HintsAtRenewal reports whether a text of the router, such as an export, hints at a certificate
// that it renews over port 80.
func HintsAtRenewal(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc([]string{"letsencrypt", "lets-encrypt", "let's encrypt", "enable-ssl-certificate", "certbot", "acme-client", "acme-server"},
		func(word string) bool { return strings.Contains(text, word) })
}

// renews reports whether something that was read of the router hints at such a certificate.
func renews(s routeros.Snapshot) bool {
	for _, service := range s.Services {
		if HintsAtRenewal(service.Certificate) {
			return true
		}
	}
	for _, f := range routeros.Families() {
		if slices.ContainsFunc(s.Rules[f.Filter()], func(r routeros.Rule) bool { return !r.Disabled() && HintsAtRenewal(r.Comment()) }) {
			return true
		}
	}
	return false
}
