//go:build linux

package lab_test

import (
	"testing"

	"github.com/rosknock/rosknock/routeros/packet"
)

// testStates plays flows and holds what connection tracking makes of them against what the evaluator's callers,
// the simulator first of all, are to assume. The states stand in the shots; a difference fails the game.
func (l *lab) testStates(t *testing.T) {
	udp := func(state packet.State, to uint16) shot {
		s := stranger("203.0.113.1", 40000, to)
		s.packet.Protocol, s.packet.State, s.packet.TCPFlags = 17, state, 0
		return s
	}
	tcp := func(state packet.State, flags packet.Flags, from uint16) shot {
		s := stranger("203.0.113.1", from, 22)
		s.packet.State, s.packet.TCPFlags = state, flags
		return s
	}
	answered := func(s shot, flags packet.Flags) shot {
		s.answered = reply(s.packet, flags, 0, s.echo)
		return s
	}
	const open = "/ip firewall filter\nadd chain=input action=accept connection-state=established\nadd chain=input action=drop protocol=udp dst-port=53\n"
	tests := []struct {
		name  string
		shots []shot
	}{
		{"accepted without an answer stays new", []shot{udp(packet.New, 123), udp(packet.New, 123), udp(packet.New, 123)}},
		{"accepted and answered is established", []shot{udp(packet.New, 123), answered(udp(packet.Established, 123), 0), udp(packet.Established, 123)}},
		{"dropped stays new", []shot{udp(packet.New, 53), udp(packet.New, 53)}},
		{"a handshake", []shot{
			tcp(packet.New, packet.SYN, 40001),
			answered(tcp(packet.Established, packet.ACK, 40001), packet.SYN|packet.ACK),
			tcp(packet.Established, packet.ACK|packet.PSH, 40001),
		}},
		{"a SYN repeated", []shot{tcp(packet.New, packet.SYN, 40002), tcp(packet.New, packet.SYN, 40002)}},
		{"picked up in mid-stream", []shot{tcp(packet.New, packet.ACK|packet.PSH, 40003), tcp(packet.New, packet.ACK, 40003)}},
		{"without a connection", []shot{tcp(packet.Invalid, packet.SYN|packet.ACK, 40004), tcp(packet.Invalid, packet.RST, 40005), tcp(packet.Invalid, packet.FIN|packet.ACK, 40006)}},
		{"scans with odd flags", []shot{tcp(packet.Invalid, 0, 40007), tcp(packet.Invalid, packet.FIN|packet.PSH|packet.URG, 40008), tcp(packet.Invalid, packet.SYN|packet.FIN, 40009)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { l.agree(t, table(t, open), round{shots: test.shots}) })
	}
}
