package firewall

import (
	"maps"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// AnyOther stands for an interface that a snapshot does not show: one that nobody has touched in an
// export, or that comes later, such as that of a client who dials in. No rule names it.
const AnyOther = "any other interface"

// Looks returns, for each interface by which packets can come in, what the rules of a family can
// tell of it. Interfaces of one look are treated alike.
func (w *Firewall) Looks(s routeros.Snapshot, f routeros.Family) map[string]string {
	named, redirects := map[string]bool{}, false
	for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
		for i := range s.Rules[m] {
			if c, asks := ConditionOf(&s.Rules[m][i], "in-interface"); asks {
				named[c.Value] = true
			}
			redirects = redirects || s.Rules[m][i].Action() == "redirect"
		}
	}
	lists := map[string][]string{}
	for _, list := range slices.Sorted(maps.Keys(w.members)) {
		for name := range w.members[list] {
			lists[name] = append(lists[name], list)
		}
	}
	looks := map[string]string{}
	for _, i := range s.Interfaces {
		if !i.Receives() {
			continue
		}
		look := i.Type + "\x00" + routeros.FormatBool(i.Dynamic) + "\x00" + strings.Join(lists[i.Name], "\x00")
		if named[i.Name] {
			look += "\x00\x00" + i.Name
		}
		if own, ok := w.Primary(f, i.Name); ok && redirects { // redirect sends there
			look += "\x00\x00\x00" + own.String()
		}
		looks[i.Name] = look
	}
	return looks
}
