package plans

import (
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// Write prints a plan as YAML, so that [Read] gives the same plan back. Comments of a file that was
// read are not kept. The result holds the knock sequences: save it with mode 0600.
func Write(p Plan) []byte {
	root := &yaml.Node{Kind: yaml.MappingNode}
	form.Put(root, "version", form.Integer(1))
	form.Put(root, "name", form.Text(p.Name))
	doors := &yaml.Node{Kind: yaml.MappingNode}
	for _, d := range p.Doors {
		form.Put(doors, d.Name, writeDoor(p.Name, d))
	}
	form.Put(root, "doors", doors)
	form.Put(root, "allow", form.Keys("addresses", ranges(p.Allow.Addresses), "interface-lists", form.Texts(p.Allow.InterfaceLists),
		"interfaces", form.Texts(p.Allow.Interfaces), "address-lists", form.Texts(p.Allow.AddressLists)))
	form.Put(root, "gate", form.Keys("services", form.Texts(p.Gate.Services), "vpns", writeVPNs(p.Gate), "ports", writeTargets(p.Gate.Ports), "forwards", writeForwards(p.Gate.Forwards)))
	form.Put(root, "services", writeServices(p.Services))
	form.Put(root, "firewall", writeFirewall(p.Firewall))
	return form.Encode(root)
}

func writeDoor(plan string, d Door) *yaml.Node {
	knock := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range d.Knock {
		knock.Content = append(knock.Content, writeStage(s))
	}
	n := form.Keys("rotate", writeRotate(d.Rotate), "knock", knock, "stage-timeout", form.Text(routeros.FormatDuration(d.StageTimeout)))
	switch {
	case len(d.StageNames) > 0:
		form.Put(n, "stage-lists", form.Texts(d.StageNames))
	case d.StageList != "rosknock-"+plan+"-"+d.Name:
		form.Put(n, "stage-lists", form.Text(d.StageList))
	}
	trusted := form.Keys("list", form.Text(d.Trusted.List), "for", form.Text(d.Trusted.For.String()))
	if d.Trusted.Networks != "" {
		form.Put(trusted, "networks", form.Text(d.Trusted.Networks))
	}
	trusted.Style = yaml.FlowStyle
	form.Put(n, "trusted", trusted)
	form.Put(n, "opens", writeTargets(d.Opens))
	form.Put(n, "on", form.Texts(d.On))
	writeQuarantine(n, d)
	if d.Log != nil {
		limit := fmt.Sprintf("%d/%s", d.Log.Count, routeros.FormatDuration(d.Log.Per))
		form.Put(n, "log", form.Keys("prefix", form.Text(d.Log.Prefix), "limit", form.Text(limit)))
	}
	return n
}

func writeTargets(list []Target) *yaml.Node {
	var names []string
	for _, t := range list {
		names = append(names, t.String())
	}
	return form.Texts(names)
}

func writeVPNs(g Gate) *yaml.Node {
	n := form.Texts(g.VPNs)
	for i, name := range g.VPNs {
		at := slices.IndexFunc(g.VPNPorts, func(p VPNPort) bool { return p.Name == name })
		if at >= 0 {
			n.Content[i] = form.Keys("name", form.Text(name), "port", form.Integer(int(g.VPNPorts[at].Port)))
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
	form.Put(n, "wrong-knock", form.Text(d.WrongKnock.String()))
	form.Put(n, "decoys", form.Texts(decoys))
	form.Put(n, "quarantine-for", form.Text(routeros.FormatDuration(d.QuarantineFor)))
}

func writeRotate(r *Rotate) *yaml.Node {
	if r == nil {
		return &yaml.Node{Kind: yaml.MappingNode}
	}
	n := form.Keys("secret", form.Text(r.Secret.String()), "stages", form.Integer(r.Stages), "ports", form.Text(routeros.Ports{r.Ports}.String()),
		"every", form.Text(routeros.FormatDuration(r.Every)), "overlap", form.Text(routeros.FormatDuration(r.Overlap)))
	if r.Ahead > 0 {
		form.Put(n, "ahead", form.Text(strconv.Itoa(int(r.Ahead/day))+"d"))
	}
	if r.User != "" {
		form.Put(n, "user", form.Text(r.User))
	}
	if r.Payload > 0 {
		form.Put(n, "payload", form.Integer(r.Payload))
	}
	n.Style = yaml.FlowStyle
	return n
}

// writeStage prints a stage: in short form, or in full if it has a payload, of which only the place
// is written.
func writeStage(s Stage) *yaml.Node {
	if s.PayloadFrom == (Credential{}) {
		return form.Text(s.Reveal())
	}
	n := form.Keys("protocol", form.Text(s.Protocol))
	if s.Protocol == "icmp" {
		form.Put(n, "size", form.Integer(int(s.Size)))
	} else {
		form.Put(n, "port", form.Integer(int(s.Port)))
	}
	form.Put(n, "payload", form.Keys("secret", form.Text(s.PayloadFrom.String())))
	n.Style = yaml.FlowStyle
	return n
}

func writeServices(s Services) *yaml.Node {
	n := form.Keys("disable", form.Texts(s.Disable))
	ports, from := &yaml.Node{Kind: yaml.MappingNode}, &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range s.Ports {
		form.Put(ports, p.Name, form.Integer(int(p.Port)))
	}
	for _, f := range s.From {
		form.Put(from, f.Name, ranges(f.Prefixes))
	}
	form.Put(n, "ports", ports)
	form.Put(n, "from", from)
	return n
}

func writeFirewall(f Firewall) *yaml.Node {
	var families []string
	for _, family := range f.Families {
		families = append(families, family.String())
	}
	n := form.Keys("families", form.Texts(families), "layout", form.Text(f.Layout.String()), "as-found", writeFound(f.AsFound))
	place := form.Text("auto")
	if f.Before != "" {
		place = form.Keys("before", form.Text(f.Before))
	}
	form.Put(n, "place", place)
	if b := f.Bogons; b != nil {
		form.Put(n, "bogons", form.Keys("interface-lists", form.Texts(b.InterfaceLists), "except", ranges(b.Except), "also", ranges(b.Also)))
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

func ranges(list []routeros.AddressRange) *yaml.Node {
	var out []string
	for _, r := range list {
		out = append(out, r.String())
	}
	return form.Texts(out)
}
