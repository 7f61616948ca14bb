// Package api is a session with a live router over the RouterOS API.
//
// [Dial] connects, checks the certificate and logs in; a [Session] then runs commands one by one,
// or many in one flight. go-routeros does the login; sentences are read and written by
// routeros/wire, bounded, with a tag for each command that is registered before the command leaves.
// Every call obeys its context. Only redacted commands are logged, and nothing is ever repeated: a
// write whose answer was lost is reported as unknown. A hostile or broken router can neither hold a
// call beyond its time-out nor fill the memory. A login is limited to 64 kB, a sentence by
// wire.Limits, and all answers under way together by [Options].Memory, measured in memory, not on
// the wire. Traps and other texts of the router are cut to a few hundred bytes.
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
	"sync/atomic"
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
	lists   *Lists
	memory  int64 // the limit for the calls under way together, as cost counts it

	sending chan struct{} // holds a token while sentences are written; a channel, so that waiting obeys a context
	writer  *wire.Writer
	lastTag int

	mu    sync.Mutex // guards what follows; never held while something is sent or received
	calls map[string]*call
	held  int64 // what they hold of memory
	err   error // why the session ended

	over chan struct{} // closed when it has ended, with err set
}

// call is a command that waits for its answer.
type call struct {
	tag   string
	rows  []routeros.Attributes
	ret   string
	traps traps
	feed  *feed                     // of a listen; nil otherwise
	take  func(routeros.Attributes) // gets the rows, on the session's reader, instead of rows; or nil
	most  int                       // rows after which the command is cut; 0 is without a bound
	taken int
	err   error
	done  chan struct{}
	cost  int64 // its share of the session's memory; guarded by the session's mutex
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

func newSession(conn net.Conn, reader *wire.Reader, t Target, o Options) *Session {
	s := &Session{
		conn: conn, reader: reader, writer: wire.NewWriter(conn), target: t, log: o.Log, timeout: t.timeout(), lists: &Lists{}, memory: o.Memory,
		calls: map[string]*call{}, sending: make(chan struct{}, 1), over: make(chan struct{}),
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

// Batch sends commands in one batch and waits for all answers: n commands cost one round trip. The
// error is the session's; a trap is in the result of its command. When the context ends first, or
// the session does, and one of the commands changes something, the error says that the outcome is
// unknown.
func (s *Session) Batch(ctx context.Context, commands []routeros.Command) ([]Result, error) {
	calls := make([]*call, len(commands))
	for i := range calls {
		calls[i] = &call{done: make(chan struct{})}
	}
	return s.batchFor(ctx, s.timeout, commands, calls)
}

// errCut is the result of a command that had more rows than it may have.
var errCut = errors.New("more rows than were asked for")

// batchFor is [Session.Batch] with a call for each command, and a time for all of them.
func (s *Session) batchFor(ctx context.Context, limit time.Duration, commands []routeros.Command, calls []*call) ([]Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	defer s.forget(calls)
	if err := s.send(ctx, commands, calls); err != nil {
		return nil, err
	}
	results := make([]Result, len(commands))
	for i, c := range calls {
		if !c.answered(ctx) {
			return nil, ended(ctx, s.subject(commands[i]), changesAny(commands[i:]))
		}
		if errors.Is(c.err, errCut) {
			results[i] = Result{Err: errCut}
			continue
		}
		if c.err != nil {
			return nil, lostWith(c.err, changesAny(commands[i:]))
		}
		results[i] = Result{Reply{c.rows, c.ret}, c.traps.of(commands[i])}
	}
	return results, nil
}

// answered waits for the answer or the end of the session; it reports false when the context ended
// before.
func (c *call) answered(ctx context.Context) bool {
	select {
	case <-c.done:
		return true
	case <-ctx.Done():
	}
	// Both may be ready, and a select takes either: an answer that has arrived counts.
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// lostWith says whether the end of a session leaves the result of a write unknown.
func lostWith(reason error, unknown bool) error {
	if !unknown {
		return reason
	}
	const doubt, remedy = "; the command may have taken effect", "read the router again with diff before you continue"
	switch e := reason.(type) { //nolint:errorlint // the reason itself is rewritten, not what it wraps
	case *LostError:
		return &LostError{problem{e.Subject, e.What + doubt, remedy, e.Err}, true}
	case *TimeoutError:
		return &TimeoutError{problem{e.Subject, e.What + doubt, remedy, e.Err}, true}
	case *NotLoggedInError:
		return &LostError{problem{e.Subject, e.What + doubt, remedy, e}, true}
	}
	return reason
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

// send registers a tag for each command, writes them all, and flushes once. If the context ends in
// the middle of a sentence, the session can't continue and ends; if it was over before, nothing was
// sent and nothing is harmed.
func (s *Session) send(ctx context.Context, commands []routeros.Command, calls []*call) error {
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return ended(ctx, s.target.HostPort(), false)
	}
	if err := framed(commands); err != nil {
		return fmt.Errorf("%s: %w", s.target.HostPort(), err)
	}
	if err := s.register(calls); err != nil {
		return err
	}
	var settled atomic.Bool // all was sent, or the context ended: whichever came first
	stop := context.AfterFunc(ctx, func() {
		if settled.CompareAndSwap(false, true) {
			s.end(cutOff(ctx, s.target.HostPort()))
		}
	})
	defer stop()
	err := s.write(ctx, commands, calls)
	inTime := settled.CompareAndSwap(false, true)
	if inTime && err == nil {
		return nil
	}
	if inTime {
		s.unsent(ctx, err)
	}
	<-s.over
	return lostWith(s.err, changesAny(commands))
}

func (s *Session) write(ctx context.Context, commands []routeros.Command, calls []*call) error {
	for i, c := range commands {
		s.log.DebugContext(ctx, "send", "router", s.target.HostPort(), "command", c.Redacted())
		if err := s.writer.Write(append(c.Words(), ".tag="+calls[i].tag)...); err != nil {
			return err
		}
	}
	return s.writer.Flush()
}

// cutOff is the end of a session in which a sentence may have been sent in part.
func cutOff(ctx context.Context, subject string) error {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return &TimeoutError{problem{subject, "the session was ended (a command could not be sent in time)", "check the link and try again", errTimeout}, false}
	}
	return &LostError{problem{subject, fmt.Sprintf("the session was ended (%v while a command was sent)", ctx.Err()), "connect again", ctx.Err()}, false}
}

// framed checks all commands before the first is buffered: if a later one were refused, those
// before it would be sent with the next call.
func framed(commands []routeros.Command) error {
	for i, c := range commands {
		if slices.Contains(c.Words(), "") {
			return fmt.Errorf("command %d of %d has an empty word, which would end its sentence: give it a path", i+1, len(commands))
		}
	}
	return nil
}

// register gives each command its tag, before anything is sent: a reply may arrive at once.
func (s *Session) register(calls []*call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, c := range calls {
		s.lastTag++
		c.tag = strconv.Itoa(s.lastTag)
		s.calls[c.tag] = c
	}
	return nil
}

// lastWords is how long reading the router's last message may take after it accepts no bytes any
// more.
const lastWords = time.Second

// unsent ends a session in which writing failed, unless the reader knows why: this side may have
// ended it, or the router's reason has been received and is not read yet.
func (s *Session) unsent(ctx context.Context, err error) {
	patience := time.NewTimer(lastWords)
	defer patience.Stop()
	select {
	case <-s.over:
	case <-ctx.Done():
	case <-patience.C:
	}
	s.end(s.lost(err))
}

func (s *Session) lost(err error) error {
	what, remedy := "the connection was lost", "check the link and try again"
	if _, ok := errors.AsType[*wire.LimitError](err); ok {
		what, remedy = "the session was ended", "check that this is the right router, and that nothing floods it"
	}
	return &LostError{problem{s.target.HostPort(), fmt.Sprintf("%s (%s)", what, brief(err.Error(), mostText)), remedy, err}, false}
}

// forget drops commands whose answer nobody waits for any more, and frees their memory; later
// answers for them are ignored. A finished call may be forgotten again.
func (s *Session) forget(calls []*call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range calls {
		if s.calls[c.tag] == c {
			delete(s.calls, c.tag)
		}
		s.held -= c.cost
		c.cost = 0
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
	c, cost, err := s.claim(sentence)
	if c == nil || err != nil {
		return err
	}
	switch sentence[0] {
	case "!re":
		row := parse(sentence)
		if c.feed != nil {
			return c.feed.put(unread{row, cost})
		}
		switch c.taken++; {
		case c.most > 0 && c.taken > c.most:
			s.cut(c)
		case c.take != nil:
			c.take(row)
		default:
			c.rows = append(c.rows, row)
		}
	case "!trap":
		c.traps.add(sentence)
	case "!done":
		c.ret = parse(sentence).Get("ret")
		close(c.done)
	}
	return nil // !empty only says that there are no rows
}

// cut ends a command that has more rows than it may have. What the router still sends of them is
// dropped: a router that does not obey the cancel at once costs the reading and no more.
func (s *Session) cut(c *call) {
	s.cancel(context.Background(), c)
	c.err = errCut
	close(c.done)
}

// claim finds the command of a sentence, if anybody still waits for it, and charges it with the
// memory of the sentence. It comes before parsing: a router may keep answering a command that is
// over (routeros-facts § 1.2), and that costs no more than the reading.
func (s *Session) claim(sentence wire.Sentence) (*call, int64, error) {
	tag := tagOf(sentence)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[tag]
	if c == nil || sentence[0] != "!re" && sentence[0] != "!done" {
		return c, 0, nil
	}
	cost := costOf(sentence)
	if s.held+cost > s.memory {
		// The command stays registered, so that it learns about the end of the session.
		return nil, 0, &wire.LimitError{What: fmt.Sprintf("answers that take more than %d MiB of memory", s.memory>>20)}
	}
	s.held += cost
	c.cost += cost
	if sentence[0] == "!done" {
		delete(s.calls, tag)
	}
	return c, cost, nil
}

// tagOf returns the tag of a sentence; of several the last counts.
func tagOf(sentence wire.Sentence) string {
	for _, word := range slices.Backward(sentence[1:]) {
		if tag, ok := strings.CutPrefix(word, ".tag="); ok {
			return tag
		}
	}
	return ""
}

// parse reads the attributes of a sentence. Values may contain anything, including equals signs.
func parse(sentence wire.Sentence) routeros.Attributes {
	pairs := make([]routeros.Attribute, 0, len(sentence)-1)
	for _, word := range sentence[1:] {
		if word[0] != '=' {
			continue
		}
		if name, value, ok := strings.Cut(word[1:], "="); ok {
			pairs = append(pairs, routeros.Attribute{Name: name, Value: value})
		}
	}
	return routeros.SortAttributes(pairs)
}

// end fails every command that waits and closes the connection. Only the first reason counts. The
// connection is closed last: over TLS this sends a message, and with a router that accepts no bytes
// it takes five seconds.
func (s *Session) end(err error) {
	defer s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	close(s.over)
	for tag, c := range s.calls {
		delete(s.calls, tag)
		c.err = err
		close(c.done)
	}
}

// Listen runs a command that reports changes until the context ends, such as
// /ip/firewall/address-list/listen, and hands every row to each. It returns nil when the context
// ended it, at once; the error of each; or why the command or the session ended, after the rows
// that came before.
func (s *Session) Listen(ctx context.Context, command routeros.Command, each func(routeros.Attributes) error) error {
	c := &call{done: make(chan struct{}), feed: &feed{fresh: make(chan struct{}, 1)}}
	defer s.forget([]*call{c})
	if err := s.sendListen(ctx, command, c); err != nil {
		if over(ctx) {
			return nil
		}
		return err
	}
	for {
		select {
		case <-c.feed.fresh:
			if err := s.hand(ctx, c, each); err != nil || over(ctx) {
				s.cancel(ctx, c)
				return err
			}
		case <-c.done:
			// Both may be ready, and a select takes either: what came before the end still counts.
			err := s.hand(ctx, c, each)
			switch {
			case err != nil:
				return errors.Join(err, c.err)
			case over(ctx):
				return nil
			case c.err != nil:
				return c.err
			}
			return c.traps.of(command)
		case <-ctx.Done():
			s.cancel(ctx, c)
			return nil
		}
	}
}

// hand passes unread rows to each, up to its first error or the end of the context: each may need
// long for them.
func (s *Session) hand(ctx context.Context, c *call, each func(routeros.Attributes) error) error {
	rows := c.feed.take()
	for i, u := range rows {
		if over(ctx) {
			break
		}
		if err := each(u.row); err != nil {
			return err
		}
		rows[i] = unread{} // so that it can be collected before the rest
		s.release(c, u.cost)
	}
	return nil
}

func over(ctx context.Context) bool { return ctx.Err() != nil }

// release frees a part of a command's memory.
func (s *Session) release(c *call, cost int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= cost
	c.cost -= cost
}

// sendListen bounds the sending of a listen, whose own context may never end.
func (s *Session) sendListen(ctx context.Context, command routeros.Command, c *call) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	return s.send(ctx, []routeros.Command{command}, []*call{c})
}

// cancel ends a listen without waiting for it: the caller wants to continue, and a router that
// stalls would block them. /cancel has its own answer, and the listen ends with a trap and !done
// (routeros-facts § 1.4); both are ignored. The session's time-out bounds the goroutine.
func (s *Session) cancel(ctx context.Context, c *call) {
	s.forget([]*call{c})
	go func() {
		_, err := s.Run(context.WithoutCancel(ctx), routeros.NewCommand("/cancel", "tag", c.tag))
		if err != nil {
			s.log.DebugContext(ctx, "cancel", "router", s.target.HostPort(), "error", err)
		}
	}()
}
