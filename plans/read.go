package plans

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// Read reads a plan file. The name is only for messages. The error is [form.Problems]: every
// error of the file, in order of place.
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
	rd := reader{Reader: form.NewReader(name, data, document()), stages: map[*yaml.Node]Stage{}}
	var p Plan
	if root := rd.Parse(); root != nil {
		rd.Expand(root, vars, noValue)
		rd.Define(rd.forwardNames(root))
		rd.Check(root, planForm(), "a plan")
		p = rd.build(root)
	}
	if problems := rd.Problems(); problems != nil {
		return Plan{}, problems
	}
	return p, nil
}

// noValue is the remedy for a variable without a value.
func noValue(name string) string {
	return fmt.Sprintf("give it one in the vars of the inventory, or with --var %s=VALUE", name)
}

// Variables returns the names of the variables that a plan uses, sorted, each once; none if the
// plan can't be read.
func Variables(data []byte) []string { return document().Variables(data) }

// Places finds the positions of the keys of a plan file, by their path: doors.admin.knock. A file
// that is not YAML has none.
func Places(data []byte) map[string]form.Place { return document().Places(data) }

// reader builds a plan from a file, and checks its parts against each other.
type reader struct {
	*form.Reader
	stages map[*yaml.Node]Stage // those that were read
}

// build makes the plan from the readable values, and checks them against each other.
func (rd *reader) build(root *yaml.Node) Plan {
	p := Plan{Name: rd.Text(root, "name")}
	p.Firewall = rd.firewall(root)
	for _, e := range rd.Entries(root, "doors") {
		p.Doors = append(p.Doors, rd.door(p.Name, e))
	}
	p.Allow = Allow{Addresses: rd.ranges(p.Firewall.Families, root, "allow", "addresses"),
		InterfaceLists: rd.Texts(root, "allow", "interface-lists"), Interfaces: rd.Texts(root, "allow", "interfaces"),
		AddressLists: rd.Texts(root, "allow", "address-lists")}
	p.Gate = Gate{Services: rd.Texts(root, "gate", "services"), Forwards: rd.forwards(root)}
	rd.gateVPNs(root, &p.Gate)
	rd.gatePorts(root, &p.Gate)
	p.Services = rd.services(root)
	rd.compareDoors(root, p)
	rd.compareFound(root, p)
	rd.compareDecoys(root, p)
	rd.compareForwards(root, p)
	rd.compareServices(root, p)
	rd.compareBogons(root, p)
	p.Doors = rd.people(root, p)
	return p
}

func (rd *reader) door(plan string, e form.Entry) Door {
	d := Door{Name: e.Key.Value, StageTimeout: DefaultStageTimeout,
		StageList: "rosknock-" + plan + "-" + e.Key.Value,
		Knock:     rd.knock(e.Value),
		Opens:     rd.opens(e.Value),
		Log:       rd.log(e.Value),
		On:        rd.Texts(e.Value, "on"),
	}
	if n := rd.Child(e.Value, "stage-timeout"); n != nil {
		d.StageTimeout, _ = routeros.ParseDuration(n.Value)
	}
	rd.stageLists(&d, e.Value)
	d.Trusted.List = rd.Text(e.Value, "trusted", "list")
	d.Trusted.Networks = rd.Text(e.Value, "trusted", "networks")
	if n := rd.Child(e.Value, "trusted", "for"); n != nil {
		d.Trusted.For, _ = routeros.ParseListTimeout(n.Value)
	}
	rd.quarantine(&d, e.Value)
	d.Rotate = rd.rotate(e.Value)
	return d
}

// stageLists reads the names of the stage lists. A list of names needs one for each stage but the
// last.
func (rd *reader) stageLists(d *Door, door *yaml.Node) {
	n := rd.Child(door, "stage-lists")
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode:
		d.StageList = n.Value
	case rd.Child(door, "knock") == nil:
		rd.Reject(n, "a rotating door has new stage lists in each window", "write what their names begin with")
	case len(n.Content) != len(d.Knock)-1:
		rd.Reject(n, fmt.Sprintf("the number of stage lists (%d) does not fit the stages of the knock (%d)", len(n.Content), len(d.Knock)), "write one for each stage but the last, or what their names begin with")
	default:
		d.StageNames = rd.Texts(door, "stage-lists")
	}
}

func (rd *reader) knock(door *yaml.Node) []Stage {
	var out []Stage
	var last Stage
	list := rd.Child(door, "knock")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	for _, n := range list.Content {
		s := rd.stage(n)
		if s != (Stage{}) && s == last {
			rd.Reject(n, "this stage is the same as the one before it",
				"the router can't tell it from a packet that was sent twice: write another")
		}
		out, last = append(out, s), s
	}
	return out
}

// stage reads either form of a stage, once; the zero Stage is one that can't be read.
func (rd *reader) stage(n *yaml.Node) Stage {
	s, known := rd.stages[n]
	if !known && !rd.Rejected(n) {
		s = rd.readStage(n)
	}
	rd.stages[n] = s
	return s
}

func (rd *reader) readStage(n *yaml.Node) Stage {
	if n.Kind == yaml.ScalarNode {
		s, _, _ := parseStage(n.Value)
		return s
	}
	s := Stage{Protocol: rd.Text(n, "protocol")}
	wanted, other, value := "port", "size", &s.Port
	if s.Protocol == "icmp" {
		wanted, other, value = "size", "port", &s.Size
	}
	if s.Protocol == "" {
		return Stage{}
	}
	if v := rd.Child(n, other); v != nil {
		rd.Note(v, fmt.Sprintf("a stage of %s has no %s", s.Protocol, other), "write "+wanted)
	}
	v := rd.Child(n, wanted)
	if v == nil {
		if !form.HasKey(n, wanted) {
			rd.Reject(n, fmt.Sprintf("a stage of %s lacks the key %q", s.Protocol, wanted), "")
		}
		return Stage{}
	}
	number, _ := strconv.ParseUint(v.Value, 10, 16)
	*value = uint16(number)
	if p := rd.Child(n, "payload"); p != nil {
		s.PayloadFrom, _ = ParseCredential(rd.Text(p, "secret"))
		if s.Protocol == "tcp" {
			rd.Reject(p, "a stage of tcp carries no payload: its packet only opens a connection", "make it a stage of udp, or of icmp with a size")
		}
	}
	return s
}

func (rd *reader) opens(door *yaml.Node) []Target {
	var out []Target
	nodes := rd.Items(door, "opens")
	for i, n := range nodes {
		t, why, _ := parseTarget(n.Value)
		if why != "" && rd.Defines(n.Value) {
			t = Target{Kind: ForwardTarget, Name: n.Value}
		}
		if t.Kind == Everything && len(nodes) > 1 {
			rd.Reject(n, "everything is listed beside other targets", "write it alone, or leave it out")
		}
		for _, before := range out {
			if t.Kind == PortTarget && before.Kind == PortTarget && before.Protocol == t.Protocol &&
				before.Port.First <= t.Port.Last && t.Port.First <= before.Port.Last && !rd.Rejected(nodes[i]) {
				rd.Reject(n, fmt.Sprintf("%q covers ports that an item before it opens already", n.Value), "open each port once")
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
func (rd *reader) gateVPNs(root *yaml.Node, g *Gate) {
	for _, n := range rd.Items(root, "gate", "vpns") {
		if n.Kind == yaml.ScalarNode {
			g.VPNs = append(g.VPNs, n.Value)
			continue
		}
		name := rd.Text(n, "name")
		switch {
		case name == "":
			continue
		case slices.Contains(g.VPNs, name):
			rd.Reject(n, fmt.Sprintf("%q is repeated", name), "leave it out")
		case !MovesPort(name):
			rd.Reject(n, fmt.Sprintf("%s has no port that can be named", name), "write its name alone")
		}
		port, _ := strconv.ParseUint(rd.Text(n, "port"), 10, 16)
		g.VPNs, g.VPNPorts = append(g.VPNs, name), append(g.VPNPorts, VPNPort{name, uint16(port)})
	}
}

func (rd *reader) gatePorts(root *yaml.Node, g *Gate) {
	for _, n := range rd.Items(root, "gate", "ports") {
		protocol, ports, _ := strings.Cut(n.Value, "/")
		if t, why, _ := parsePortTarget(protocol, ports); why == "" {
			g.Ports = append(g.Ports, t)
		}
	}
}

func (rd *reader) log(door *yaml.Node) *Log {
	n := rd.Child(door, "log")
	if n == nil {
		return nil
	}
	limit := defaultLogRate
	if v := rd.Child(n, "limit"); v != nil {
		limit = v.Value
	}
	count, per, _ := strings.Cut(limit, "/")
	l := &Log{Prefix: rd.Text(n, "prefix")}
	l.Count, _ = strconv.Atoi(count)
	l.Per, _ = routeros.ParseDuration(per)
	return l
}

// ranges reads a list of addresses and prefixes. One of a family that the plan does not cover would
// silently do nothing, so it is an error.
func (rd *reader) ranges(families []routeros.Family, n *yaml.Node, path ...string) []routeros.AddressRange {
	var out []routeros.AddressRange
	seen := map[routeros.AddressRange]bool{}
	for _, item := range rd.Items(n, path...) {
		r, err := routeros.ParseAddressRange(item.Value)
		switch {
		case err != nil:
			rd.Reject(item, fmt.Sprintf("%q is not an address or prefix", item.Value), "")
		case seen[r]:
			rd.Reject(item, fmt.Sprintf("%q is repeated", item.Value), "leave it out")
		case !slices.Contains(families, r.Family()):
			rd.Reject(item, fmt.Sprintf("%q is %s, which firewall.families leaves out", item.Value, r.Family()),
				"add the family, or leave the address out")
		}
		seen[r] = true
		out = append(out, r)
	}
	return out
}

func (rd *reader) services(root *yaml.Node) Services {
	s := Services{Disable: rd.Texts(root, "services", "disable")}
	for _, e := range rd.Entries(root, "services", "ports") {
		port, _ := strconv.ParseUint(e.Value.Value, 10, 16)
		s.Ports = append(s.Ports, ServicePort{Name: e.Key.Value, Port: uint16(port)})
	}
	for _, e := range rd.Entries(root, "services", "from") {
		// A service answers on both families whatever the firewall covers.
		s.From = append(s.From, ServiceFrom{Name: e.Key.Value, Prefixes: rd.ranges(routeros.Families(), e.Value)})
	}
	return s
}

func (rd *reader) firewall(root *yaml.Node) Firewall {
	f := Firewall{Before: rd.Text(root, "firewall", "place", "before")}
	for _, word := range rd.Texts(root, "firewall", "families") {
		if word == routeros.IPv6.String() {
			f.Families = append(f.Families, routeros.IPv6)
			continue
		}
		f.Families = append(f.Families, routeros.IPv4)
	}
	if f.Families == nil {
		f.Families = routeros.Families()
	}
	f.Bogons = rd.bogons(root, f.Families)
	if rd.Text(root, "firewall", "layout") == Inline.String() {
		f.Layout = Inline
	}
	f.AsFound = rd.found(root, f)
	return f
}

// compareDoors finds lists that would be filled by two doors or stages, and doors with one knock.
func (rd *reader) compareDoors(root *yaml.Node, p Plan) {
	lists := map[string]string{}
	if p.Name != "" {
		lists["rosknock-"+p.Name+"-allow"] = "the allow-list"
		lists["rosknock-"+p.Name+"-bogons"] = "the list of bogons"
	}
	knocks := map[string]string{}
	for i, e := range rd.Entries(root, "doors") {
		d := p.Doors[i]
		rd.claim(lists, d.Trusted.List, "the trusted list of door "+d.Name, rd.Child(e.Value, "trusted", "list"))
		rd.claim(lists, d.Trusted.Networks, "the list of networks of door "+d.Name, rd.Child(e.Value, "trusted", "networks"))
		place := rd.Child(e.Value, "stage-lists")
		if place == nil {
			place = e.Key
		}
		for stage := 1; stage < len(d.Knock); stage++ {
			if !rd.claim(lists, d.StageListOf(stage), "a stage list of door "+d.Name, place) {
				break
			}
		}
		if d.Quarantines() {
			rd.claim(lists, d.QuarantineList(), "the quarantine of door "+d.Name, place)
		}
		rd.sameKnock(knocks, d, rd.Child(e.Value, "knock"))
	}
}

// claim notes who fills a list, or the problem that something else fills it already.
func (rd *reader) claim(lists map[string]string, name, owner string, n *yaml.Node) bool {
	if name == "" || n == nil {
		return true
	}
	if before, taken := lists[name]; taken {
		rd.Note(n, fmt.Sprintf("the list %q would be %s and %s", name, before, owner), "give one of them another name")
		return false
	}
	lists[name] = owner
	return true
}

func (rd *reader) sameKnock(knocks map[string]string, d Door, n *yaml.Node) {
	if n == nil || len(d.Knock) == 0 || slices.Contains(d.Knock, Stage{}) {
		return
	}
	var key strings.Builder
	for _, s := range d.Knock {
		key.WriteString(s.Reveal() + " ")
	}
	if before, taken := knocks[key.String()]; taken {
		rd.Note(n, fmt.Sprintf("door %s has the same knock as door %s", d.Name, before), "give each door its own")
		return
	}
	knocks[key.String()] = d.Name
}

// compareServices finds services that are disabled but used, and two services on one port.
func (rd *reader) compareServices(root *yaml.Node, p Plan) {
	off := map[string]bool{}
	for _, name := range p.Services.Disable {
		off[name] = true
	}
	refuse := func(n *yaml.Node, use string) {
		if off[n.Value] {
			rd.Note(n, fmt.Sprintf("service %s is %s here and switched off by services.disable", n.Value, use), "remove it from one of them")
		}
	}
	for _, e := range rd.Entries(root, "doors") {
		for _, n := range rd.Items(e.Value, "opens") {
			refuse(n, "opened")
		}
	}
	for _, n := range rd.Items(root, "gate", "services") {
		refuse(n, "gated")
	}
	for _, e := range rd.Entries(root, "services", "from") {
		refuse(e.Key, "limited")
	}
	for _, e := range rd.Entries(root, "services", "ports") {
		refuse(e.Key, "moved")
	}
	rd.collisions(root, off)
}

// collisions compares moved services with each other and with the default ports of those that stay.
func (rd *reader) collisions(root *yaml.Node, off map[string]bool) {
	owner := map[string]string{}
	moved := rd.Entries(root, "services", "ports")
	for _, s := range routeros.Services() {
		stays := !slices.ContainsFunc(moved, func(e form.Entry) bool { return e.Key.Value == s.Name })
		// www-ssl and reverse-proxy share a default; the first to claim it is enough for the
		// message.
		if port := strconv.Itoa(int(s.Port)); stays && !off[s.Name] && owner[port] == "" {
			owner[port] = s.Name
		}
	}
	for _, e := range moved {
		if other := owner[e.Value.Value]; other != "" {
			rd.Note(e.Value, fmt.Sprintf("%s would listen on the port of %s", e.Key.Value, other),
				"choose another port, or switch that service off")
		}
		owner[e.Value.Value] = e.Key.Value
	}
}
