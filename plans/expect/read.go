package expect

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// Read reads a tests file. The name is only for messages. The error is [form.Problems]: every
// error of the file, in order of place.
func Read(name string, data []byte) (Cases, error) {
	rd := reader{form.NewReader(name, data, document())}
	var c Cases
	if root := rd.Parse(); root != nil {
		rd.Check(root, fileForm(), "a tests file")
		c.Plan = rd.Text(root, "plan")
		lines := map[string]int{}
		for _, n := range rd.Items(root, "tests") {
			c.Tests = append(c.Tests, rd.test(n))
			rd.once(n, lines)
		}
	}
	if problems := rd.Problems(); problems != nil {
		return Cases{}, problems
	}
	return c, nil
}

// reader builds tests from a file, and checks their parts against each other.
type reader struct{ *form.Reader }

// once refuses a name that comes twice: results are told apart by it.
func (rd reader) once(n *yaml.Node, lines map[string]int) {
	name := rd.Child(n, "name")
	if name == nil {
		return
	}
	if line, again := lines[name.Value]; again {
		rd.Reject(name, fmt.Sprintf("the name %q is repeated", name.Value), fmt.Sprintf("it is already in line %d", line))
		return
	}
	lines[name.Value] = name.Line
}

func (rd reader) test(n *yaml.Node) Test {
	t := Test{Name: rd.Text(n, "name"), Line: n.Line, In: rd.Text(n, "in"), Knock: rd.Text(n, "after", "knock"), Expect: Verdict(rd.Text(n, "expect"))}
	t.Size, _ = strconv.Atoi(rd.Text(n, "size"))
	t.Family = map[string]routeros.Family{"ipv4": routeros.IPv4, "ipv6": routeros.IPv6}[rd.Text(n, "family")]
	if packet := rd.Child(n, "packet"); packet != nil {
		rd.packet(n, packet, &t)
	} else {
		rd.reaches(n, &t)
	}
	rd.compare(n, t)
	return t
}

// packet fills in a test about a packet.
func (rd reader) packet(n, packet *yaml.Node, t *Test) {
	p, err := parsePacket(packet.Value)
	if err != nil {
		return // which was noted
	}
	t.From, t.Targets, t.State = p.source, []Target{p.target}, p.state
	if from := rd.Child(n, "from"); from != nil {
		rd.Reject(from, "the packet names its source itself", "leave from out")
	}
	switch in := rd.Child(n, "in"); {
	case p.in != "" && in != nil:
		rd.Reject(in, "the packet names its interface itself", "leave in out")
	case p.in != "":
		t.In = p.in
	}
	rd.family(n, t, p.family)
}

// family fills in the family that follows from an address.
func (rd reader) family(n *yaml.Node, t *Test, f routeros.Family) {
	if f != 0 && t.Family != 0 && t.Family != f {
		rd.Reject(rd.Child(n, "family"), "the address is of the other family", "leave family out")
	}
	if f != 0 {
		t.Family = f
	}
}

// reaches fills in a test about what can be reached.
func (rd reader) reaches(n *yaml.Node, t *Test) {
	t.Reaches, t.From = true, parseSource(rd.Text(n, "from"))
	for _, item := range rd.Items(n, "reaches") {
		target, _ := parseTarget(item.Value)
		t.Targets = append(t.Targets, target)
	}
	if first := t.From.Range.First; first.IsValid() {
		f := routeros.IPv4
		if first.Is6() {
			f = routeros.IPv6
		}
		rd.family(n, t, f)
	}
	if expect := rd.Child(n, "expect"); expect != nil && t.Expect != Accept && t.Expect != Drop {
		rd.Note(expect, "expect is accept or drop in a test with reaches", "write drop, or name a packet")
	}
}

// compare checks the parts of a test against each other.
func (rd reader) compare(n *yaml.Node, t Test) {
	if after := rd.Child(n, "after"); after != nil && !t.From.single() {
		rd.Note(after, "a knock is played by one source", "name an address, or stranger")
	}
	if from := rd.Child(n, "from"); from != nil && t.From.Kind == Behind && t.In != "" {
		rd.Note(from, "from and in both name where the packets come in", "leave one of them out")
	}
}
