package sim

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// sessions are the open ones.
type sessions map[*session]struct{}

func (all sessions) admin(service, user string) *session {
	for s := range all {
		if s.conn == nil && s.service == service && s.user == user {
			return s
		}
	}
	return nil
}

// full reports whether the service has all the sessions that it may (7.16 and later). What a client
// then sees is unknown; the connection is closed (routeros-facts § 1.7).
func (all sessions) full(w *row, service string) bool {
	most, err := routeros.ParsePort(w.get("max-sessions"))
	n := 0
	for s := range all {
		if s.service == service {
			n++
		}
	}
	return err == nil && n >= int(most)
}

func (all sessions) active(c *clock) []routeros.Attributes {
	var out []routeros.Attributes
	for s := range all {
		if s.user != "" {
			row := routeros.MakeAttributes(".id", formatID(s.number), "when", c.stamp(s.since), "name", s.user, "via", s.service, "group", s.group, "radius", "false")
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
func (all sessions) connections() []routeros.Attributes {
	var out []routeros.Attributes
	for s := range all {
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

func (all sessions) isConnection(selector string) bool {
	id, ok := parseID(selector)
	if !ok {
		return false
	}
	for s := range all {
		if connectionID(s) == id {
			return true
		}
	}
	return false
}
