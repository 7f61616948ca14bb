package main

import (
	"net"
	"os"
	"sync"
	"time"
)

// farListener puts its connections at the end of a long line: what they send arrives a round trip
// later, each flight by itself, and so does the connection. A client counts its round trips as on a
// real line, TLS included.
type farListener struct {
	net.Listener
	rtt time.Duration
}

// Accept implements [net.Listener].
func (l farListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	far := &farConn{Conn: c, rtt: l.rtt, opened: time.Now(), more: make(chan struct{}, 1), closed: make(chan struct{})}
	go far.deliver()
	return far, nil
}

// farConn delays what is written. Reads wait for the time that the connection itself takes.
type farConn struct {
	net.Conn
	rtt    time.Duration
	opened time.Time

	mu     sync.Mutex
	queue  []flight
	failed error
	more   chan struct{}
	once   sync.Once
	closed chan struct{}
}

type flight struct {
	data []byte
	due  time.Time
}

// Read implements [net.Conn].
func (c *farConn) Read(p []byte) (int, error) {
	if wait := time.Until(c.opened.Add(c.rtt)); wait > 0 {
		time.Sleep(wait)
	}
	return c.Conn.Read(p)
}

// Write implements [net.Conn].
func (c *farConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	if c.failed != nil {
		return 0, c.failed
	}
	c.queue = append(c.queue, flight{append([]byte{}, p...), time.Now().Add(c.rtt)})
	select {
	case c.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// SetWriteDeadline implements [net.Conn]: writes never wait.
func (c *farConn) SetWriteDeadline(time.Time) error { return nil }

// deliver sends what is due, until the connection is closed and nothing is left.
func (c *farConn) deliver() {
	defer c.Conn.Close()
	for {
		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		c.mu.Unlock()
		for _, f := range queue {
			time.Sleep(time.Until(f.due))
			if _, err := c.Conn.Write(f.data); err != nil {
				c.mu.Lock()
				c.failed = err
				c.mu.Unlock()
				return
			}
		}
		if len(queue) > 0 {
			continue
		}
		select {
		case <-c.more:
		case <-c.closed:
			return
		}
	}
}

// Close implements [net.Conn]. What was written before still arrives.
func (c *farConn) Close() error {
	err := os.ErrClosed
	c.once.Do(func() {
		close(c.closed)
		err = c.SetReadDeadline(time.Unix(1, 0)) // a read that waits ends
	})
	return err
}
