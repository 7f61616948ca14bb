// Package api is a session with a live router over the RouterOS API.
//
// [Dial] connects, checks the certificate and logs in; a [Session] then runs commands one by one, or
// many in one flight. go-routeros does the login; sentences are read and written by
// routeros/wire, bounded, with a tag for each command that is registered before the command leaves. Every
// call obeys its context. Nothing is logged but redacted commands, and nothing is ever repeated: a
// write whose answer was lost is reported as unknown.
//
//	s, err := api.Dial(ctx, api.Target{Address: "192.0.2.1", User: "provision", Trust: trust}, password, api.Options{})
//	reply, err := s.Run(ctx, routeros.Print(routeros.Identity))
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/wire"
)

// Session is a connection that is logged in. It may be used by several goroutines.
type Session struct {
	conn    net.Conn
	reader  *wire.Reader
	target  Target
	pin     string
	log     *slog.Logger
	timeout time.Duration

	sending chan struct{} // holds a token while sentences are written; a channel, so that waiting obeys a context
	writer  *wire.Writer
	lastTag int

	mu    sync.Mutex // guards what follows; never held while something is sent or received
	calls map[string]*call
	err   error         // why the session ended
	ended chan struct{} // closed when err is set
}

// call is a command that waits for its answer.
type call struct {
	rows  []routeros.Attributes
	bytes int
	ret   string
	traps []*TrapError
	feed  *feed // of a listen; nil otherwise
	err   error
	done  chan struct{}
}

// feed is the rows of a listen that nobody has looked at yet. The session's reader never waits for whoever looks.
type feed struct {
	mu    sync.Mutex
	rows  []routeros.Attributes
	fresh chan struct{} // holds one token while there are rows
}

// mostFeed bounds how far whoever listens may fall behind.
const mostFeed = 1 << 17

func (f *feed) put(row routeros.Attributes) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rows) == mostFeed {
		return fmt.Errorf("more than %d changes were left unread", mostFeed)
	}
	f.rows = append(f.rows, row)
	select {
	case f.fresh <- struct{}{}:
	default:
	}
	return nil
}

func (f *feed) take() []routeros.Attributes {
	f.mu.Lock()
	defer f.mu.Unlock()
	rows := f.rows
	f.rows = nil
	return rows
}

// hand gives what is unread to each, up to its first error.
func (f *feed) hand(each func(routeros.Attributes) error) error {
	for _, row := range f.take() {
		if err := each(row); err != nil {
			return err
		}
	}
	return nil
}

// Reply is the answer to one command.
type Reply struct {
	// Rows are the !re sentences, in order.
	Rows []routeros.Attributes
	// Ret is what !done returns: the id of an added row, a count.
	Ret string
}

// Result is the reply to one command of a batch, or why there is none.
type Result struct {
	Reply
	Err error
}

// mostReplyBytes bounds one reply: a table of 100,000 rules is a tenth of it.
const mostReplyBytes = 256 << 20

func newSession(conn net.Conn, reader *wire.Reader, t Target, o Options) *Session {
	s := &Session{
		conn: conn, reader: reader, writer: wire.NewWriter(conn), target: t, log: o.Log, timeout: t.timeout(),
		calls: map[string]*call{}, ended: make(chan struct{}), sending: make(chan struct{}, 1),
	}
	go s.read()
	return s
}

// Pin returns the pin of the router's certificate, or "" over plain API.
func (s *Session) Pin() string { return s.pin }

// Transport returns the service that carries the session.
func (s *Session) Transport() Transport { return s.target.transport() }

// LocalAddr returns this end's address. The router may see another one, behind NAT.
func (s *Session) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr returns the router's end, as this machine sees it.
func (s *Session) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Close ends the session. Commands under way fail with a *[LostError].
func (s *Session) Close() error {
	s.end(&LostError{problem{s.target.HostPort(), "the session was closed", "", net.ErrClosed}, false})
	return nil
}

// Run sends one command and waits for its answer. Traps are *[TrapError], *[PermissionError] or
// *[UnknownMenuError].
func (s *Session) Run(ctx context.Context, c routeros.Command) (Reply, error) {
	results, err := s.Batch(ctx, []routeros.Command{c})
	if err != nil {
		return Reply{}, err
	}
	return results[0].Reply, results[0].Err
}

// Batch sends commands in one flight and waits for all answers: n commands cost one round trip. The
// error is the session's; a trap is in the result of its command. When the context ends first, or the
// session does, and one of the commands changes something, the error says that the outcome is unknown.
func (s *Session) Batch(ctx context.Context, commands []routeros.Command) ([]Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	calls := make([]*call, len(commands))
	for i := range calls {
		calls[i] = &call{done: make(chan struct{})}
	}
	tags, err := s.send(ctx, commands, calls)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(commands))
	for i, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			s.forget(tags)
			return nil, ended(ctx, s.subject(commands[i]), changesAny(commands[i:]))
		}
		if c.err != nil {
			return nil, lostWith(c.err, changesAny(commands[i:]))
		}
		results[i] = Result{Reply{c.rows, c.ret}, trapOf(c, commands[i])}
	}
	return results, nil
}

// lostWith says of the end of a session whether it leaves a write in the dark.
func lostWith(err error, unknown bool) error {
	var lost *LostError
	if unknown && errors.As(err, &lost) && !lost.Unknown {
		p := lost.problem
		p.What += "; the command may have taken effect"
		p.Remedy = "read the router again with diff before you go on"
		return &LostError{p, true}
	}
	return err
}

func changesAny(commands []routeros.Command) bool {
	return slices.ContainsFunc(commands, func(c routeros.Command) bool {
		switch c.Verb() {
		case "print", "getall", "get", "listen", "cancel", "login":
			return false
		}
		return true
	})
}

func (s *Session) subject(c routeros.Command) string { return s.target.HostPort() + ": " + c.Path }

// trapOf joins the traps of a command: there may be several before one !done (routeros-facts § 1.2).
func trapOf(c *call, command routeros.Command) error {
	if len(c.traps) == 0 {
		return nil
	}
	joined := *c.traps[0]
	joined.Command = command.Redacted()
	for _, t := range c.traps[1:] {
		joined.Message += "; " + t.Message
	}
	return typedTrap(&joined)
}

// send registers a tag for each command, writes them all, and flushes once. A context that ends in
// the middle of a sentence leaves no way to go on, so it ends the session; one that was over before has
// sent nothing and harms nothing.
func (s *Session) send(ctx context.Context, commands []routeros.Command, calls []*call) ([]string, error) {
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return nil, ended(ctx, s.target.HostPort(), false)
	}
	if err := framed(commands); err != nil {
		return nil, fmt.Errorf("%s: %w", s.target.HostPort(), err)
	}
	tags, err := s.register(calls)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	for i, c := range commands {
		s.log.DebugContext(ctx, "send", "router", s.target.HostPort(), "command", c.Redacted())
		if err := s.writer.Write(append(c.Words(), ".tag="+tags[i])...); err != nil {
			return nil, s.broken(ctx, commands, tags, err)
		}
	}
	if err := s.writer.Flush(); err != nil {
		return nil, s.broken(ctx, commands, tags, err)
	}
	return tags, nil
}

// framed looks at all commands before the first is buffered: a sentence refused later would leave
// those before it to go out with the next call.
func framed(commands []routeros.Command) error {
	for i, c := range commands {
		if slices.Contains(c.Words(), "") {
			return fmt.Errorf("command %d of %d has an empty word, which would end its sentence: give it a path", i+1, len(commands))
		}
	}
	return nil
}

// register gives each command its tag, before anything is sent: a reply may arrive at once.
func (s *Session) register(calls []*call) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	tags := make([]string, len(calls))
	for i, c := range calls {
		s.lastTag++
		tags[i] = strconv.Itoa(s.lastTag)
		s.calls[tags[i]] = c
	}
	return tags, nil
}

// broken ends a session that may have sent half a sentence.
func (s *Session) broken(ctx context.Context, commands []routeros.Command, tags []string, err error) error {
	s.forget(tags)
	s.end(s.lost(err))
	if ctx.Err() != nil {
		return ended(ctx, s.target.HostPort(), changesAny(commands))
	}
	return lostWith(s.lost(err), changesAny(commands))
}

func (s *Session) lost(err error) error {
	return &LostError{problem{s.target.HostPort(), fmt.Sprintf("the connection was lost (%v)", err), "check the link and try again", err}, false}
}

// forget drops commands whose answer nobody waits for any more; what still comes for them is ignored.
func (s *Session) forget(tags []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tag := range tags {
		delete(s.calls, tag)
	}
}

// read is the session's one reader: it hands every sentence to the command of its tag.
func (s *Session) read() {
	for {
		sentence, err := s.reader.Read()
		if err != nil {
			s.end(s.lost(err))
			return
		}
		if sentence[0] == "!fatal" {
			s.end(fatal(s.target.HostPort(), sentence))
			return
		}
		if err := s.dispatch(sentence); err != nil {
			s.end(s.lost(err))
			return
		}
	}
}

func (s *Session) dispatch(sentence wire.Sentence) error {
	tag, row, size := parse(sentence)
	s.mu.Lock()
	c := s.calls[tag]
	if c != nil && sentence[0] == "!done" {
		delete(s.calls, tag)
	}
	s.mu.Unlock()
	if c == nil {
		return nil // of a command that is over: such sentences may still arrive (routeros-facts § 1.2)
	}
	switch sentence[0] {
	case "!re":
		return s.row(c, row, size)
	case "!trap":
		c.traps = append(c.traps, &TrapError{Message: message(sentence, row), Category: row.Get("category")})
	case "!done":
		c.ret = row.Get("ret")
		close(c.done)
	}
	return nil // !empty says no more than that there are no rows
}

func (s *Session) row(c *call, row routeros.Attributes, size int) error {
	if c.feed != nil {
		return c.feed.put(row)
	}
	c.bytes += size
	if c.bytes > mostReplyBytes {
		return &wire.LimitError{What: fmt.Sprintf("a reply of more than %d MiB", mostReplyBytes>>20)}
	}
	c.rows = append(c.rows, row)
	return nil
}

// parse takes a sentence apart. Values may contain anything, further equals signs too.
func parse(sentence wire.Sentence) (tag string, row routeros.Attributes, size int) {
	pairs := make([]routeros.Attribute, 0, len(sentence)-1)
	for _, word := range sentence[1:] {
		size += len(word)
		if t, ok := strings.CutPrefix(word, ".tag="); ok {
			tag = t
			continue
		}
		if name, value, ok := strings.Cut(strings.TrimPrefix(word, "="), "="); ok && word[0] == '=' {
			pairs = append(pairs, routeros.Attribute{Name: name, Value: value})
		}
	}
	return tag, routeros.SortAttributes(pairs), size
}

func message(sentence wire.Sentence, row routeros.Attributes) string {
	if m := row.Get("message"); m != "" {
		return strings.ToValidUTF8(strings.ReplaceAll(m, "\r\n", " "), "\uFFFD")
	}
	return strings.Join(sentence[1:], " ")
}

// end closes the connection and fails every command that waits. Only the first reason counts.
func (s *Session) end(err error) {
	s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	close(s.ended)
	for tag, c := range s.calls {
		delete(s.calls, tag)
		c.err = err
		close(c.done)
	}
}

// Listen runs a command that reports changes until the context ends, such as
// /ip/firewall/address-list/listen, and hands every row to each. It returns nil when the context ended it,
// at once; the error of each; or why the command or the session ended, after the rows that came before.
func (s *Session) Listen(ctx context.Context, command routeros.Command, each func(routeros.Attributes) error) error {
	c := &call{done: make(chan struct{}), feed: &feed{fresh: make(chan struct{}, 1)}}
	tags, err := s.sendListen(ctx, command, c)
	if err != nil {
		return err
	}
	for {
		select {
		case <-c.feed.fresh:
			if err := c.feed.hand(each); err != nil {
				s.cancel(ctx, tags)
				return err
			}
		case <-c.done:
			// Both may be ready, and a select takes either: what came before the end still counts.
			if err := c.feed.hand(each); err != nil || c.err != nil {
				return errors.Join(err, c.err)
			}
			return trapOf(c, command)
		case <-ctx.Done():
			s.cancel(ctx, tags)
			return nil
		}
	}
}

// sendListen bounds the sending of a listen, whose own context may never end.
func (s *Session) sendListen(ctx context.Context, command routeros.Command, c *call) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	return s.send(ctx, []routeros.Command{command}, []*call{c})
}

// cancel ends a listen without waiting for it: whoever cancelled wants to go on, and a router that
// stalls would hold him up. /cancel answers for itself, the listen with a trap and !done
// (routeros-facts § 1.4), both unheard. The session's time-out bounds the goroutine.
func (s *Session) cancel(ctx context.Context, tags []string) {
	s.forget(tags)
	go func() {
		_, err := s.Run(context.WithoutCancel(ctx), routeros.NewCommand("/cancel", "tag", tags[0]))
		if err != nil {
			s.log.DebugContext(ctx, "cancel", "router", s.target.HostPort(), "error", err)
		}
	}()
}
