package sshjump

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// linger is how long written data may take to be sent after Close.
const linger = time.Second

// channel is what a conn needs of an SSH channel.
type channel interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// conn gives a channel what it lacks: deadlines, and a Close that unblocks at once. Two pipes, one
// for each direction, are between the caller and the goroutines that copy from and to the channel.
// Pipes have both, and buffer nothing, so that the channel's flow control still works.
type conn struct {
	channel channel
	in, out net.Conn // the caller's ends
	remote  net.Addr
	why     func() error  // why the channel ended, nil if the other side ended it
	sent    chan struct{} // closed when nothing more goes into the channel
	closing sync.Once
	closed  atomic.Bool
}

func newConn(c channel, address string, why func() error) *conn {
	in, fill := net.Pipe()
	out, drain := net.Pipe()
	k := &conn{channel: c, in: in, out: out, remote: addressOf(address), why: why, sent: make(chan struct{})}
	go k.receive(fill)
	go k.send(drain)
	return k
}

func (k *conn) receive(fill net.Conn) {
	_, _ = io.Copy(fill, k.channel) // both ends know why it ended
	fill.Close()
}

func (k *conn) send(drain net.Conn) {
	defer close(k.sent)
	_, err := io.Copy(k.channel, drain)
	drain.Close()
	if err == nil && !k.closed.Load() {
		_ = k.channel.CloseWrite() // fails only if the channel is gone
	}
}

// release closes the channel when everything written has been sent, or can't be.
func (k *conn) release() {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	select {
	case <-k.sent:
	case <-timer.C:
	}
	_ = k.channel.Close() // fails only if the channel is gone
}

// Read implements net.Conn.
func (k *conn) Read(p []byte) (int, error) {
	n, err := k.in.Read(p)
	return n, k.explain(err, io.EOF)
}

// Write implements net.Conn. A write after the other side has closed may seem to succeed, as with
// TCP.
func (k *conn) Write(p []byte) (int, error) {
	n, err := k.out.Write(p)
	return n, k.explain(err, syscall.EPIPE)
}

func (k *conn) explain(err, ended error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	if k.closed.Load() {
		return net.ErrClosed
	}
	if why := k.why(); why != nil {
		return why
	}
	return ended
}

// CloseWrite says that nothing more will be written.
func (k *conn) CloseWrite() error {
	return k.out.Close()
}

// Close implements net.Conn. It never waits for the other side.
func (k *conn) Close() error {
	k.closing.Do(func() {
		k.closed.Store(true)
		k.in.Close()
		k.out.Close()
		go k.release()
	})
	return nil
}

// LocalAddr implements net.Conn. Which address the jump host uses is not known: it is 0.0.0.0:0.
func (k *conn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// RemoteAddr implements net.Conn: the address as it was dialed.
func (k *conn) RemoteAddr() net.Addr { return k.remote }

// SetDeadline implements net.Conn.
func (k *conn) SetDeadline(t time.Time) error {
	return errors.Join(k.SetReadDeadline(t), k.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (k *conn) SetReadDeadline(t time.Time) error { return k.usable(k.in.SetReadDeadline(t)) }

// SetWriteDeadline implements net.Conn.
func (k *conn) SetWriteDeadline(t time.Time) error { return k.usable(k.out.SetWriteDeadline(t)) }

// usable makes a deadline on a conn that only the other side has closed no error, as with TCP.
func (k *conn) usable(err error) error {
	if err != nil && k.closed.Load() {
		return net.ErrClosed
	}
	return nil
}

// name is the address of a host that only the jump host can resolve.
type name string

// Network implements net.Addr.
func (name) Network() string { return "tcp" }

// String implements net.Addr.
func (n name) String() string { return string(n) }

func addressOf(address string) net.Addr {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return net.TCPAddrFromAddrPort(a)
	}
	return name(address)
}

// watched notices the end of a connection before the SSH layer does, so that the end of a channel
// can be distinguished from the end of its connection.
type watched struct {
	net.Conn
	ended atomic.Bool
}

// Read implements net.Conn.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.ended.Store(true)
	}
	return n, err
}
