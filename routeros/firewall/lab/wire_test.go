//go:build linux

package lab_test

import (
	"encoding/binary"
	"net/netip"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// shot is one packet of the lab: what the evaluator is told of it, and what goes over the cable.
type shot struct {
	packet firewall.Packet
	// echo is the id of an ICMP query; the ports of ICMP, so to speak.
	echo uint16
	// answered, if set, is a packet that the router sends first, so that the shot belongs to its flow.
	answered []byte
	// within is the body of an ICMP error: the head of the packet that it complains about.
	within []byte
	// broken says that a UDP packet claims to be longer than it is, which makes it invalid. (A wrong
	// checksum would not do: nobody checks sums on a veth.)
	broken bool
}

// bytes returns the IP packet, numbered so that it is known again at the other end: in the
// identification of IPv4, in the flow label of IPv6.
func (s shot) bytes(id uint16) []byte {
	p := s.packet
	ip := make([]byte, p.Size)
	body := ip[headerOf(p.Family())+len(options(p)):]
	header(ip, p, id)
	switch p.Protocol {
	case 6:
		binary.BigEndian.PutUint16(body[0:], p.SrcPort)
		binary.BigEndian.PutUint16(body[2:], p.DstPort)
		binary.BigEndian.PutUint32(body[4:], 1)
		if p.TCPFlags&firewall.ACK != 0 {
			binary.BigEndian.PutUint32(body[8:], 2)
		}
		body[12], body[13] = 5<<4, byte(p.TCPFlags)
		binary.BigEndian.PutUint16(body[14:], 65535)
		binary.BigEndian.PutUint16(body[16:], transportSum(ip))
	case 17:
		binary.BigEndian.PutUint16(body[0:], p.SrcPort)
		binary.BigEndian.PutUint16(body[2:], p.DstPort)
		length := len(body)
		if s.broken {
			length += 8
		}
		binary.BigEndian.PutUint16(body[4:], uint16(length))
		copy(body[8:], p.Payload)
		binary.BigEndian.PutUint16(body[6:], transportSum(ip))
	case 1, 58:
		body[0], body[1] = p.ICMPType, p.ICMPCode
		binary.BigEndian.PutUint16(body[4:], s.echo)
		copy(body[8:], s.within)
		if p.Protocol == 58 { // whose sum is over the addresses too
			binary.BigEndian.PutUint16(body[2:], transportSum(ip))
			break
		}
		binary.BigEndian.PutUint16(body[2:], ^sum(0, body))
	}
	return ip
}

// headerOf is the length of an IP header, in bytes.
func headerOf(f routeros.Family) int {
	if f == routeros.IPv6 {
		return 40
	}
	return 20
}

// header6 is that of IPv6.
func header6(ip []byte, p firewall.Packet, id uint16) {
	src, dst := p.Src.As16(), p.Dst.As16()
	ip[0], ip[1] = 6<<4|p.DSCP>>2, p.DSCP<<6
	binary.BigEndian.PutUint16(ip[2:], id)
	binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
	ip[6], ip[7] = p.Protocol, p.TTL
	copy(ip[8:], src[:])
	copy(ip[24:], dst[:])
}

func header(ip []byte, p firewall.Packet, id uint16) {
	if p.Family() == routeros.IPv6 {
		header6(ip, p, id)
		return
	}
	src, dst := p.Src.As4(), p.Dst.As4()
	length := headerOf(routeros.IPv4) + copy(ip[20:], options(p))
	ip[0], ip[1] = 4<<4|byte(length/4), p.DSCP<<2
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[4:], id)
	ip[8], ip[9] = p.TTL, p.Protocol
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip[:length]))
}

// options are those of an IPv4 header: a record of routes that has no room, and a router alert. All
// others the kernel drops, or nftables does not know.
func options(p firewall.Packet) []byte {
	var out []byte
	if p.Options&firewall.RecordRoute != 0 {
		out = append(out, 7, 3, 4, 1)
	}
	if p.Options&firewall.RouterAlert != 0 {
		out = append(out, 148, 4, 0, 0)
	}
	return out
}

// transportSum is the checksum of TCP and UDP, over the addresses too.
func transportSum(ip []byte) uint16 {
	if ip[0]>>4 == 6 {
		pseudo := uint32(ip[6]) + uint32(len(ip)-40)
		return ^sum(uint32(sum(pseudo, ip[8:40])), ip[40:])
	}
	body := ip[4*int(ip[0]&0x0f):]
	pseudo := uint32(ip[9]) + uint32(len(body))
	return ^sum(uint32(sum(pseudo, ip[12:20])), body)
}

// sum is the Internet checksum before it is turned round.
func sum(start uint32, data []byte) uint16 {
	total := start
	for i, b := range data {
		if i%2 == 0 {
			total += uint32(b) << 8
		} else {
			total += uint32(b)
		}
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// smallest is the size of an IPv4 packet of a protocol without any payload.
func smallest(protocol uint8) int {
	switch protocol {
	case 6:
		return 40
	default:
		return 28
	}
}

// reply turns a packet round: what the router sends so that the packet then comes as an answer.
func reply(p firewall.Packet, flags firewall.Flags, icmpType uint8, echo uint16) []byte {
	back := shot{packet: firewall.Packet{
		Protocol: p.Protocol, Src: p.Dst, Dst: p.Src, SrcPort: p.DstPort, DstPort: p.SrcPort,
		TTL: 64, Size: smallest(p.Protocol) - headerOf(routeros.IPv4) + headerOf(p.Family()), TCPFlags: flags, ICMPType: icmpType,
	}, echo: echo}
	return back.bytes(0)
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
