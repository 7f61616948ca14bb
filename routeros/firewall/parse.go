package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// The usual source port of a made-up packet.
const usualPort = 51077

// Parse reads a packet as people write it: a protocol, a source, and where it goes.
//
//	tcp 203.0.113.9 :22
//	udp [2001:db8::9]:40000 [2001:db8::1]:51820
//	icmp 203.0.113.9
//
// The source may carry a port. A destination of a port alone means the router itself, and leaves
// the packet without a destination address; protocols without ports need no destination. What is
// not said is as a first packet usually is: a TCP SYN, an ICMP echo request. All mistakes are
// reported at once.
func Parse(words []string) (Packet, error) {
	if len(words) < 2 || len(words) > 3 {
		return Packet{}, badPacket("a protocol, a source and a destination are expected, three words and not %d", len(words))
	}
	var p Packet
	var errs []error
	number, err := routeros.ParseProtocol(words[0])
	if err != nil {
		errs = append(errs, fmt.Errorf("%q is no protocol", words[0]))
	}
	p.Protocol, p.TTL, p.Size, p.State = number, 64, 28, New
	src, sport, err := endpoint(words[1])
	if err == nil && !src.IsValid() {
		err = fmt.Errorf("source %q: an address is expected before the port", words[1])
	}
	p.Src = src
	errs = append(errs, err)
	var dport string
	if len(words) == 3 {
		p.Dst, dport, err = endpoint(words[2])
		errs = append(errs, err)
	}
	if p.Src.IsValid() && p.Dst.IsValid() && p.Src.BitLen() != p.Dst.BitLen() {
		errs = append(errs, fmt.Errorf("source %s and destination %s are of different families", p.Src, p.Dst))
	}
	errs = append(errs, p.complete(words[0], sport, dport))
	if err := errors.Join(errs...); err != nil {
		return Packet{}, badPacket("%w", err)
	}
	return p, nil
}

// complete fills in what depends on the protocol.
func (p *Packet) complete(name, sport, dport string) error {
	if p.Protocol == 1 && p.Src.Is6() {
		p.Protocol = 58
	}
	switch p.Protocol {
	case 6:
		p.TCPFlags, p.Size = SYN, 60
	case 1:
		p.ICMPType = 8
	case 58:
		p.ICMPType, p.Size = 128, 48
	}
	if !p.hasPorts() {
		if sport+dport != "" && p.Protocol != 0 {
			return fmt.Errorf("%s has no ports", routeros.ProtocolName(p.Protocol))
		}
		return nil
	}
	p.SrcPort = usualPort
	var errs []error
	if sport != "" {
		errs = append(errs, readPort(&p.SrcPort, sport))
	}
	if dport == "" {
		return errors.Join(append(errs, fmt.Errorf("%s needs a destination port, such as :22", name))...)
	}
	return errors.Join(append(errs, readPort(&p.DstPort, dport))...)
}

func readPort(to *uint16, text string) error {
	n, err := routeros.ParsePort(text)
	if err != nil || n == 0 {
		return fmt.Errorf("port %q: a number from 1 to 65535 without leading zeros is expected", text)
	}
	*to = n
	return nil
}

// endpoint reads :22, 192.0.2.1, 192.0.2.1:22, 2001:db8::1 or [2001:db8::1]:22.
func endpoint(text string) (addr netip.Addr, port string, err error) {
	host := text
	if strings.HasPrefix(text, "[") {
		inside, rest, ok := strings.Cut(text[1:], "]")
		if !ok || rest != "" && !strings.HasPrefix(rest, ":") {
			return addr, "", fmt.Errorf("%q: [address]:port is expected", text)
		}
		host, port = inside, strings.TrimPrefix(rest, ":")
	} else if strings.Count(text, ":") == 1 {
		host, port, _ = strings.Cut(text, ":")
		if port == "" {
			return addr, "", fmt.Errorf("%q: a port is expected behind the colon", text)
		}
	}
	if host == "" {
		return addr, port, nil
	}
	addr, err = netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		return netip.Addr{}, "", fmt.Errorf("%q is no address", host)
	}
	return addr, port, nil
}

// SyntaxError says what is wrong with a packet as it was written, and shows one that is right.
type SyntaxError struct{ Err error }

// Error implements error.
func (e *SyntaxError) Error() string {
	return strings.ReplaceAll(e.Err.Error(), "\n", "; ") + "; for example: tcp 203.0.113.9 :22"
}

// Unwrap returns what is wrong.
func (e *SyntaxError) Unwrap() error { return e.Err }

func badPacket(format string, args ...any) error { return &SyntaxError{fmt.Errorf(format, args...)} }

// Words returns the words from which [Parse] makes the packet again, as far as words can say it.
func (p Packet) Words() []string {
	name := routeros.ProtocolName(p.Protocol)
	if p.Protocol == 58 {
		name = "icmpv6"
	}
	if !p.hasPorts() {
		words := []string{name, p.Src.String()}
		if p.Dst.IsValid() {
			words = append(words, p.Dst.String())
		}
		return words
	}
	words := []string{name, netip.AddrPortFrom(p.Src, p.SrcPort).String()}
	if p.SrcPort == usualPort {
		words[1] = p.Src.String()
	}
	if !p.Dst.IsValid() {
		return append(words, fmt.Sprintf(":%d", p.DstPort))
	}
	return append(words, netip.AddrPortFrom(p.Dst, p.DstPort).String())
}
