//go:build linux

package lab_test

import (
	"testing"

	"github.com/rosknock/rosknock/routeros/firewall"
)

// testStates plays flows and holds what connection tracking makes of them against what the
// evaluator's callers, the simulator first of all, are to assume. The states stand in the shots; a
// difference fails the game.
func (l *lab) testStates(t *testing.T) {
	udp := func(state firewall.State, to uint16) shot {
		s := stranger("203.0.113.1", 40000, to)
		s.packet.Protocol, s.packet.State, s.packet.TCPFlags = 17, state, 0
		return s
	}
	tcp := func(state firewall.State, flags firewall.Flags, from uint16) shot {
		s := stranger("203.0.113.1", from, 22)
		s.packet.State, s.packet.TCPFlags = state, flags
		return s
	}
	answered := func(s shot, flags firewall.Flags) shot {
		s.answered = reply(s.packet, flags, 0, s.echo)
		return s
	}
	const open = "/ip firewall filter\nadd chain=input action=accept connection-state=established\nadd chain=input action=drop protocol=udp dst-port=53\n"
	tests := []struct {
		name  string
		shots []shot
	}{
		{"accepted without an answer stays new", []shot{udp(firewall.New, 123), udp(firewall.New, 123), udp(firewall.New, 123)}},
		{"accepted and answered is established", []shot{udp(firewall.New, 123), answered(udp(firewall.Established, 123), 0), udp(firewall.Established, 123)}},
		{"dropped stays new", []shot{udp(firewall.New, 53), udp(firewall.New, 53)}},
		{"a handshake", []shot{
			tcp(firewall.New, firewall.SYN, 40001),
			answered(tcp(firewall.Established, firewall.ACK, 40001), firewall.SYN|firewall.ACK),
			tcp(firewall.Established, firewall.ACK|firewall.PSH, 40001),
		}},
		{"a SYN repeated", []shot{tcp(firewall.New, firewall.SYN, 40002), tcp(firewall.New, firewall.SYN, 40002)}},
		{"picked up in mid-stream", []shot{tcp(firewall.New, firewall.ACK|firewall.PSH, 40003), tcp(firewall.New, firewall.ACK, 40003)}},
		{"without a connection", []shot{tcp(firewall.Invalid, firewall.SYN|firewall.ACK, 40004), tcp(firewall.Invalid, firewall.RST, 40005), tcp(firewall.Invalid, firewall.FIN|firewall.ACK, 40006)}},
		{"scans with odd flags", []shot{tcp(firewall.Invalid, 0, 40007), tcp(firewall.Invalid, firewall.FIN|firewall.PSH|firewall.URG, 40008), tcp(firewall.Invalid, firewall.SYN|firewall.FIN, 40009)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { l.agree(t, table(t, open), round{shots: test.shots}) })
	}
}
