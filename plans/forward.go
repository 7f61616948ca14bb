package plans

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// Forward is a service behind the router that is reached through a port of the router, by
// destination NAT. Only IPv4 has forwards: with IPv6 every host has an address that is reached
// directly.
type Forward struct {
	Name     string
	Protocol string // tcp or udp
	// Port is the router's port, and ToPort the port of the host To.
	Port   uint16
	To     netip.Addr
	ToPort uint16
}

// OpensForward reports whether a door's trusted sources may use a forward: the door names it, or
// opens everything.
func (d Door) OpensForward(name string) bool {
	return slices.ContainsFunc(d.Opens, func(t Target) bool {
		return t.Kind == Everything || t.Kind == ForwardTarget && t.Name == name
	})
}

func forwardsForm() form.Form {
	item := form.Mapping(
		form.Field{Name: "name", Required: true, About: "Its name, for opens.", Value: form.Of(nameScalar())},
		form.Field{Name: "protocol", Required: true, About: "tcp or udp.", Value: form.Of(form.Scalar{What: "a protocol", Enum: []string{"tcp", "udp"}})},
		form.Field{Name: "port", Required: true, About: "The port of the router.", Value: form.Number("a port", 1, 65535)},
		form.Field{Name: "to", Required: true, About: "The IPv4 address of the host behind the router.", Value: form.Of(forwardedScalar())},
		form.Field{Name: "to-port", About: "The port of that host. Without it, that of the router.", Value: form.Number("a port", 1, 65535)},
	)
	return form.List(item).AtLeast(1)
}

// forwardedScalar is the address of one host behind the router.
func forwardedScalar() form.Scalar {
	return form.Scalar{What: "the address of a host", Pattern: `^[0-9.]+$`, Check: func(text string) (why, remedy string) {
		a, err := netip.ParseAddr(text)
		switch {
		case err != nil:
			return "it is not an IPv4 address", "write 192.168.88.10"
		case a.Is6():
			return "an IPv6 address needs no forward, since a host has an address of its own there", "let its own firewall, or the router's forward chain, decide who may reach it"
		case a.IsLoopback(), a.IsMulticast(), a.IsUnspecified(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
			return "no host behind the router has it", "write 192.168.88.10"
		}
		return "", ""
	}}
}

// forwardNames lists the names of forwards, before the plan is checked: a door may open them.
func (rd *reader) forwardNames(root *yaml.Node) []string {
	var names []string
	for _, n := range rd.Items(root, "gate", "forwards") {
		if name := rd.Text(n, "name"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func (rd *reader) forwards(root *yaml.Node) []Forward {
	var out []Forward
	for _, n := range rd.Items(root, "gate", "forwards") {
		f := Forward{Name: rd.Text(n, "name"), Protocol: rd.Text(n, "protocol"), Port: portOf(rd.Text(n, "port"))}
		f.To, _ = netip.ParseAddr(rd.Text(n, "to"))
		if f.ToPort = f.Port; form.HasKey(n, "to-port") {
			f.ToPort = portOf(rd.Text(n, "to-port"))
		}
		out = append(out, f)
	}
	return out
}

func portOf(text string) uint16 {
	port, _ := strconv.ParseUint(text, 10, 16)
	return uint16(port)
}

// compareForwards finds forwards whose names or ports are already in use.
func (rd *reader) compareForwards(root *yaml.Node, p Plan) {
	if len(p.Gate.Forwards) > 0 && !slices.Contains(p.Firewall.Families, routeros.IPv4) {
		n := rd.Child(root, "gate", "forwards")
		rd.Reject(n, "forwards are of IPv4, which firewall.families leaves out", "add the family, or leave the forwards out")
		return
	}
	for i, n := range rd.Items(root, "gate", "forwards") {
		f := p.Gate.Forwards[i]
		if place := rd.Child(n, "name"); place != nil {
			rd.forwardName(place, p.Gate.Forwards[:i])
		}
		place := rd.Child(n, "port")
		if place == nil || f.Port == 0 {
			continue
		}
		if use, secret := p.takes(f, p.Gate.Forwards[:i]); use != "" {
			if secret {
				rd.Hide(place)
			}
			rd.Reject(place, "the port of forward "+f.Name+" is "+use, "choose another port: what is forwarded never comes to the router itself")
		}
	}
}

func (rd *reader) forwardName(n *yaml.Node, before []Forward) {
	switch t, why, _ := parseTarget(n.Value); {
	case why == "" && t.Kind == Everything:
		rd.Reject(n, `"everything" names no forward`, "choose another name")
	case why == "":
		rd.Reject(n, fmt.Sprintf("%q is the name of a service or VPN", n.Value), "choose another name")
	case slices.ContainsFunc(before, func(f Forward) bool { return f.Name == n.Value }):
		rd.Reject(n, fmt.Sprintf("forward %q is repeated", n.Value), "give each its own name")
	}
}

// takes says which other use of a forward's port is in the plan, "" for none, and whether that is a
// secret.
func (p Plan) takes(f Forward, before []Forward) (use string, secret bool) {
	at := Stage{Protocol: f.Protocol, Port: f.Port}
	for _, other := range before {
		if other.Protocol == f.Protocol && other.Port == f.Port {
			return "that of forward " + other.Name, false
		}
	}
	for _, d := range p.Doors {
		touches := func(s Stage) bool { return s.Protocol == f.Protocol && s.Port == f.Port }
		if slices.ContainsFunc(d.Knock, touches) {
			return "a stage of door " + d.Name, true
		}
		if slices.ContainsFunc(d.Decoys, touches) {
			return "a decoy of door " + d.Name, true
		}
		of := slices.DeleteFunc(slices.Clone(d.Opens), func(t Target) bool { return t.Kind == ForwardTarget })
		if target, ok := p.covering(of, at); ok {
			return fmt.Sprintf("a port of %s, which door %s opens", target, d.Name), false
		}
	}
	if target, ok := p.covering(p.Gate.Targets(), at); ok {
		return fmt.Sprintf("a port of %s, which is gated", target), false
	}
	return "", false
}

func writeForwards(forwards []Forward) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, f := range forwards {
		n := form.Keys("name", form.Text(f.Name), "protocol", form.Text(f.Protocol), "port", form.Integer(int(f.Port)), "to", form.Text(f.To.String()))
		if f.ToPort != f.Port {
			form.Put(n, "to-port", form.Integer(int(f.ToPort)))
		}
		n.Style = yaml.FlowStyle
		list.Content = append(list.Content, n)
	}
	return list
}
