package foreign

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// inventory is what an Ansible inventory says, in either of its forms, before it is turned into
// routers.
type inventory struct {
	c         *collector
	groups    map[string]*group
	order     []*group
	hosts     map[string]*host
	hostOrder []*host
	expanded  int // hosts that ranges have made so far
	work      int // variables that were set on hosts of ranges
}

type group struct {
	name    string
	place   string
	vars    vars
	parents []*group
	depth   int
	visit   int      // for finding circles: 0 new, 1 open, 2 done
	around  []*group // the group itself and all groups around it
}

type host struct {
	name   string
	place  string
	vars   vars
	groups []*group
	in     map[*group]bool
}

// vars are the variables of a host or group: those that mean something here, and those to keep.
type vars struct {
	special map[string]setting
	kept    map[string]string
}

type setting struct {
	value    string
	place    string
	template bool
}

const (
	maxGroups = 50_000
	all       = "all"
	ungrouped = "ungrouped"
)

var (
	errGroups = errors.New("more than 50,000 groups: split the file")
	errNested = errors.New("its groups are nested too deep or too often: split the file")
)

func newInventory(c *collector) *inventory {
	return &inventory{c: c, groups: map[string]*group{}, hosts: map[string]*host{}}
}

// group returns the group of that name, which is made when it is new.
func (inv *inventory) group(name, place string) *group {
	g := inv.groups[name]
	if g == nil {
		g = &group{name: name, place: place, vars: newVars()}
		inv.groups[name] = g
		inv.order = append(inv.order, g)
	}
	return g
}

func newVars() vars { return vars{special: map[string]setting{}, kept: map[string]string{}} }

// host returns the host of that name as a member of the group.
func (inv *inventory) host(name, place string, g *group) *host {
	h := inv.hosts[name]
	if h == nil {
		h = &host{name: name, place: place, vars: newVars(), in: map[*group]bool{}}
		inv.hosts[name] = h
		inv.hostOrder = append(inv.hostOrder, h)
	}
	if g.name != all && g.name != ungrouped && !h.in[g] {
		h.in[g] = true
		h.groups = append(h.groups, g)
	}
	return h
}

// full returns an error when the inventory has reached a limit.
func (inv *inventory) full() error {
	switch {
	case len(inv.order) > maxGroups:
		return errGroups
	case len(inv.hostOrder) > maxRouters:
		return errTooMany
	}
	return nil
}

// child puts a group into another one.
func (inv *inventory) child(parent, child *group) {
	if parent.name == all || child.name == all || child.name == ungrouped || slices.Contains(child.parents, parent) {
		return
	}
	child.parents = append(child.parents, parent)
}

// The variables that say how to reach a host; the first that is set counts.
func hostNames() []string { return []string{"ansible_host", "ansible_ssh_host"} }
func userNames() []string { return []string{"ansible_user", "ansible_ssh_user"} }
func portNames() []string {
	return []string{"ansible_routeros_api_port", "ansible_api_port", "routeros_api_port", "mikrotik_api_port", "api_port"}
}

const (
	systemName   = "ansible_network_os"
	priorityName = "ansible_group_priority"
)

// finish turns the inventory into routers.
func (inv *inventory) finish() error {
	inv.cutCircles()
	if err := inv.surround(); err != nil {
		return err
	}
	labels := inv.labels()
	for _, g := range inv.order {
		if len(g.vars.kept) > 0 {
			inv.c.groups[labels[g]] = g.vars.kept
		}
	}
	members := 0
	for _, h := range inv.hostOrder {
		around := inv.around(h)
		if members += len(around); members > maxMembers {
			return errNested
		}
		if err := inv.router(h, around, labels); err != nil {
			return err
		}
	}
	return nil
}

// labels gives every group its name in the list.
func (inv *inventory) labels() map[*group]string {
	out := map[*group]string{}
	for _, g := range inv.order {
		wanted := cleanName(g.name)
		if wanted == "" {
			wanted = "group"
		}
		out[g] = inv.c.labels.take(wanted)
		if out[g] != g.name {
			inv.c.skip(g.place, "group "+out[g], "its name was changed to this one: the old one has other characters, or is taken")
		}
	}
	return out
}

// cutCircles takes out what makes a group a part of itself, which Ansible refuses.
func (inv *inventory) cutCircles() {
	var visit func(g *group)
	visit = func(g *group) {
		g.visit = 1
		g.parents = slices.DeleteFunc(g.parents, func(parent *group) bool {
			if parent.visit == 0 {
				visit(parent)
			}
			if parent.visit == 1 {
				inv.c.skip(g.place, "group "+cleanName(g.name), "it is a part of itself: this step of the circle is left out")
			}
			return parent.visit == 1
		})
		g.visit = 2
	}
	for _, g := range inv.order {
		if g.visit == 0 {
			visit(g)
		}
	}
}

// surround finds for every group how deep it is and which groups are around it.
func (inv *inventory) surround() error {
	total := 0
	var visit func(g *group)
	visit = func(g *group) {
		if g.around != nil || total > maxAncestors {
			return
		}
		g.around = []*group{g}
		seen := map[*group]bool{g: true}
		for _, parent := range g.parents {
			visit(parent)
			g.depth = max(g.depth, parent.depth+1)
			for _, a := range parent.around {
				if !seen[a] {
					seen[a] = true
					g.around = append(g.around, a)
				}
			}
		}
		total += len(g.around)
	}
	for _, g := range inv.order {
		visit(g)
	}
	if total > maxAncestors {
		return errNested
	}
	return nil
}

// around returns the groups a host is in, those that count more behind: the order in which Ansible
// merges variables.
func (inv *inventory) around(h *host) []*group {
	seen := map[*group]bool{}
	var out []*group
	for _, g := range h.groups {
		for _, a := range g.around {
			if !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
	}
	slices.SortFunc(out, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.priority(), b.priority()), cmp.Compare(a.name, b.name))
	})
	return out
}

func (g *group) priority() int {
	n, err := strconv.Atoi(g.vars.special[priorityName].value)
	if err != nil {
		return 1
	}
	return n
}

// router adds a host to the list, or says why not.
func (inv *inventory) router(h *host, around []*group, labels map[*group]string) error {
	name := cmp.Or(cleanName(h.name), "a host")
	system, set := inv.effective(h, around, []string{systemName})
	if set && !isRouterOS(system.value) {
		why := "its ansible_network_os is not RouterOS"
		if cleanName(system.value) == system.value {
			why = "its ansible_network_os is " + system.value + ", not RouterOS"
		}
		inv.c.skip(h.place, name, why)
		return nil
	}
	address, set := inv.effective(h, around, hostNames())
	if !set {
		address = setting{value: h.name, place: h.place}
	}
	if address.template {
		inv.c.skip(h.place, name, "its ansible_host is a template, which only Ansible can fill in")
		return nil
	}
	where, err := parseAddress(address.value)
	if err != nil {
		inv.c.skip(h.place, name, err.Error())
		return nil
	}
	if where.port != 0 {
		inv.c.skip(h.place, name, "the port in its ansible_host was left out: write api_port to set that of the API")
		where.port = 0
	}
	where.port = inv.port(h, around, name)
	r := Router{Address: where.String(), User: inv.user(h, around, name), Place: h.place}
	if len(h.vars.kept) > 0 {
		r.Vars = h.vars.kept
	}
	for _, g := range around {
		r.Groups = append(r.Groups, labels[g])
	}
	return inv.c.add(r, h.name, where.host)
}

// set takes a variable of a host or group. With literal, braces are no template.
func (inv *inventory) set(v vars, place, owner, name, value string, literal bool) {
	owner = cleanName(owner)
	template := !literal && isTemplate(value)
	switch {
	case isSecretName(name) || isVault(value):
		inv.c.secret(place, of(owner, name))
	case isSpecial(name):
		v.special[name] = setting{value: strings.TrimSpace(value), place: place, template: template}
	case name == "ansible_port" || name == "ansible_ssh_port":
		inv.c.skip(place, of(owner, name), "it is the port of SSH, not of the API: write api_port to set that one")
	case name == "ansible_connection":
		inv.c.skip(place, of(owner, name), "rosknock always uses the API")
	case strings.HasPrefix(name, "ansible_"):
		inv.c.skip(place, of(owner, name), "a setting of Ansible itself")
	case literal && isTemplate(value):
		v.kept[strings.ToLower(name)] = oneLine(value)
	default:
		delete(v.kept, strings.ToLower(name)) // as in Ansible, the last one counts
		inv.c.variable(v.kept, place, owner, name, value)
	}
}

func isSpecial(name string) bool {
	return name == systemName || name == priorityName || slices.Contains(hostNames(), name) ||
		slices.Contains(userNames(), name) || slices.Contains(portNames(), name)
}

// effective returns what a variable is for a host: its own, or that of the group that counts most.
func (inv *inventory) effective(h *host, around []*group, names []string) (setting, bool) {
	for _, name := range names {
		if s, ok := h.vars.special[name]; ok {
			return s, true
		}
		for _, g := range slices.Backward(around) {
			if s, ok := g.vars.special[name]; ok {
				return s, true
			}
		}
		for _, last := range []string{ungrouped, all} {
			g := inv.groups[last]
			if g == nil || last == ungrouped && len(h.groups) > 0 {
				continue
			}
			if s, ok := g.vars.special[name]; ok {
				return s, true
			}
		}
	}
	return setting{}, false
}

// port returns the port of the API, 0 when none is set.
func (inv *inventory) port(h *host, around []*group, name string) uint16 {
	s, set := inv.effective(h, around, portNames())
	if !set {
		return 0
	}
	port, ok := parsePort(s.value)
	if !ok {
		inv.c.skip(s.place, name, "the port of its API is not a number between 1 and 65535")
	}
	return port
}

func (inv *inventory) user(h *host, around []*group, name string) string {
	s, _ := inv.effective(h, around, userNames())
	if s.template {
		inv.c.skip(h.place, name, "its ansible_user is a template, which only Ansible can fill in")
		return ""
	}
	return s.value
}

func isRouterOS(system string) bool {
	return slices.Contains([]string{"routeros", "community.routeros.routeros", "community.network.routeros", "mikrotik.routeros", ""},
		strings.ToLower(system))
}
