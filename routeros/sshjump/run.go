package sshjump

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"golang.org/x/crypto/ssh"
)

// mostOutput is how much of a command's output is kept.
const mostOutput = 64 << 10

// Run runs a command on the last hop and returns what it prints, both streams together and at most
// 64 KiB. A command that ends with an exit status is no error of Run: RouterOS is not known to set
// it. A context that ends closes the session.
func (w *Way) Run(ctx context.Context, command string) (string, error) {
	if len(w.hops) == 0 {
		return "", errors.New("no SSH host is named that could run a command")
	}
	c, err := w.connected(ctx)
	if err != nil {
		return "", err
	}
	last := len(w.hops) - 1
	session, err := c.last().NewSession()
	if err != nil {
		return "", c.at(last, &failure{"the host opens no session for a command (" + clean(err.Error()) + ")", "check that the user may log in by SSH", nil})
	}
	defer func() { _ = session.Close() }() // its end tells nothing more
	out := &bounded{}
	session.Stdout, session.Stderr = out, out
	release := context.AfterFunc(ctx, func() { _ = session.Close() })
	err = session.Run(command)
	if !release() {
		return "", c.at(last, &failure{"the command did not end in time", "allow more time", ctx.Err()})
	}
	if _, status := errors.AsType[*ssh.ExitError](err); status {
		err = nil
	}
	if _, none := errors.AsType[*ssh.ExitMissingError](err); none && !c.isBroken() {
		err = nil
	}
	if err != nil {
		return "", c.at(last, lost())
	}
	return out.text.String(), nil
}

// bounded keeps the first bytes that are written, and takes the others. The streams of one session
// are written by two goroutines.
type bounded struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p[:min(len(p), mostOutput-b.text.Len())])
	return len(p), nil
}
