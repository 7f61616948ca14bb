package plans

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/routeros"
)

// Write prints a plan as YAML, so that [Read] gives the same plan back. Comments of a file that was
// read are not kept. The result holds the knock sequences: save it with mode 0600.
func Write(p Plan) []byte {
	root := &yaml.Node{Kind: yaml.MappingNode}
	put(root, "version", integer(1))
	put(root, "name", text(p.Name))
	doors := &yaml.Node{Kind: yaml.MappingNode}
	for _, d := range p.Doors {
		put(doors, d.Name, writeDoor(p.Name, d))
	}
	put(root, "doors", doors)
	put(root, "allow", fields("addresses", ranges(p.Allow.Addresses), "interface-lists", texts(p.Allow.InterfaceLists),
		"interfaces", texts(p.Allow.Interfaces), "address-lists", texts(p.Allow.AddressLists)))
	put(root, "gate", fields("services", texts(p.Gate.Services), "vpns", writeVPNs(p.Gate), "ports", writeTargets(p.Gate.Ports), "forwards", writeForwards(p.Gate.Forwards)))
	put(root, "services", writeServices(p.Services))
	put(root, "firewall", writeFirewall(p.Firewall))
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	// A tree of plain nodes always encodes, and a buffer takes every write.
	_ = e.Encode(root)
	_ = e.Close()
	return b.Bytes()
}

func writeDoor(plan string, d Door) *yaml.Node {
	knock := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range d.Knock {
		knock.Content = append(knock.Content, writeStage(s))
	}
	n := fields("rotate", writeRotate(d.Rotate), "knock", knock, "stage-timeout", text(routeros.FormatDuration(d.StageTimeout)))
	switch {
	case len(d.StageNames) > 0:
		put(n, "stage-lists", texts(d.StageNames))
	case d.StageList != "rosknock-"+plan+"-"+d.Name:
		put(n, "stage-lists", text(d.StageList))
	}
	trusted := fields("list", text(d.Trusted.List), "for", text(d.Trusted.For.String()))
	trusted.Style = yaml.FlowStyle
	put(n, "trusted", trusted)
	put(n, "opens", writeTargets(d.Opens))
	put(n, "on", texts(d.On))
	writeQuarantine(n, d)
	if d.Log != nil {
		limit := fmt.Sprintf("%d/%s", d.Log.Count, routeros.FormatDuration(d.Log.Per))
		put(n, "log", fields("prefix", text(d.Log.Prefix), "limit", text(limit)))
	}
	return n
}

func writeTargets(list []Target) *yaml.Node {
	var names []string
	for _, t := range list {
		names = append(names, t.String())
	}
	return texts(names)
}

func writeVPNs(g Gate) *yaml.Node {
	n := texts(g.VPNs)
	for i, name := range g.VPNs {
		at := slices.IndexFunc(g.VPNPorts, func(p VPNPort) bool { return p.Name == name })
		if at >= 0 {
			n.Content[i] = fields("name", text(name), "port", integer(int(g.VPNPorts[at].Port)))
			n.Content[i].Style = yaml.FlowStyle
		}
	}
	return n
}

func writeQuarantine(n *yaml.Node, d Door) {
	if !d.Quarantines() {
		return
	}
	var decoys []string
	for _, s := range d.Decoys {
		decoys = append(decoys, s.Reveal())
	}
	put(n, "wrong-knock", text(d.WrongKnock.String()))
	put(n, "decoys", texts(decoys))
	put(n, "quarantine-for", text(routeros.FormatDuration(d.QuarantineFor)))
}

func writeRotate(r *Rotate) *yaml.Node {
	if r == nil {
		return &yaml.Node{Kind: yaml.MappingNode}
	}
	n := fields("secret", text(r.Secret.String()), "stages", integer(r.Stages), "ports", text(routeros.Ports{r.Ports}.String()),
		"every", text(routeros.FormatDuration(r.Every)), "overlap", text(routeros.FormatDuration(r.Overlap)))
	if r.Ahead > 0 {
		put(n, "ahead", text(strconv.Itoa(int(r.Ahead/day))+"d"))
	}
	if r.User != "" {
		put(n, "user", text(r.User))
	}
	if r.Payload > 0 {
		put(n, "payload", integer(r.Payload))
	}
	n.Style = yaml.FlowStyle
	return n
}

// writeStage prints a stage: in short form, or in full if it has a payload, of which only the place
// is written.
func writeStage(s Stage) *yaml.Node {
	if s.PayloadFrom == (Credential{}) {
		return text(s.Reveal())
	}
	n := fields("protocol", text(s.Protocol))
	if s.Protocol == "icmp" {
		put(n, "size", integer(int(s.Size)))
	} else {
		put(n, "port", integer(int(s.Port)))
	}
	put(n, "payload", fields("secret", text(s.PayloadFrom.String())))
	n.Style = yaml.FlowStyle
	return n
}

func writeServices(s Services) *yaml.Node {
	n := fields("disable", texts(s.Disable))
	ports, from := &yaml.Node{Kind: yaml.MappingNode}, &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range s.Ports {
		put(ports, p.Name, integer(int(p.Port)))
	}
	for _, f := range s.From {
		put(from, f.Name, ranges(f.Prefixes))
	}
	put(n, "ports", ports)
	put(n, "from", from)
	return n
}

func writeFirewall(f Firewall) *yaml.Node {
	var families []string
	for _, family := range f.Families {
		families = append(families, family.String())
	}
	n := fields("families", texts(families), "layout", text(f.Layout.String()), "as-found", writeFound(f.Found))
	place := text("auto")
	if f.Before != "" {
		place = fields("before", text(f.Before))
	}
	put(n, "place", place)
	if b := f.Bogons; b != nil {
		put(n, "bogons", fields("interface-lists", texts(b.InterfaceLists), "except", ranges(b.Except), "also", ranges(b.Also)))
	}
	return n
}

// String returns the target as a plan has it: ssh, wireguard, tcp/8443, udp/5000-5010, the name of
// a forward, everything.
func (t Target) String() string {
	switch t.Kind {
	case ServiceTarget, VPNTarget, ForwardTarget:
		return t.Name
	case PortTarget:
		return t.Protocol + "/" + routeros.Ports{t.Port}.String()
	case Everything:
	}
	return "everything"
}

// put adds a key, unless its value is an empty list or mapping: a key without a value is a mistake.
func put(n *yaml.Node, name string, value *yaml.Node) {
	if value.Kind != yaml.ScalarNode && len(value.Content) == 0 {
		return
	}
	n.Content = append(n.Content, text(name), value)
}

// fields makes a mapping from alternating names and values.
func fields(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for pair := range slices.Chunk(pairs, 2) {
		put(n, pair[0].(string), pair[1].(*yaml.Node)) //nolint:forcetypeassert // pairs of our own source
	}
	return n
}

// text makes a scalar that is read as text: the encoder quotes it if YAML would read something
// else.
func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func integer(i int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(i)}
}

func texts(list []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range list {
		n.Content = append(n.Content, text(s))
	}
	return n
}

func ranges(list []routeros.AddressRange) *yaml.Node {
	var out []string
	for _, r := range list {
		out = append(out, r.String())
	}
	return texts(out)
}
