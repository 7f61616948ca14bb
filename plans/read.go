package plans

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/routeros"
)

// Read reads a plan file. The name is only for messages. The error is [Problems]: every error of
// the file, in order of place.
//
// Anchors, aliases, merge keys and tags are refused. trusted.for accepts none-dynamic and
// none-static as well as a time; lint warns that such trust never ends by itself. A stage may be
// repeated in a sequence, but not directly after itself: the router could not distinguish it from a
// packet that was sent twice.
func Read(name string, data []byte) (Plan, error) { return ReadWith(name, data, nil) }

// ReadWith reads a plan file with the values of its variables, which are written as ${name}. One
// without a value is an error. A value is inserted as text in its place: it can't add keys or
// items.
func ReadWith(name string, data []byte, vars map[string]string) (Plan, error) {
	w := newWalker(name, data, planKind())
	root := w.parse(data)
	if root == nil {
		return Plan{}, w.result()
	}
	w.plain(root)
	w.expand(root, vars)
	w.named = w.forwardNames(root)
	w.check(root, planForm(), "a plan")
	p := w.build(root)
	if err := w.result(); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// child returns the value under a path of keys, or nil where there is none that can be used.
func (w *walker) child(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		n = w.value(n, name)
	}
	return n
}

func (w *walker) value(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode || w.bad[n] {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name && !w.bad[n.Content[i]] && !w.bad[n.Content[i+1]] {
			return n.Content[i+1]
		}
	}
	return nil
}

func (w *walker) string(n *yaml.Node, path ...string) string {
	if n = w.child(n, path...); n == nil {
		return ""
	}
	return n.Value
}

// items returns the usable items of a list.
func (w *walker) items(n *yaml.Node, path ...string) []*yaml.Node {
	n = w.child(n, path...)
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(n.Content), func(c *yaml.Node) bool { return w.bad[c] })
}

func (w *walker) strings(n *yaml.Node, path ...string) []string {
	var out []string
	for _, item := range w.items(n, path...) {
		out = append(out, item.Value)
	}
	return out
}

// entry is one name of a table with its value.
type entry struct{ key, value *yaml.Node }

func (w *walker) entries(n *yaml.Node, path ...string) []entry {
	n = w.child(n, path...)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var out []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		if e := (entry{n.Content[i], n.Content[i+1]}); !w.bad[e.key] && !w.bad[e.value] {
			out = append(out, e)
		}
	}
	return out
}

// build makes the plan from the readable values, and checks them against each other.
func (w *walker) build(root *yaml.Node) Plan {
	p := Plan{Name: w.string(root, "name")}
	p.Firewall = w.firewall(root)
	for _, e := range w.entries(root, "doors") {
		p.Doors = append(p.Doors, w.door(p.Name, e))
	}
	p.Allow = Allow{Addresses: w.ranges(p.Firewall.Families, root, "allow", "addresses"),
		InterfaceLists: w.strings(root, "allow", "interface-lists"), Interfaces: w.strings(root, "allow", "interfaces"),
		AddressLists: w.strings(root, "allow", "address-lists")}
	p.Gate = Gate{Services: w.strings(root, "gate", "services"), Forwards: w.forwards(root)}
	w.gateVPNs(root, &p.Gate)
	w.gatePorts(root, &p.Gate)
	p.Services = w.services(root)
	w.compareDoors(root, p)
	w.compareFound(root, p)
	w.compareDecoys(root, p)
	w.compareForwards(root, p)
	w.compareServices(root, p)
	w.compareBogons(root, p)
	p.Doors = w.people(root, p)
	return p
}

func (w *walker) door(plan string, e entry) Door {
	d := Door{Name: e.key.Value, StageTimeout: DefaultStageTimeout,
		StageList: "rosknock-" + plan + "-" + e.key.Value,
		Knock:     w.knock(e.value),
		Opens:     w.opens(e.value),
		Log:       w.log(e.value),
		On:        w.strings(e.value, "on"),
	}
	if n := w.child(e.value, "stage-timeout"); n != nil {
		d.StageTimeout, _ = routeros.ParseDuration(n.Value)
	}
	w.stageLists(&d, e.value)
	d.Trusted.List = w.string(e.value, "trusted", "list")
	if n := w.child(e.value, "trusted", "for"); n != nil {
		d.Trusted.For, _ = routeros.ParseListTimeout(n.Value)
	}
	w.quarantine(&d, e.value)
	d.Rotate = w.rotate(e.value)
	return d
}

// stageLists reads the names of the stage lists. A list of names needs one for each stage but the
// last.
func (w *walker) stageLists(d *Door, door *yaml.Node) {
	n := w.child(door, "stage-lists")
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode:
		d.StageList = n.Value
	case w.child(door, "knock") == nil:
		w.add(n, "a rotating door has new stage lists in each window", "write what their names begin with")
	case len(n.Content) != len(d.Knock)-1:
		w.add(n, fmt.Sprintf("there are %d stage lists for a knock of %d stages", len(n.Content), len(d.Knock)), "write one for each stage but the last, or what their names begin with")
	default:
		d.StageNames = w.strings(door, "stage-lists")
	}
}

func (w *walker) knock(door *yaml.Node) []Stage {
	var out []Stage
	var last Stage
	list := w.child(door, "knock")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	for _, n := range list.Content {
		s := w.stage(n)
		if s != (Stage{}) && s == last {
			w.add(n, "this stage is the same as the one before it",
				"the router can't tell it from a packet that was sent twice: write another")
		}
		out, last = append(out, s), s
	}
	return out
}

// stage reads either form of a stage, once; the zero Stage is one that can't be read.
func (w *walker) stage(n *yaml.Node) Stage {
	s, known := w.stages[n]
	if !known && !w.bad[n] {
		s = w.readStage(n)
	}
	w.stages[n] = s
	return s
}

func (w *walker) readStage(n *yaml.Node) Stage {
	if n.Kind == yaml.ScalarNode {
		s, _, _ := parseStage(n.Value)
		return s
	}
	s := Stage{Protocol: w.string(n, "protocol")}
	wanted, other, value := "port", "size", &s.Port
	if s.Protocol == "icmp" {
		wanted, other, value = "size", "port", &s.Size
	}
	if s.Protocol == "" {
		return Stage{}
	}
	if v := w.value(n, other); v != nil {
		w.at(v.Line, v.Column, fmt.Sprintf("a stage of %s has no %s", s.Protocol, other), "write "+wanted)
	}
	v := w.value(n, wanted)
	if v == nil {
		if !hasKey(n, wanted) {
			w.add(n, fmt.Sprintf("a stage of %s lacks the key %q", s.Protocol, wanted), "")
		}
		return Stage{}
	}
	number, _ := strconv.ParseUint(v.Value, 10, 16)
	*value = uint16(number)
	if p := w.value(n, "payload"); p != nil {
		s.PayloadFrom, _ = ParseCredential(w.string(p, "secret"))
		if s.Protocol == "tcp" {
			w.add(p, "a stage of tcp carries no payload: its packet only opens a connection", "make it a stage of udp, or of icmp with a size")
		}
	}
	return s
}

func hasKey(n *yaml.Node, name string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}

func (w *walker) opens(door *yaml.Node) []Target {
	var out []Target
	nodes := w.items(door, "opens")
	for i, n := range nodes {
		t, why, _ := parseTarget(n.Value)
		if why != "" && slices.Contains(w.named, n.Value) {
			t = Target{Kind: ForwardTarget, Name: n.Value}
		}
		if t.Kind == Everything && len(nodes) > 1 {
			w.add(n, "everything is listed beside other targets", "write it alone, or leave it out")
		}
		for _, before := range out {
			if t.Kind == PortTarget && before.Kind == PortTarget && before.Protocol == t.Protocol &&
				before.Port.First <= t.Port.Last && t.Port.First <= before.Port.Last && !w.bad[nodes[i]] {
				w.add(n, fmt.Sprintf("%q covers ports that an item before it opens already", n.Value), "open each port once")
			}
		}
		out = append(out, t)
	}
	if out == nil {
		return []Target{{Kind: Everything}}
	}
	return out
}

// gateVPNs reads either form of a VPN.
func (w *walker) gateVPNs(root *yaml.Node, g *Gate) {
	for _, n := range w.items(root, "gate", "vpns") {
		if n.Kind == yaml.ScalarNode {
			g.VPNs = append(g.VPNs, n.Value)
			continue
		}
		name := w.string(n, "name")
		switch {
		case name == "":
			continue
		case slices.Contains(g.VPNs, name):
			w.add(n, fmt.Sprintf("%q is repeated", name), "leave it out")
		case !MovesPort(name):
			w.add(n, fmt.Sprintf("%s has no port that can be named", name), "write its name alone")
		}
		port, _ := strconv.ParseUint(w.string(n, "port"), 10, 16)
		g.VPNs, g.VPNPorts = append(g.VPNs, name), append(g.VPNPorts, VPNPort{name, uint16(port)})
	}
}

func (w *walker) gatePorts(root *yaml.Node, g *Gate) {
	for _, n := range w.items(root, "gate", "ports") {
		protocol, ports, _ := strings.Cut(n.Value, "/")
		if t, why, _ := parsePortTarget(protocol, ports); why == "" {
			g.Ports = append(g.Ports, t)
		}
	}
}

func (w *walker) log(door *yaml.Node) *Log {
	n := w.child(door, "log")
	if n == nil {
		return nil
	}
	limit := defaultLogRate
	if v := w.child(n, "limit"); v != nil {
		limit = v.Value
	}
	count, per, _ := strings.Cut(limit, "/")
	l := &Log{Prefix: w.string(n, "prefix")}
	l.Count, _ = strconv.Atoi(count)
	l.Per, _ = routeros.ParseDuration(per)
	return l
}

// ranges reads a list of addresses and prefixes. One of a family that the plan does not cover would
// silently do nothing, so it is an error.
func (w *walker) ranges(families []routeros.Family, n *yaml.Node, path ...string) []routeros.AddressRange {
	var out []routeros.AddressRange
	seen := map[routeros.AddressRange]bool{}
	for _, item := range w.items(n, path...) {
		r, err := routeros.ParseAddressRange(item.Value)
		switch {
		case err != nil:
			w.add(item, fmt.Sprintf("%q is not an address or prefix", item.Value), "")
		case seen[r]:
			w.add(item, fmt.Sprintf("%q is repeated", item.Value), "leave it out")
		case !slices.Contains(families, r.Family()):
			w.add(item, fmt.Sprintf("%q is %s, which firewall.families leaves out", item.Value, r.Family()),
				"add the family, or leave the address out")
		}
		seen[r] = true
		out = append(out, r)
	}
	return out
}

func (w *walker) services(root *yaml.Node) Services {
	s := Services{Disable: w.strings(root, "services", "disable")}
	for _, e := range w.entries(root, "services", "ports") {
		port, _ := strconv.ParseUint(e.value.Value, 10, 16)
		s.Ports = append(s.Ports, ServicePort{Name: e.key.Value, Port: uint16(port)})
	}
	for _, e := range w.entries(root, "services", "from") {
		// A service answers on both families whatever the firewall covers.
		s.From = append(s.From, ServiceFrom{Name: e.key.Value, Prefixes: w.ranges(routeros.Families(), e.value)})
	}
	return s
}

func (w *walker) firewall(root *yaml.Node) Firewall {
	f := Firewall{Before: w.string(root, "firewall", "place", "before")}
	for _, word := range w.strings(root, "firewall", "families") {
		if word == routeros.IPv6.String() {
			f.Families = append(f.Families, routeros.IPv6)
			continue
		}
		f.Families = append(f.Families, routeros.IPv4)
	}
	if f.Families == nil {
		f.Families = routeros.Families()
	}
	f.Bogons = w.bogons(root, f.Families)
	if w.string(root, "firewall", "layout") == Inline.String() {
		f.Layout = Inline
	}
	f.Found = w.found(root, f)
	return f
}

// compareDoors finds lists that would be filled by two doors or stages, and doors with one knock.
func (w *walker) compareDoors(root *yaml.Node, p Plan) {
	lists := map[string]string{}
	if p.Name != "" {
		lists["rosknock-"+p.Name+"-allow"] = "the allow-list"
		lists["rosknock-"+p.Name+"-bogons"] = "the list of bogons"
	}
	knocks := map[string]string{}
	for i, e := range w.entries(root, "doors") {
		d := p.Doors[i]
		w.claim(lists, d.Trusted.List, "the trusted list of door "+d.Name, w.child(e.value, "trusted", "list"))
		place := w.child(e.value, "stage-lists")
		if place == nil {
			place = e.key
		}
		for stage := 1; stage < len(d.Knock); stage++ {
			if !w.claim(lists, d.StageListOf(stage), "a stage list of door "+d.Name, place) {
				break
			}
		}
		if d.Quarantines() {
			w.claim(lists, d.QuarantineList(), "the quarantine of door "+d.Name, place)
		}
		w.sameKnock(knocks, d, w.child(e.value, "knock"))
	}
}

// claim notes who fills a list, or the problem that something else fills it already.
func (w *walker) claim(lists map[string]string, name, owner string, n *yaml.Node) bool {
	if name == "" || n == nil {
		return true
	}
	if before, taken := lists[name]; taken {
		w.at(n.Line, n.Column, fmt.Sprintf("the list %q would be %s and %s", name, before, owner), "give one of them another name")
		return false
	}
	lists[name] = owner
	return true
}

func (w *walker) sameKnock(knocks map[string]string, d Door, n *yaml.Node) {
	if n == nil || len(d.Knock) == 0 || slices.Contains(d.Knock, Stage{}) {
		return
	}
	var key strings.Builder
	for _, s := range d.Knock {
		key.WriteString(s.Reveal() + " ")
	}
	if before, taken := knocks[key.String()]; taken {
		w.at(n.Line, n.Column, fmt.Sprintf("door %s has the same knock as door %s", d.Name, before), "give each door its own")
		return
	}
	knocks[key.String()] = d.Name
}

// compareServices finds services that are disabled but used, and two services on one port.
func (w *walker) compareServices(root *yaml.Node, p Plan) {
	off := map[string]bool{}
	for _, name := range p.Services.Disable {
		off[name] = true
	}
	refuse := func(n *yaml.Node, use string) {
		if off[n.Value] {
			w.at(n.Line, n.Column, fmt.Sprintf("service %s is %s here and switched off by services.disable", n.Value, use), "remove it from one of them")
		}
	}
	for _, e := range w.entries(root, "doors") {
		for _, n := range w.items(e.value, "opens") {
			refuse(n, "opened")
		}
	}
	for _, n := range w.items(root, "gate", "services") {
		refuse(n, "gated")
	}
	for _, e := range w.entries(root, "services", "from") {
		refuse(e.key, "limited")
	}
	for _, e := range w.entries(root, "services", "ports") {
		refuse(e.key, "moved")
	}
	w.collisions(root, off)
}

// collisions compares moved services with each other and with the default ports of those that stay.
func (w *walker) collisions(root *yaml.Node, off map[string]bool) {
	owner := map[string]string{}
	moved := w.entries(root, "services", "ports")
	for _, s := range routeros.Services() {
		stays := !slices.ContainsFunc(moved, func(e entry) bool { return e.key.Value == s.Name })
		// www-ssl and reverse-proxy share a default; the first to claim it is enough for the
		// message.
		if port := strconv.Itoa(int(s.Port)); stays && !off[s.Name] && owner[port] == "" {
			owner[port] = s.Name
		}
	}
	for _, e := range moved {
		if other := owner[e.value.Value]; other != "" {
			w.at(e.value.Line, e.value.Column, fmt.Sprintf("%s would listen on the port of %s", e.key.Value, other),
				"choose another port, or switch that service off")
		}
		owner[e.value.Value] = e.key.Value
	}
}
