package knock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// tcp sends exactly one SYN, and waits for the result: a connection, a refusal or nothing.
//
// The wait ends before the kernel would send the SYN again, and closing a socket that is still
// connecting sends nothing. An open port gets a reset right after the handshake, so that neither
// side keeps anything of the connection. [knocker.reach] has checked just before that neither a
// route nor a privilege is missing. So an error of connect that a foreign packet can cause was
// caused by one: see [answered]. Two cases look the same as a silent port: a firewall of this
// computer that drops the SYN, and a router on the same network that does not answer ARP or
// neighbour discovery.
func (k knocker) tcp(ctx context.Context, port uint16) error {
	if err := k.reach(ctx, port); err != nil {
		return err
	}
	waiting, stop := context.WithTimeout(ctx, k.timeout)
	defer stop()
	dialer := net.Dialer{KeepAlive: -1, Control: func(network, address string, c syscall.RawConn) error {
		return errors.Join(k.bind(c), sendOnce(network, address, c))
	}}
	dialer.SetMultipathTCP(false) // its SYN differs, and is sent again without the option
	conn, err := dialer.DialTCP(waiting, k.network("tcp"), netip.AddrPortFrom(k.source, 0), netip.AddrPortFrom(k.host, port))
	switch {
	case err == nil:
		_, _ = conn.SetLinger(0), conn.Close()
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case silent(err), k.refused(err):
		return nil
	default:
		return k.explain(err)
	}
}

// dialTCP connects as any client does, to stay connected.
func (k knocker) dialTCP(ctx context.Context, port uint16) (*net.TCPConn, error) {
	dialer := net.Dialer{Control: k.control}
	return dialer.DialTCP(ctx, k.network("tcp"), netip.AddrPortFrom(k.source, 0), netip.AddrPortFrom(k.host, port))
}

// control binds a socket to the interface before it does anything.
func (k knocker) control(_, _ string, c syscall.RawConn) error { return k.bind(c) }

// silent says that nothing answered in time, which is expected for the port of a knock. The clock
// starts before the socket is opened, but net checks it only after the SYN was sent.
func silent(err error) bool {
	return number(err) == 0 && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded))
}

// refused says that an error of a connection came from outside, in answer to the SYN.
func (k knocker) refused(err error) bool {
	call, ok := errors.AsType[*os.SyscallError](err)
	return ok && (call.Syscall == "connect" || call.Syscall == "connectex") && answered(number(err), k.host.Is6())
}

// reach makes sure that there is a way to the host. ENETUNREACH and its like mean two things: that
// this computer knows no route, and nothing was sent; or that a router on the way did not, and said
// so. Connecting a UDP socket looks up the route, the source address and the rights as connecting a
// TCP socket does, and sends nothing: what it reports is always about this computer.
func (k knocker) reach(ctx context.Context, port uint16) error {
	conn, err := k.dialUDP(ctx, port)
	if err != nil {
		return k.explain(err)
	}
	_ = conn.Close()
	return nil
}

// udp sends one datagram. Usually it has no payload: the router only looks at the header. An
// empty message is a datagram on every system, if it goes out by sendmsg (WSASendMsg on
// Windows); write(2) leaves open what it does with no bytes.
//
// Errors are always about this computer: the socket is new, and what ICMP may answer finds it
// closed.
func (k knocker) udp(ctx context.Context, port uint16, payload []byte) error {
	conn, err := k.dialUDP(ctx, port)
	if err != nil {
		return k.explain(err)
	}
	_, _, err = conn.WriteMsgUDP(payload, nil, nil)
	_ = conn.Close()
	return k.explain(err)
}

// dialUDP connects a socket to a port, which sends nothing.
func (k knocker) dialUDP(ctx context.Context, port uint16) (*net.UDPConn, error) {
	dialer := net.Dialer{Control: k.control}
	return dialer.DialUDP(ctx, k.network("udp"), netip.AddrPortFrom(k.source, 0), netip.AddrPortFrom(k.host, port))
}

// network is tcp4 or udp6, say: the family is that of the host, and nothing else is tried.
func (k knocker) network(protocol string) string {
	if k.host.Is4() {
		return protocol + "4"
	}
	return protocol + "6"
}
