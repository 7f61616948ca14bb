package sim

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // the legacy login of RouterOS before 6.43 is defined with it
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/wire"
)

// mostQueued is how many sentences wait for a client that does not read, before the router stops to
// read from it; a listener beyond four times that is cut.
const mostQueued = 1 << 14

// session is one connection. Everything but the queue is guarded by the router's lock.
type session struct {
	router    *Router
	conn      net.Conn
	number    uint32
	service   string
	local     string
	remote    netip.AddrPort
	user      string // empty before login
	group     string
	policy    string
	challenge []byte
	since     time.Time // by the clock on the wall
	sentences int
	stalled   bool
	// silent is a connection that has ended without the router's knowledge; the router takes it for
	// alive until silentUntil.
	silent      bool
	silentUntil time.Time
	arrival     *flowKey // of the connection, when it passes the filter
	listens     []listening
	put         []string // what the scripts that it runs have put

	queue struct {
		sync.Mutex
		wake   sync.Cond
		items  []item
		closed bool // nothing more is taken
		// number counts the items; printing are the tags of large prints under way, and cut says up
		// to which item a cancelled one is dropped.
		number   int
		printing map[string]bool
		cut      map[string]int
	}
}

type listening struct {
	tag  string
	menu routeros.Menu // none for a print with an interval
}

// item is a sentence that waits until its reply time; without words it is raw bytes, without either
// the end.
type item struct {
	due   time.Time
	words []string
	raw   []byte
	pause time.Duration // before raw
	// late are the rows of a large print, instead of words; tag and number are those of the print.
	late   *printing
	tag    string
	number int
}

// Serve answers the connections of a listener until the context ends or the listener fails, and
// waits for them. A TLS listener is served as api-ssl, any other as api.
func (r *Router) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var sessions sync.WaitGroup
	defer sessions.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil // the end was asked for
			}
			return err
		}
		sessions.Go(func() { r.ServeConn(ctx, c) })
	}
}

// ServeConn answers one connection until it ends, and closes it. The service's own switches hold: a
// disabled service and a source outside its prefixes are closed without a word (routeros-facts §
// 4).
func (r *Router) ServeConn(ctx context.Context, c net.Conn) {
	defer c.Close()
	s := r.open(c)
	if s == nil {
		return
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.read()
	r.over(s)
	s.finish()
	writer.Wait()
}

// over is called when a connection has ended. A silent one has ended for its client only.
func (r *Router) over(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, open := r.sessions[s]; !open {
		return // it ended with a reboot
	}
	if s.silent {
		s.silentUntil = r.clock.now().Add(cmp.Or(r.options.Knobs.Silence, 9*time.Minute))
		r.ends(s.silentUntil)
		return
	}
	r.leave(s)
	if s.user != "" {
		r.log("system,info,account", "user "+s.user+" logged out from "+s.remote.Addr().String()+" via "+s.service)
	}
}

func (r *Router) open(c net.Conn) *session {
	s := &session{router: r, conn: c, service: "api", local: c.LocalAddr().String()}
	s.queue.wake.L = &s.queue.Mutex
	if _, ok := c.(interface{ ConnectionState() tls.ConnectionState }); ok {
		s.service = "api-ssl"
	}
	s.remote, _ = netip.ParseAddrPort(c.RemoteAddr().String())
	s.remote = netip.AddrPortFrom(s.remote.Addr().Unmap(), s.remote.Port())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expire().Before(r.down) {
		return nil
	}
	rows := r.tables.of(routeros.ServiceMenu).rows
	i := slices.IndexFunc(rows, func(w *row) bool { return w.get("name") == s.service })
	if i < 0 || rows[i].attrs.Bool("disabled") || !allowed(rows[i].get("address"), s.remote.Addr()) || r.sessions.full(rows[i], s.service) {
		return nil
	}
	r.numbered++
	s.number = uint32(r.numbered)
	if r.options.Arrival != "" && !s.arrives(rows[i].get("port")) {
		s.silent = true // its client gets no answer, not even a refusal
		return s
	}
	r.sessions[s] = struct{}{}
	return s
}

// allowed reports whether an address is in a comma list of prefixes. No prefixes is everywhere; a
// transport without addresses, such as a pipe, is allowed too.
func allowed(prefixes string, a netip.Addr) bool {
	if prefixes == "" || !a.IsValid() {
		return true
	}
	return slices.ContainsFunc(routeros.SplitPrefixes(prefixes), func(p string) bool {
		r, err := routeros.ParseAddressRange(p)
		return err == nil && r.Contains(a)
	})
}

func (s *session) read() {
	reader := wire.NewReader(s.conn, wire.DefaultLimits())
	for {
		words, err := reader.Read()
		if err != nil || !s.room() {
			return
		}
		if !s.serve(words) {
			return
		}
	}
}

// room waits until the client has read enough of its queue.
func (s *session) room() bool {
	s.queue.Lock()
	defer s.queue.Unlock()
	for len(s.queue.items) > mostQueued && !s.queue.closed {
		s.queue.wake.Wait()
	}
	return !s.queue.closed
}

// write sends the queue, each sentence at its time, and closes the connection at the end.
func (s *session) write() {
	defer s.conn.Close()
	w := wire.NewWriter(s.conn)
	for {
		s.queue.Lock()
		for len(s.queue.items) == 0 && !s.queue.closed {
			s.queue.wake.Wait()
		}
		items := s.queue.items
		s.queue.items = nil
		s.queue.wake.Broadcast()
		s.queue.Unlock()
		if len(items) == 0 {
			return
		}
		if !s.writeAll(w, items) {
			s.finish()
			return
		}
	}
}

func (s *session) writeAll(w *wire.Writer, items []item) bool {
	for _, i := range items {
		if wait := time.Until(i.due); !i.due.IsZero() && wait > 0 {
			if w.Flush() != nil {
				return false
			}
			time.Sleep(wait)
		}
		if i.raw != nil {
			_ = w.Flush()
			time.Sleep(i.pause)
			if _, err := s.conn.Write(i.raw); err != nil {
				return false
			}
			continue
		}
		switch {
		case i.late != nil:
			if !s.writePrinting(w, i) {
				return false
			}
		case s.isCut(i):
		default:
			if i.tag != "" {
				s.printed(i.tag)
			}
			if w.Write(i.words...) != nil {
				return false
			}
		}
	}
	return w.Flush() == nil
}

// finish ends the session once what is queued has been sent.
func (s *session) finish() {
	s.queue.Lock()
	defer s.queue.Unlock()
	s.queue.closed = true
	s.queue.wake.Broadcast()
}

// serve executes one sentence, with the fault that is due; false ends the session.
func (s *session) serve(words []string) bool {
	r := s.router
	r.mu.Lock()
	s.sentences++
	r.mu.Unlock()
	action := s.fault(words) // outside the lock: a fault may look at the router
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.expire()
	s.silent = s.silent || now.Before(r.down) || s.arrival != nil && !s.passes()
	if s.stalled || s.silent {
		return true
	}
	q := s.parse(words)
	if goOn, settled := s.failBefore(q, action); settled {
		return goOn
	}
	goOn, problem := s.dispatch(q)
	if goOn, settled := s.failAfter(q, problem, action); settled {
		return goOn
	}
	s.answer(q, problem)
	return goOn
}

// failBefore does what a fault does instead of the request; settled says that it did.
func (s *session) failBefore(q *request, action Action) (goOn, settled bool) {
	switch action.Kind {
	case CutBefore:
		return false, true
	case Trap:
		s.answer(q, &trap{message: action.Message})
	case StallBefore:
		s.stalled = true
	case VanishBefore:
		s.silent = true
	case RebootBefore:
		s.router.reboot()
	default:
		return false, false
	}
	return true, true
}

// failAfter does what a fault does instead of the answer.
func (s *session) failAfter(q *request, problem *trap, action Action) (goOn, settled bool) {
	switch action.Kind {
	case CutAfter:
		return false, true
	case StallAfter:
		s.stalled = true
	case VanishAfter:
		s.silent = true
	case RebootAfter:
		s.router.reboot()
	case Garbage:
		s.enqueue(item{raw: []byte{0xFF, 0xFE, 0xFD, 0xFC, '!', 'r', 'e', 0}})
	case HalfSentence:
		answer := s.encoded(q, problem)
		s.enqueue(item{raw: answer[:len(answer)/2]})
		return false, true
	case Drip:
		for _, b := range s.encoded(q, problem) {
			s.enqueue(item{raw: []byte{b}, pause: 100 * time.Millisecond})
		}
	default:
		return false, false
	}
	return true, true
}

func (s *session) enqueue(i item) {
	if rtt := s.router.options.RTT; rtt > 0 {
		i.due = time.Now().Add(rtt)
	}
	s.queue.Lock()
	defer s.queue.Unlock()
	if s.queue.closed {
		return
	}
	if s.queue.number++; i.tag != "" {
		i.number = s.queue.number
		if s.queue.printing == nil {
			s.queue.printing = map[string]bool{}
		}
		s.queue.printing[i.tag] = true
	}
	s.queue.items = append(s.queue.items, i)
	s.queue.closed = len(s.queue.items) > 4*mostQueued && len(s.listens) > 0
	s.queue.wake.Broadcast()
}

// encoded is the answer of a request as bytes.
func (s *session) encoded(q *request, problem *trap) []byte {
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	if q.late != nil && problem == nil {
		for i := range q.late.rows {
			_ = w.Write(tagged(q.attrs[".tag"], q.late.words(i))...)
		}
	}
	for _, words := range q.answers(problem) {
		_ = w.Write(tagged(q.attrs[".tag"], words)...) // a buffer takes everything
	}
	_ = w.Flush()
	return b.Bytes()
}

func tagged(tag string, words []string) []string {
	if tag == "" {
		return words
	}
	return append(slices.Clip(words[:1:1]), append([]string{".tag=" + tag}, words[1:]...)...)
}

// answer queues the replies of a request, or its trap and the !done behind it (routeros-facts §
// 1.2).
func (s *session) answer(q *request, problem *trap) {
	tag := ""
	if q.late != nil && problem == nil {
		tag = q.attrs[".tag"]
		s.enqueue(item{late: q.late, tag: tag})
	}
	for _, words := range q.answers(problem) {
		s.enqueue(item{words: tagged(q.attrs[".tag"], words), tag: tag})
	}
}

// send queues a sentence.
func (s *session) send(tag string, words []string) {
	s.enqueue(item{words: tagged(tag, words)})
}

func (q *request) answers(problem *trap) [][]string {
	if problem != nil {
		return append(q.replies, problem.words(), []string{"!done"})
	}
	return q.replies
}

// parse takes a sentence apart. The tag is kept among the attributes under its own name.
func (s *session) parse(words []string) *request {
	q := &request{Router: s.router, session: s, attrs: map[string]string{}, now: s.router.expire()}
	if i := strings.LastIndexByte(words[0], '/'); i >= 0 {
		q.menu, q.verb = routeros.Menu(words[0][:i]), words[0][i+1:]
	}
	for _, w := range words[1:] {
		if tag, ok := strings.CutPrefix(w, ".tag="); ok {
			q.attrs[".tag"] = tag
			continue
		}
		if query, ok := strings.CutPrefix(w, "?"); ok {
			q.queries = append(q.queries, query)
			continue
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(w, "="), "=")
		if _, twice := q.attrs[name]; !twice {
			q.order = append(q.order, name)
		}
		q.attrs[name] = value
	}
	return q
}

// dispatch executes a request; false ends the session after the answer.
func (s *session) dispatch(q *request) (goOn bool, problem *trap) {
	switch path := string(q.menu) + "/" + q.verb; {
	case path == "/login":
		return true, s.login(q)
	case s.user == "":
		q.replies = [][]string{{"!fatal", "not logged in"}}
		return false, nil
	case path == "/quit":
		q.replies = [][]string{{"!fatal", "session terminated on request"}}
		return false, nil
	case path == "/cancel":
		s.cancel(q)
		return true, nil
	case path == "/system/reboot":
		if !hasPolicy(s.policy, "reboot") {
			return true, denied()
		}
		s.router.reboot()
		return false, nil
	}
	return s.command(q)
}

func (s *session) command(q *request) (goOn bool, problem *trap) {
	schema, ok := q.options.schema(q.menu)
	switch {
	case !ok && q.options.leadsToMenu(string(q.menu)+"/"+q.verb):
		return true, noSuchCommand()
	case !ok:
		return true, noSuchPrefix()
	case !known(schema.verbs, q.verb, q.options.Version):
		return true, noSuchCommand()
	}
	q.schema = schema
	if !s.may(q) {
		return true, denied()
	}
	// This very request makes 6.49 drop the connection (routeros-facts § 1.5).
	if q.menu == routeros.Resource && q.options.Version.Major < 7 && slices.Contains(strings.Split(q.attrs[".proplist"], ","), "cpu") {
		return false, nil
	}
	if q.verb == "listen" || q.has("follow") || q.has("follow-only") {
		return true, s.listen(q)
	}
	if q.has("interval") && (q.verb == "print" || q.verb == "getall") {
		return true, s.repeat(q)
	}
	return true, q.run()
}

func (q *request) has(name string) bool { _, ok := q.attrs[name]; return ok }

// may checks the policies of the user's group: reading wants read, changing write, users and groups
// policy as well (routeros-facts § 9).
func (s *session) may(q *request) bool {
	switch q.verb {
	case "print", "getall", "get", "listen":
		return hasPolicy(s.policy, "read")
	}
	if strings.HasPrefix(string(q.menu), "/user") && !hasPolicy(s.policy, "policy") {
		return false
	}
	return hasPolicy(s.policy, "write")
}

func hasPolicy(list, name string) bool {
	for policy := range strings.SplitSeq(list, ",") {
		if policy == name {
			return true
		}
	}
	return false
}

// listen answers with changes until it is cancelled; follow sends what is there first.
func (s *session) listen(q *request) *trap {
	if t := q.unknownParameter(); t != nil {
		return t
	}
	if q.has("follow") {
		for _, row := range q.rows() {
			q.re(row)
		}
	}
	s.listens = append(s.listens, listening{q.attrs[".tag"], q.menu})
	return nil
}

// repeat prints again and again, until it is cancelled. Each round has a number, as the rounds of
// other commands that go on do (routeros-facts § 12 T18); that print has one is inferred.
func (s *session) repeat(q *request) *trap {
	if t := q.unknownParameter(); t != nil {
		return t
	}
	every, err := routeros.ParseDuration(q.attrs["interval"])
	if err != nil || every < 10*time.Millisecond {
		return invalidValue("interval")
	}
	if problem := q.round(0); problem != nil {
		return problem
	}
	s.listens = append(s.listens, listening{tag: q.attrs[".tag"]})
	s.again(q, every, 1)
	return nil
}

// round makes the replies of one round.
func (q *request) round(number int) *trap {
	q.replies = nil
	if problem := q.print(); problem != nil {
		return problem
	}
	q.replies = slices.DeleteFunc(q.replies, func(words []string) bool { return words[0] != "!re" })
	for i := range q.replies {
		q.replies[i] = append(q.replies[i], "=.section="+itoa(number))
	}
	return nil
}

// again prints the next round when its time has come.
func (s *session) again(q *request, every time.Duration, number int) {
	time.AfterFunc(every, func() {
		r := s.router
		r.mu.Lock()
		defer r.mu.Unlock()
		q.now = r.expire()
		_, open := r.sessions[s]
		if !open || !slices.Contains(s.listens, listening{tag: q.attrs[".tag"]}) || q.round(number) != nil {
			return
		}
		if !s.stalled && !s.silent {
			s.answer(q, nil)
		}
		s.again(q, every, number+1)
	})
}

// cancel ends one listener, or all; the order of the answers is that of routeros-facts § 12 T10.
func (s *session) cancel(q *request) {
	tag, one := q.attrs["tag"]
	var ended []string
	s.listens = slices.DeleteFunc(s.listens, func(l listening) bool {
		if !one || l.tag == tag {
			ended = append(ended, l.tag)
			return true
		}
		return false
	})
	ended = append(ended, s.cutPrints(tag, one)...)
	for _, tag := range ended {
		s.send(tag, interrupted().words())
	}
	s.send(q.attrs[".tag"], []string{"!done"})
	for _, tag := range ended {
		s.send(tag, []string{"!done"})
	}
}

// login follows routeros-facts § 1.3: without a password, and before 6.43 always, a challenge is
// handed out; from 6.45.1 on nobody can answer it.
func (s *session) login(q *request) *trap {
	v := s.router.options.Version
	if !q.has("response") && (!q.has("password") || before(v, 6, 43, 0)) {
		s.challenge = make([]byte, 16)
		rand.Read(s.challenge)
		q.done("=ret=" + hex.EncodeToString(s.challenge))
		return nil
	}
	name := q.attrs["name"]
	challenge := s.challenge
	s.challenge = nil
	if account := s.router.tables.named(routeros.User, name); account == nil || !account.knows(q, challenge) || !s.admit(name) {
		s.router.log("system,error,critical", "login failure for user "+name+" from "+s.remote.Addr().String()+" via "+s.service)
		if before(v, 6, 43, 0) {
			return &trap{"cannot log in", ""}
		}
		return &trap{"invalid user name or password (6)", ""}
	}
	s.since = q.clock.wall(q.now)
	s.router.log("system,info,account", "user "+name+" logged in from "+s.remote.Addr().String()+" via "+s.service)
	q.done()
	return nil
}

// knows reports whether a login proves that it knows a user's password: by the password itself, or
// by the answer to a challenge.
func (w *row) knows(q *request, challenge []byte) bool {
	response, legacy := q.attrs["response"]
	if !legacy {
		return w.anyPassword || q.attrs["password"] == w.password
	}
	sum := md5.Sum(slices.Concat([]byte{0}, []byte(w.password), challenge)) //nolint:gosec // see the import
	return challenge != nil && before(q.options.Version, 6, 45, 1) && response == "00"+hex.EncodeToString(sum[:])
}

func before(v routeros.Version, major, minor, patch int) bool {
	return v.Compare(routeros.Version{Major: major, Minor: minor, Patch: patch}) < 0
}

// admit checks everything but the password: the row exists and is enabled, the address is allowed,
// the group has the policy api. The router's message for a failure is unknown; here it is the same
// as for a wrong password.
func (s *session) admit(name string) bool {
	account := s.router.tables.named(routeros.User, name)
	if account == nil || account.attrs.Bool("disabled") || !allowed(account.get("address"), s.remote.Addr()) {
		return false
	}
	group := s.router.tables.named(routeros.UserGroup, account.get("group"))
	if group == nil || !hasPolicy(group.get("policy"), "api") {
		return false
	}
	s.user, s.group, s.policy = name, group.get("name"), group.get("policy")
	return true
}
