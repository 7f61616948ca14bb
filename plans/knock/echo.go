package knock

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// The bytes of an echo request before its payload.
const (
	icmpHeader = 8
	ipv4Header = 20
	ipv6Header = 40
)

// echoSocket is a socket for echo requests.
type echoSocket struct {
	conn *icmp.PacketConn
	host net.Addr // as this kind of socket wants it
}

// firstID draws the first id of a knock's echo requests. To the router, requests with the same id
// are one connection: the second is not new any more, and no stage sees it.
func firstID() uint16 {
	var id [2]byte
	_, _ = rand.Read(id[:]) // which never fails
	return binary.BigEndian.Uint16(id[:])
}

// echo sends one echo request of a whole size and does not wait for the reply. An unprivileged
// socket of Linux puts in an id of its own, another one for each socket; so each request gets a
// socket of its own too. The checksum of ICMPv6 is the kernel's work.
func (k knocker) echo(id, size uint16, payload []byte) error {
	content := make([]byte, int(size)-k.headers())
	copy(content, payload)
	message := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(id), Seq: 1, Data: content}}
	if k.host.Is6() {
		message.Type = ipv6.ICMPTypeEchoRequest
	}
	data, err := message.Marshal(nil)
	if err != nil {
		return errors.New("the echo request could not be built") // its error may speak of the size
	}
	s, err := k.openEcho()
	if err != nil {
		return err
	}
	err = k.post(s, data)
	_ = s.conn.Close()
	return k.explain(err)
}

// headers is the size of the smallest echo request to the host: a whole packet, as RouterOS
// counts it.
func (k knocker) headers() int {
	if k.host.Is4() {
		return ipv4Header + icmpHeader
	}
	return ipv6Header + icmpHeader
}

// post sends an echo request, by the interface if there is one.
func (k knocker) post(s echoSocket, data []byte) error {
	var err error
	switch {
	case k.index == 0:
		_, err = s.conn.WriteTo(data, s.host)
	case k.host.Is4():
		_, err = s.conn.IPv4PacketConn().WriteTo(data, &ipv4.ControlMessage{IfIndex: k.index}, s.host)
	default:
		_, err = s.conn.IPv6PacketConn().WriteTo(data, &ipv6.ControlMessage{IfIndex: k.index}, s.host)
	}
	return err
}

// openEcho opens an unprivileged socket where the system has them, and a raw one otherwise. Linux
// keeps the first for the groups of net.ipv4.ping_group_range, macOS has them for everybody,
// Windows not at all.
func (k knocker) openEcho() (echoSocket, error) {
	ip, zone := k.host.AsSlice(), k.host.Zone()
	conn, plain := k.listenPlain()
	if plain == nil {
		return echoSocket{conn, &net.UDPAddr{IP: ip, Zone: zone}}, nil
	}
	network := "ip4:1"
	if k.host.Is6() {
		network = "ip6:58"
	}
	conn, raw := icmp.ListenPacket(network, k.source.String())
	if raw == nil {
		return echoSocket{conn, &net.IPAddr{IP: ip, Zone: zone}}, nil
	}
	return echoSocket{}, k.explainEcho(plain, raw)
}

// listenPlain opens an unprivileged socket. On Windows it does not even try: the system may give a
// socket that package net then can't use. Those of Linux for IPv6 take no notice of an interface
// before 5.18.
func (k knocker) listenPlain() (*icmp.PacketConn, error) {
	if runtime.GOOS == "windows" || k.index != 0 && k.host.Is6() {
		return nil, errors.ErrUnsupported
	}
	return icmp.ListenPacket(k.network("udp"), k.source.String())
}

// explainEcho says why neither kind of socket could be opened. Usually privileges are missing for
// both; but if only the raw socket needs them, the error of the plain one is the reason.
func (k knocker) explainEcho(plain, raw error) error {
	if reasonOf(number(raw)) != forbidden {
		return k.explain(raw)
	}
	switch reasonOf(number(plain)) {
	case noAddress, tooManyFiles, noMemory:
		return k.explain(plain)
	}
	return fmt.Errorf("echo requests need a privilege that this process does not have: %w: %s", number(raw), rights())
}

// rights says how to allow rosknock to send echo requests.
func rights() string {
	switch runtime.GOOS {
	case "windows":
		return "run rosknock as administrator"
	case "linux":
		return "run rosknock as root, grant it with setcap cap_net_raw+ep, or add your group to net.ipv4.ping_group_range with sysctl"
	default:
		return "run rosknock as root"
	}
}
