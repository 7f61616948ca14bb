package routeros

import (
	"slices"
	"strconv"
	"strings"
)

// Service is one row of /ip/service.
type Service struct {
	ID          string
	Name        string
	Port        uint16
	Disabled    bool
	Certificate string
	// From are the prefixes from which the service answers; empty means everywhere. It does not
	// hide the port: the handshake completes and the router closes (routeros-facts § 4).
	From []string
	// FromName is the attribute that holds From on this router: address, or available-from
	// from 7.24 on.
	FromName string
	// Untold says that it is not known whether it is on: an export does not mention it, and its
	// default is not known.
	Untold bool
	// Dynamic rows are ports that other parts of the router listen on, and from 7.19 on each
	// current connection; set refuses them.
	Dynamic    bool
	Connection bool
	VRF        string // where it listens; "" is the main one, or not told
	Local      string
	Remote     string
}

// ReadService makes a service of a row.
func ReadService(row Attributes) Service {
	s := Service{
		ID:          row.Get(".id"),
		Name:        row.Get("name"),
		Disabled:    row.Bool("disabled"),
		Certificate: row.Get("certificate"),
		Dynamic:     row.Bool("dynamic"),
		Connection:  row.Bool("connection"),
		Local:       row.Get("local"),
		Remote:      row.Get("remote"),
		FromName:    "address",
	}
	s.Port, _ = ParsePort(row.Get("port"))
	if row.Has("available-from") {
		s.FromName = "available-from"
	}
	s.From = SplitPrefixes(row.Get(s.FromName))
	if vrf := row.Get("vrf"); vrf != "main" {
		s.VRF = vrf
	}
	return s
}

// Attributes returns what can be set of the row.
func (s Service) Attributes() Attributes {
	return MakeAttributes("port", strconv.Itoa(int(s.Port)), "disabled", FormatBool(s.Disabled), s.FromName, JoinPrefixes(s.From))
}

// SplitPrefixes reads a service's comma list of prefixes; empty is none.
func SplitPrefixes(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// JoinPrefixes prints a list of prefixes as a service takes it.
func JoinPrefixes(list []string) string { return strings.Join(list, ",") }

// SameFrom reports whether two lists of prefixes mean the same, whatever their order and form.
func SameFrom(a, b []string) bool {
	return slices.Equal(canonicalPrefixes(a), canonicalPrefixes(b))
}

// canonicalPrefixes brings a list of prefixes into one form and order: the router may print each in
// another form and order.
func canonicalPrefixes(list []string) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = canonicalAddress(p)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// KnownService returns the default TCP port of a service that every router has, or false.
func KnownService(name string) (port uint16, ok bool) {
	for _, s := range Services() {
		if s.Name == name {
			return s.Port, true
		}
	}
	return 0, false
}

// Services lists the static rows of /ip/service as a new router has them, in its order: www-ssl is
// off (routeros-facts § 15). reverse-proxy exists from 7.22 on (routeros-facts § 4).
func Services() []Service {
	return []Service{
		{Name: "telnet", Port: 23},
		{Name: "ftp", Port: 21},
		{Name: "www", Port: 80},
		{Name: "ssh", Port: 22},
		{Name: "www-ssl", Port: 443, Disabled: true},
		{Name: "api", Port: 8728},
		{Name: "winbox", Port: 8291},
		{Name: "api-ssl", Port: 8729},
		{Name: "reverse-proxy", Port: 443},
	}
}
