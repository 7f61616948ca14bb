package remove

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// ParseServices reads the settings of services: NAME=VALUE, several with commas. The value is on,
// off, a port, anywhere, or a prefix from which the service answers. A service may be named more
// than once, for different settings and for several prefixes.
func ParseServices(text string) ([]compile.Service, error) {
	var out []compile.Service
	for item := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(item, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("%q: NAME=VALUE is expected, such as telnet=on, ssh=22 or winbox=192.168.88.0/24", item)
		}
		if _, known := routeros.KnownService(name); !known {
			return nil, fmt.Errorf("%q: there is no service %q: %s", item, name, serviceNames())
		}
		at := slices.IndexFunc(out, func(w compile.Service) bool { return w.Name == name })
		if at < 0 {
			out, at = append(out, compile.Service{Name: name}), len(out)
		}
		if err := want(&out[at], value); err != nil {
			return nil, fmt.Errorf("%q: %w", item, err)
		}
	}
	return out, nil
}

func serviceNames() string {
	var names []string
	for _, s := range routeros.Services() {
		names = append(names, s.Name)
	}
	return "choose one of " + strings.Join(names, ", ")
}

// want reads one value into what is wanted of a service.
func want(w *compile.Service, value string) error {
	port, isPort := routeros.ParsePort(value)
	from, isFrom := prefix(value)
	twice := fmt.Errorf("%s is given the same kind of value twice", w.Name)
	switch {
	case value == "on" || value == "off":
		off := value == "off"
		if w.Disabled != nil {
			return twice
		}
		w.Disabled = &off
	case value == "anywhere":
		if w.WantFrom {
			return twice
		}
		w.WantFrom = true
	case isPort == nil && port > 0:
		if w.Port != nil {
			return twice
		}
		w.Port = &port
	case isFrom:
		if w.WantFrom && len(w.From) == 0 || slices.Contains(w.From, from) {
			return twice
		}
		w.From, w.WantFrom = append(w.From, from), true
	default:
		return fmt.Errorf("%q is none of on, off, a port from 1 to 65535, anywhere, an address or a prefix", value)
	}
	return nil
}

// prefix reads an address or a prefix without host bits, as a service takes it.
func prefix(text string) (string, bool) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()).String(), true
	}
	p, err := netip.ParsePrefix(text)
	return text, err == nil && p == p.Masked()
}

// texts is the inverse of [ParseServices].
func texts(w compile.Service) []string {
	var out []string
	if w.Disabled != nil {
		out = append(out, w.Name+"="+map[bool]string{true: "off", false: "on"}[*w.Disabled])
	}
	if w.Port != nil {
		out = append(out, fmt.Sprintf("%s=%d", w.Name, *w.Port))
	}
	for _, p := range w.From {
		out = append(out, w.Name+"="+p)
	}
	if w.WantFrom && len(w.From) == 0 {
		out = append(out, w.Name+"=anywhere")
	}
	return out
}
