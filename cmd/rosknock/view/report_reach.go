package view

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/audit"
)

// pair is one service, VPN or other server before a change and after it; nil where it is not there.
type pair struct{ before, after *audit.Reach }

// pairs puts before and after side by side. What listens on another port afterwards is still the
// same server.
func pairs(c audit.Comparison) []pair {
	var out []pair
	left := map[int]bool{} // places in after that are not taken
	for i := range c.After.Reach {
		left[i] = true
	}
	take := func(same func(audit.Reach) bool) *audit.Reach {
		for i := range c.After.Reach {
			if left[i] && same(c.After.Reach[i]) {
				delete(left, i)
				return &c.After.Reach[i]
			}
		}
		return nil
	}
	for i := range c.Before.Reach {
		r := &c.Before.Reach[i]
		out = append(out, pair{r, take(func(a audit.Reach) bool { return sameServer(a, *r) && a.Ports == r.Ports })})
	}
	for i, p := range out {
		if p.after == nil {
			out[i].after = take(func(a audit.Reach) bool { return sameServer(a, *p.before) })
		}
	}
	for i := range c.After.Reach {
		if left[i] {
			out = append(out, pair{nil, &c.After.Reach[i]})
		}
	}
	return out
}

func sameServer(a, b audit.Reach) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.Protocol == b.Protocol && a.Family == b.Family
}

// texts are what a pair is, and who reaches it before and after, as by says.
func (p pair) texts(by func(audit.Reach) string) (what, before, after string) {
	switch {
	case p.before == nil:
		return serverText(*p.after), "not there", by(*p.after)
	case p.after == nil:
		return serverText(*p.before), by(*p.before), "not there any more"
	}
	what = serverText(*p.before)
	if p.before.Ports != p.after.Ports {
		what += " → " + portText(*p.after)
	}
	return what, by(*p.before), by(*p.after)
}

func serverText(r audit.Reach) string {
	if r.Protocol == "" {
		return r.Name
	}
	return r.Name + " " + portText(r)
}

// off reports whether it is off before and after, so that nothing of it matters.
func (p pair) off() bool {
	return p.before != nil && p.after != nil && p.before.Off() && p.after.Off()
}

func (p pair) family() string {
	r := p.before
	if r == nil {
		r = p.after
	}
	if r.Family == 0 {
		return string(audit.Layer2)
	}
	return strings.ReplaceAll(r.Family.String(), "ipv", "IPv")
}

// reachOnPage says who reaches what of a router before the change and after it: what differs in
// full, and how much stays.
func reachOnPage(c *audit.Comparison, out *page.Router) {
	if c == nil {
		return
	}
	for _, p := range pairs(*c) {
		what, before, after := p.texts(reachedBy)
		if p.off() {
			continue
		}
		if before == after && !strings.Contains(what, "→") {
			out.Same++
			continue
		}
		out.Reach = append(out.Reach, page.Reach{What: what + " " + p.family(), Before: before, After: after})
	}
	if len(out.Reach) > 0 {
		out.Notes = append(out.Notes, c.Notes...)
	}
	out.Means = meaning(*c)
}

// meaning is what differs in few words, as routers share them: without the interfaces of one router,
// and with services of which the same is said in one row.
func meaning(c audit.Comparison) []page.Reach {
	type row struct{ what, before, after string }
	families := map[row][]string{}
	var rows []row
	for _, p := range pairs(c) {
		what, before, after := p.texts(briefly)
		if p.off() {
			continue
		}
		if before == after && !strings.Contains(what, "→") {
			_, before, after = p.texts(reachedBy)
			if before == after {
				continue
			}
		}
		r := row{what, before, after}
		if families[r] == nil {
			rows = append(rows, r)
		}
		families[r] = append(families[r], p.family())
	}
	var out []page.Reach
	for _, r := range rows {
		on := strings.Join(families[r], " and ")
		at := slices.IndexFunc(out, func(o page.Reach) bool { return o.Before == r.before && o.After == r.after && o.Family == on })
		if at < 0 {
			out = append(out, page.Reach{What: r.what, Family: on, Before: r.before, After: r.after})
			continue
		}
		out[at].What += ", " + r.what
	}
	return out
}

// briefly is who reaches something, without where they come from.
func briefly(r audit.Reach) string {
	r.By = slices.Clone(r.By)
	for i, by := range r.By {
		if by.Who == audit.Anyone || by.Who == audit.LAN || by.Who == audit.Neighbors {
			r.By[i].Detail = nil
		}
	}
	return reachedBy(r)
}
