package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// join joins standard input and output to a connection, until both have ended: an end of one
// direction is passed on, and the other goes on. When a person types, the connection's end is the
// end.
//
// An interruption, or a reader that is gone, ends it without a message. ssh ends its ProxyCommand
// that way (SIGHUP, and closed pipes), and a person presses Ctrl-C.
func (e streams) join(ctx context.Context, conn *net.TCPConn) error {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	sent := make(chan struct{})
	go func() {
		sendAll(conn, e.in)
		close(sent)
	}()
	out := &output{to: e.output.to}
	_, err := io.Copy(onlyWriter{out.strict()}, conn)
	unwritten := out.failed()
	switch {
	case ctx.Err() != nil:
		return shown(exitInterrupted)
	case errors.Is(unwritten, syscall.EPIPE):
		return shown(exitFailed)
	case unwritten != nil:
		return cutOff(unwritten, false)
	case err != nil:
		return fmt.Errorf("the connection broke: %w", bareError(err))
	}
	if err := closeOut(e.output.to); err != nil {
		return fmt.Errorf("the end of the connection can't be passed on: %w", err)
	}
	if e.inTerminal {
		return nil
	}
	select {
	case <-sent:
		return nil
	case <-ctx.Done():
		return shown(exitInterrupted)
	}
}

// sendAll sends what is read, and then the end of the stream. It is no error when the other end
// takes no more. A connection that broke is noticed where it is read.
func sendAll(conn *net.TCPConn, in io.Reader) {
	_, _ = io.Copy(onlyWriter{conn}, in)
	_ = conn.CloseWrite()
}

// onlyWriter hides everything but Write: what is read is written at once and whole.
type onlyWriter struct{ io.Writer }

// closeOut tells the reader of standard output that nothing more comes.
func closeOut(out io.Writer) error {
	file, ok := out.(*os.File)
	if !ok {
		if c, ok := out.(io.Closer); ok {
			return c.Close()
		}
		return nil
	}
	shutdownOut(file)
	return file.Close()
}

// bareError takes the addresses off an error of a connection.
func bareError(err error) error {
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok {
			return err
		}
		err = op.Err
	}
}
