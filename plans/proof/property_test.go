package proof_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// withWAN is a router whose outside is in a list, too.
var withWAN = strings.NewReplacer("add name=LAN\n", "add name=LAN\nadd name=WAN\n", "list=LAN\n", "list=LAN\nadd interface=ether1 list=WAN\n").Replace(head)

// foreignTable draws other people's rules, knocks of their own and lists that collide with ours
// among them.
func foreignTable(t *rapid.T) string {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var b strings.Builder
	b.WriteString(withWAN)
	if rapid.Bool().Draw(t, "established") {
		b.WriteString(established)
	}
	for i := range rapid.IntRange(0, 7).Draw(t, "rules") {
		chain := one("chain", "input", "input", "input", "guest", "forward")
		fmt.Fprintf(&b, "add chain=%s comment=r%d", chain, i)
		for name, values := range [][]string{
			0: {"protocol=tcp dst-port=22", "protocol=tcp dst-port=1000-60000", "protocol=udp", "protocol=tcp", "protocol=icmp"}, 1: {"in-interface=ether1", "in-interface-list=LAN", "in-interface-list=!LAN"},
			2: {"src-address=10.0.0.0/8", "dst-address=192.168.88.10", "connection-nat-state=!dstnat", "src-address-list=friends", "src-address-list=t", "src-address-list=!t", "src-address-list=rosknock-m-a_1", "src-address-list=rosknock-m-a_1"}, 3: {"connection-state=new", "connection-state=invalid"}, 4: {"limit=5,5:packet"},
		} {
			if rapid.IntRange(0, 2).Draw(t, fmt.Sprint("matcher ", name)) == 0 {
				b.WriteString(" " + one("value", values...))
			}
		}
		action := one("action", "accept", "drop", "accept", "drop", "jump", "add-src-to-address-list", "reject", "return", "log")
		switch {
		case action == "jump" && chain == "guest":
			action = "return"
		case action == "jump":
			action = "jump jump-target=guest"
		case action == "add-src-to-address-list":
			action += " address-list-timeout=" + one("timeout", "5s", "1h", "none-dynamic") + " address-list=" + one("list", "friends", "t", "rosknock-m-a_1", "elsewhere", "rosknock-m-a-quarantine")
		}
		b.WriteString(" action=" + action + "\n")
	}
	if rapid.Bool().Draw(t, "final") {
		b.WriteString("add chain=input action=drop " + one("drop", "in-interface=ether1", "in-interface-list=!LAN", "") + "\n")
	}
	b.WriteString("/ip firewall nat\n")
	for range rapid.IntRange(0, 3).Draw(t, "nat") {
		b.WriteString("add chain=dstnat protocol=tcp dst-port=" + one("from", "3390", "3390", "1000-60000", "80") + one("whose", "", " in-interface=ether1", " src-address-list=friends", " src-address-list=t") +
			one("nat action", " action=dst-nat to-addresses=192.168.88.10 to-ports=3389", " action=dst-nat to-addresses=192.168.88.10 to-ports=3389", " action=dst-nat to-addresses=192.168.88.20", " action=accept", " action=return") + "\n")
	}
	if rapid.IntRange(0, 3).Draw(t, "entries") == 0 {
		b.WriteString("/ip firewall address-list\nadd list=" + one("of", "friends", "t", "rosknock-m-a_1", "rosknock-m-a-quarantine") + " address=10.0.0.5\n")
	}
	return b.String()
}

func drawnPlan(t *rapid.T) plans.Plan {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	forward := rapid.Bool().Draw(t, "forward")
	opens, gate := one("opens", "[ssh]", "[everything]", "[ssh, winbox]"), one("gate", "", "gate: {services: [ssh, winbox]}\n", "gate: {services: [ssh], vpns: [wireguard]}\n")
	if forward {
		const rdp = "forwards: [{name: rdp, protocol: tcp, port: 3390, to: 192.168.88.10, to-port: 3389}]}\n"
		opens, gate = one("opens", "[rdp]", "[everything]", "[ssh, rdp]", "[ssh]"), one("gate", "gate: {"+rdp, "gate: {services: [ssh, winbox], "+rdp)
	}
	text := "version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/4711, udp/4712, tcp/4713]\n    stage-timeout: 10s\n    trusted: {list: t, for: 1h}\n    opens: " + opens + "\n" +
		one("quarantine", "", "", "    wrong-knock: quarantine\n    decoys: [tcp/4720]\n", "    decoys: [udp/80]\n") +
		one("allow", "", "allow: {addresses: [10.0.0.7]}\n", "allow: {interface-lists: [LAN]}\n") + gate +
		"firewall: {families: [ipv4], layout: " + one("layout", "chain", "inline") +
		one("bogons", "", "", ", bogons: {interface-lists: [WAN]}", ", bogons: {interface-lists: [WAN], except: [10.0.0.8/29]}") + "}\n"
	p, err := plans.Read("m.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProofAgainstPackets: where the proof holds, no packet and no sequence of packets that is
// tried breaks a promise, in any state, whatever limits and the like answer.
func TestProofAgainstPackets(t *testing.T) {
	held, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := foreignTable(t)
		s, _ := rsc.Read([]byte(text)).Snapshot(rsc.Options{})
		p := drawnPlan(t)
		want, err := compile.Compile(p, s)
		if err != nil {
			return
		}
		session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("10.0.0.9")}}
		changes, err := diff.Compute(s, want, session)
		if err != nil {
			return
		}
		if !proof.Prove(s, want, changes, session).Holds() {
			refused++
			return
		}
		held++
		states := changetest.States(t, s, changes)
		for range 30 {
			trySingle(t, text, p, session, states, drawnPacket(t))
		}
		trySequences(t, text, p, states[len(states)-1])
	})
	t.Logf("the proof held %d times and refused %d times", held, refused)
	if held == 0 || refused == 0 {
		t.Errorf("held %d times, refused %d times: the tables don't suit the test", held, refused)
	}
}

func drawnPacket(t *rapid.T) firewall.Packet {
	p := firewall.Packet{
		Protocol: rapid.SampledFrom([]uint8{6, 6, 6, 17, 1}).Draw(t, "protocol"), Src: netip.MustParseAddr(rapid.SampledFrom([]string{"10.0.0.5", "10.0.0.7", "10.0.0.9", "93.77.0.1", "192.168.88.9"}).Draw(t, "src")),
		Dst: netip.MustParseAddr("192.0.2.1"), InInterface: rapid.SampledFrom([]string{"ether1", "bridge"}).Draw(t, "in"), Size: 60, TTL: 64,
		State: rapid.SampledFrom([]firewall.State{firewall.New, firewall.New, firewall.Established, firewall.Invalid}).Draw(t, "state"),
	}
	if p.Protocol != 1 {
		p.SrcPort, p.DstPort = 51077, rapid.SampledFrom([]uint16{22, 22, 8291, 8729, 4711, 4712, 4713, 80, 13231, 4720, 3390, 3390, 33900}).Draw(t, "port")
	} else {
		p.ICMPType = 8
	}
	return p
}

// trySingle checks one packet against promises 1 to 3 in every state.
func trySingle(t *rapid.T, text string, p plans.Plan, session change.Management, states []routeros.Snapshot, q firewall.Packet) {
	member := rapid.SampledFrom([]string{"", "", "t", "friends", "rosknock-m-a_1"}).Draw(t, "member")
	answer := rapid.Bool().Draw(t, "answer")
	accepted := func(s routeros.Snapshot) (bool, firewall.Disposition) {
		lists := firewall.NewAddressLists(s, epoch)
		if member != "" && fillable(s, member) {
			lists.Apply([]firewall.Addition{{Family: routeros.IPv4, List: member, Address: q.Src, Timeout: routeros.ListTimeout{Kind: routeros.NoneDynamic}}}, epoch)
		}
		fate := firewall.NewFirewall(s).Decide(q, lists, epoch, func(*routeros.Rule, []string) bool { return answer })
		return fate.Verdict == firewall.Accept, fate
	}
	before, was := accepted(states[0])
	for n, s := range states {
		after, fate := accepted(s)
		opened := opens(p, q, member, fate, states[len(states)-1])
		tryForward(t, text, p, q, member, states[len(states)-1], was, fate, n, n == len(states)-1)
		if after && !before && !opened {
			t.Fatalf("after %d steps %v (%v) is let in by %v\n%s", n, q, q.State, fate.Rule, text)
		}
		operator := q.Src == session.Operators[0] && q.Protocol == 6 && q.DstPort == 8729 && (q.State == firewall.New || q.State == firewall.Established) && member == ""
		if operator && before && !after {
			t.Fatalf("after %d steps the operator is shut out by %v\n%s", n, fate.Rule, text)
		}
		if gated := isGated(p, q); n == len(states)-1 && after && gated && q.State == firewall.New && !opened {
			t.Fatalf("in the end %v reaches what is gated by %v\n%s", q, fate.Rule, text)
		}
	}
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func fillable(s routeros.Snapshot, list string) bool {
	return slices.ContainsFunc(s.Rules[routeros.Filter], func(r routeros.Rule) bool { return r.Attrs.Get("address-list") == list && !r.Disabled() })
}

// tryForward checks forwarded packets against promises 2 and 3.
func tryForward(t *rapid.T, text string, p plans.Plan, q firewall.Packet, member string, end routeros.Snapshot, was, is firewall.Disposition, n int, last bool) {
	reaches := func(f firewall.Disposition) bool {
		return f.Verdict == firewall.Forwarded && f.To == netip.MustParseAddrPort("192.168.88.10:3389")
	}
	trusted := member == "t" || firewall.NewAddressLists(end, epoch).Contains(routeros.IPv4, "t", q.Src, epoch)
	if len(p.Gate.Forwards) == 0 {
		return
	}
	user := trusted && p.Doors[0].OpensForward("rdp") || allows(p, q)
	if is.Verdict == firewall.Forwarded && was.Verdict != firewall.Forwarded && !user {
		t.Fatalf("after %d steps %v is sent on to %v by %v, and was not\n%s", n, q, is.To, is.Rule, text)
	}
	if reaches(is) && !user && (last || !reaches(was)) {
		t.Fatalf("after %d steps %v reaches the forward by %v\n%s", n, q, is.Rule, text)
	}
}

// allows reports whether a packet comes from the allow-list.
func allows(p plans.Plan, q firewall.Packet) bool {
	return len(p.Allow.Addresses) > 0 && q.Src == netip.MustParseAddr("10.0.0.7") || len(p.Allow.InterfaceLists) > 0 && q.InInterface == "bridge"
}

// opens reports whether the plan lets a packet in: running connections, the allow-list, and the
// trusted.
func opens(p plans.Plan, q firewall.Packet, member string, fate firewall.Disposition, s routeros.Snapshot) bool {
	if q.State == firewall.Established {
		return true
	}
	trusted := !forged(p, q) && (member == "t" || firewall.NewAddressLists(s, epoch).Contains(routeros.IPv4, "t", q.Src, epoch) ||
		slices.ContainsFunc(fate.Additions, func(a firewall.Addition) bool { return a.List == "t" }))
	inDoor := slices.ContainsFunc(p.Doors[0].Opens, func(o plans.Target) bool { return o.Kind == plans.Everything || covers(o.Name, q) })
	return trusted && inDoor || allows(p, q) && (inDoor || isGated(p, q))
}

// forged reports whether the plan treats a packet's source as forged on the interface where it
// arrives.
func forged(p plans.Plan, q firewall.Packet) bool {
	return p.Firewall.Bogons != nil && q.InInterface == "ether1" && (q.Src.IsPrivate() && (q.Src.As4()[3] < 8 || len(p.Firewall.Bogons.Except) == 0 || q.Src.As4()[0] != 10))
}

func covers(name string, q firewall.Packet) bool {
	port := map[string]uint16{"ssh": 22, "winbox": 8291}[name]
	return port != 0 && q.Protocol == 6 && q.DstPort == port || name == "wireguard" && q.Protocol == 17 && q.DstPort == 13231
}

func isGated(p plans.Plan, q firewall.Packet) bool {
	return slices.ContainsFunc(append(slices.Clone(p.Gate.Services), p.Gate.VPNs...), func(name string) bool { return covers(name, q) })
}

// trySequences sends packets of one source that is in no list: it becomes trusted only by the
// knock.
func trySequences(t *rapid.T, text string, p plans.Plan, s routeros.Snapshot) {
	src := netip.MustParseAddr(rapid.SampledFrom([]string{"93.77.0.1", "10.0.0.5", "192.168.88.9"}).Draw(t, "who"))
	lists, world, at := firewall.NewAddressLists(s, epoch), firewall.NewFirewall(s), epoch
	if lists.Contains(routeros.IPv4, "t", src, at) {
		return
	}
	progress, answer := 0, rapid.Bool().Draw(t, "answers")
	for range 25 {
		q := drawnPacket(t)
		q.Src = src
		at = at.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "later")) * time.Second)
		fate := world.Decide(q, lists, at, func(*routeros.Rule, []string) bool { return answer })
		quarantined := p.Doors[0].Quarantines() && lists.Contains(routeros.IPv4, "rosknock-m-a-quarantine", src, at)
		if quarantined && slices.ContainsFunc(fate.Additions, func(a firewall.Addition) bool { return a.List == "t" || strings.HasPrefix(a.List, "rosknock-m-a_") }) {
			t.Fatalf("%s gets on in quarantine, by %v\n%s", src, fate.Additions, text)
		}
		if forged(p, q) && slices.ContainsFunc(fate.Additions, func(a firewall.Addition) bool { return a.List == "t" || strings.HasPrefix(a.List, "rosknock-m-a_") }) {
			t.Fatalf("%s is forged and gets on, by %v\n%s", q, fate.Additions, text)
		}
		lists.Apply(fate.Additions, at)
		if progress < 3 && q.State == firewall.New {
			stage := p.Doors[0].Knock[progress]
			if number, _ := routeros.ParseProtocol(stage.Protocol); number == q.Protocol && stage.Port == q.DstPort {
				progress++
			}
		}
		if lists.Contains(routeros.IPv4, "t", src, at) && progress < 3 {
			t.Fatalf("%s is trusted after %d stages, by %v\n%s", src, progress, fate.Additions, text)
		}
	}
}
