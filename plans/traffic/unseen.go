package traffic

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

const within = firewall.AnyOther + " in "

// UnseenIn names an interface that the router does not show and that is in an interface list.
func UnseenIn(list string) string { return within + list }

// Unseen reports whether a name stands for an interface that the router does not show.
func Unseen(name string) bool {
	return name == firewall.AnyOther || strings.HasPrefix(name, within)
}

// WithUnseen adds such interfaces to a snapshot, in the lists that their names say.
func WithUnseen(s routeros.Snapshot, names []string) routeros.Snapshot {
	s.Interfaces, s.ListMembers = slices.Clone(s.Interfaces), slices.Clone(s.ListMembers)
	for _, name := range names {
		if !Unseen(name) {
			continue
		}
		s.Interfaces = append(s.Interfaces, routeros.Interface{Name: name, Type: "other"})
		if list, ok := strings.CutPrefix(name, within); ok {
			s.ListMembers = append(s.ListMembers, routeros.ListMember{List: list, Interface: name, Dynamic: true})
		}
	}
	return s
}

// Names lists interfaces in a text. Their names may hold anything.
func Names(interfaces []string) string {
	out := slices.Clone(interfaces)
	for i, name := range out {
		list, unseen := strings.CutPrefix(name, within)
		switch {
		case unseen:
			out[i] = within + routeros.Quote(list)
		case name != firewall.AnyOther:
			out[i] = routeros.Quote(name)
		}
	}
	return strings.Join(out, ", ")
}
