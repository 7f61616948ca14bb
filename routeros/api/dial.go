package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	ros "github.com/go-routeros/routeros/v3"

	"github.com/rosknock/rosknock/routeros/wire"
)

// Transport is the service over which a session runs.
type Transport string

// The two transports. Plain is in clear, including the password, and has to be requested.
const (
	TLS   Transport = "api-ssl"
	Plain Transport = "api"
)

// Port returns the transport's default port.
func (t Transport) Port() string {
	if t == Plain {
		return "8728"
	}
	return "8729"
}

// Target says which router to talk to, and how.
type Target struct {
	Address   string // host, host:port, or [v6]:port
	User      string
	Transport Transport // empty: TLS
	Trust     Trust
	// Timeout bounds the dial with handshake and login, and each command; zero means 10 s.
	Timeout time.Duration
}

// Trust says which certificate a router may show. Exactly one way is used: the pin if there is one,
// also with Insecure; else no check if Insecure; else a chain to Roots, or to the system's roots
// when Roots is nil, for the name that the router is reached by.
type Trust struct {
	// Pin is "sha256:" and the hex digest of the certificate, which RouterOS shows as its
	// fingerprint in /certificate print.
	Pin      string
	Roots    *x509.CertPool
	Insecure bool
}

// Options are what a session needs from its environment. The zero value dials TCP and logs nothing.
type Options struct {
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Log    *slog.Logger
	Limits wire.Limits
	// Memory bounds how many bytes of memory the answers to all commands under way may take
	// together; zero means 512 MiB. Beyond it the session ends with a *[wire.LimitError].
	Memory int64
	// Resume, where there is one, remembers the TLS session with this router.
	Resume *Resumption
}

func (o Options) complete() Options {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Limits == (wire.Limits{}) {
		o.Limits = wire.DefaultLimits()
	}
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	return o
}

// HostPort returns the address, with the transport's port if it has none.
func (t Target) HostPort() string {
	if _, _, err := net.SplitHostPort(t.Address); err == nil {
		return t.Address
	}
	return net.JoinHostPort(strings.Trim(t.Address, "[]"), t.transport().Port())
}

func (t Target) transport() Transport {
	if t.Transport == "" {
		return TLS
	}
	return t.Transport
}

func (t Target) timeout() time.Duration {
	if t.Timeout <= 0 {
		return 10 * time.Second
	}
	return t.Timeout
}

// Dial connects to a router and logs in. TCP, TLS and login together take four round trips. The
// error is one of this package's types, or that of the context.
func Dial(ctx context.Context, t Target, password string, o Options) (*Session, error) {
	o = o.complete()
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout(), errTimeout)
	defer cancel()
	resumed := &offer{Resumption: o.Resume, target: t.HostPort()}
	s, err := dialOnce(ctx, t, password, o, resumed)
	var ours interface{ isTrust() }
	if resumed.made && !resumed.taken && err != nil && ctx.Err() == nil && !errors.As(err, &ours) {
		// A router may stumble over the offer. What counts is what it says without one.
		resumed.Put("", nil)
		return dialOnce(ctx, t, password, o, &offer{target: t.HostPort()})
	}
	return s, err
}

func dialOnce(ctx context.Context, t Target, password string, o Options, resumed *offer) (*Session, error) {
	conn, err := o.Dial(ctx, "tcp", t.HostPort())
	if err != nil {
		return nil, dialError(ctx, t, err)
	}
	line := &listened{Conn: conn}
	ctx, settled := line.suspect(ctx, t, o)
	defer settled()
	s, err := enter(ctx, line, t, password, o, resumed)
	if err != nil {
		conn.Close()
		return nil, line.blame(ctx, t, o, err)
	}
	return s, nil
}

// enter prepares a connection for a session.
func enter(ctx context.Context, conn net.Conn, t Target, password string, o Options, resumed *offer) (*Session, error) {
	if t.transport() != TLS {
		return login(ctx, conn, t, password, o)
	}
	secure, err := handshake(ctx, t, conn, resumed)
	if err != nil {
		return nil, err
	}
	resumed.taken = true
	s, err := login(ctx, secure, t, password, o)
	if err != nil {
		return nil, err
	}
	s.pin = Pin(secure.ConnectionState().PeerCertificates[0])
	return s, nil
}

// NewSession logs in over an existing connection, such as one end of a net.Pipe.
func NewSession(ctx context.Context, conn net.Conn, user, password string, o Options) (*Session, error) {
	t := Target{Address: "the router", User: user, Transport: Plain}
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout(), errTimeout)
	defer cancel()
	return login(ctx, conn, t, password, o.complete())
}

var errTimeout = errors.New("no answer in time")

func dialError(ctx context.Context, t Target, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(err.Error(), "refused"):
		return &RefusedError{problem{t.HostPort(), "connection refused", fmt.Sprintf("enable the service %s on the router (/ip service enable %s), or name its port as host:port", t.transport(), t.transport()), err}}
	case ctx.Err() != nil:
		return ended(ctx, t.HostPort(), false)
	}
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() {
		return timedOut(t.HostPort(), false)
	}
	return fmt.Errorf("%s: %w", t.HostPort(), err)
}

// ended returns why a context is over: our own time-out, or the caller's reason.
func ended(ctx context.Context, subject string, unknown bool) error {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return timedOut(subject, unknown)
	}
	if unknown {
		return &LostError{problem{subject, "interrupted before the router answered; the command may have taken effect", "read the router again with diff before you continue", ctx.Err()}, true}
	}
	return fmt.Errorf("%s: %w", subject, ctx.Err())
}

func timedOut(subject string, unknown bool) error {
	if unknown {
		return &TimeoutError{problem{subject, "no answer in time; the command may have taken effect", "read the router again with diff before you continue", errTimeout}, true}
	}
	return &TimeoutError{problem{subject, "no answer in time", "check the address, check that no firewall on the way drops the port, or allow more time with --timeout", errTimeout}, false}
}

// Pin returns the pin of a certificate: sha256: and the hex digest of its DER form.
func Pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func handshake(ctx context.Context, t Target, conn net.Conn, resumed *offer) (*tls.Conn, error) {
	config := t.tlsConfig()
	if resumed.Resumption != nil {
		config.ClientSessionCache = resumed
	}
	secure := tls.Client(conn, config)
	err := secure.HandshakeContext(ctx)
	if err == nil {
		return secure, nil
	}
	var alert tls.AlertError
	var ours interface{ isTrust() }
	switch {
	case errors.As(err, &ours):
		return nil, err
	case ctx.Err() != nil:
		return nil, ended(ctx, t.HostPort(), false)
	case errors.As(err, &alert) && alert == 40, strings.Contains(err.Error(), "handshake failure"):
		return nil, &NoCertificateError{problem{t.HostPort(), "the TLS handshake failed: api-ssl seems to have no certificate", "make one on the router: " +
			"/certificate add name=api common-name=router key-usage=tls-server; /certificate sign api; /ip service set api-ssl certificate=api", err}}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return nil, closed(t, err)
	}
	return nil, fmt.Errorf("%s: TLS handshake: %w", t.HostPort(), err)
}

func (*PinError) isTrust()       {}
func (*UntrustedError) isTrust() {}

// tlsConfig allows what RouterOS offers: TLS 1.2 with ECDHE, or plain RSA key exchange of RouterOS
// 6, which Go leaves out by default (routeros-facts § 1.7). The curves are those of TLS 1.2: making
// a key of ML-KEM, which only TLS 1.3 can use, takes longer than all that is computed otherwise
// before the first message. Trust is checked by [Target.trusts] alone.
func (t Target) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection below checks the pin or the chain
		VerifyConnection:   t.trusts,
		ServerName:         t.host(),
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
			tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		},
	}
}

func (t Target) host() string {
	host, _, err := net.SplitHostPort(t.HostPort())
	if err != nil {
		return t.Address
	}
	return host
}

func (t Target) trusts(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return &NoCertificateError{problem{t.HostPort(), "the router shows no certificate", "set one with /ip service set api-ssl certificate=NAME", nil}}
	}
	leaf := state.PeerCertificates[0]
	got := Pin(leaf)
	switch {
	case t.Trust.Pin != "":
		if !strings.EqualFold(got, t.Trust.Pin) {
			return &PinError{problem{t.HostPort(), fmt.Sprintf("the router shows the certificate %s, pinned is %s", got, t.Trust.Pin),
				"a man in the middle may intercept the connection; if the certificate was renewed, compare it with /certificate print on the router and pin the new one, " +
					"or, if an authority renews it, trust that authority with --tls-ca instead of a pin", nil}, t.Trust.Pin, got}
		}
		return nil
	case t.Trust.Insecure:
		return nil
	}
	chain := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		chain.AddCert(c)
	}
	vouched := x509.VerifyOptions{Roots: t.Trust.Roots, Intermediates: chain}
	named := vouched
	named.DNSName = t.host()
	_, err := leaf.Verify(named)
	if err == nil {
		return nil
	}
	remedy := "compare its fingerprint with /certificate print on the router, then name it with --tls-pin " + got + ", or its authority with --tls-ca"
	if _, other := leaf.Verify(vouched); other == nil {
		remedy = "connect to a name for which its certificate is valid: then it stays trusted when it is renewed; or compare its fingerprint with /certificate print on the router, and name it with --tls-pin " + got
	}
	return &UntrustedError{problem{t.HostPort(), fmt.Sprintf("the certificate is not trusted (%s)", brief(err.Error(), mostText)), remedy, err}, got}
}

// closed is the error of a router that closes the connection without a message.
func closed(t Target, err error) error {
	return &LostError{problem{t.HostPort(), "the router closed the connection before the login",
		fmt.Sprintf("this source may not be allowed by /ip service (address, available-from) of %s, all its sessions may be in use, or this is not the port of %s", t.transport(), t.transport()), err}, false}
}

// The bounds of a login: two replies of a few words. They are small, since nobody is authenticated
// yet, and go-routeros keeps every !re until the !done.
const (
	mostLoginSentences = 64
	mostLoginBytes     = 64 << 10
)

// loginConn is what go-routeros sees of the connection while it logs in: one whole sentence at a
// time, read by our own bounded reader. Its reader trusts lengths and allocates what ten hostile
// bytes announce, so it never gets bytes from the network.
type loginConn struct {
	net.Conn
	reader *wire.Reader
	buffer bytes.Buffer
	last   wire.Sentence
	n      int   // sentences so far
	cost   int64 // and their memory
}

// Read implements io.Reader.
func (c *loginConn) Read(p []byte) (int, error) {
	if c.buffer.Len() == 0 {
		sentence, err := c.reader.Read()
		if err != nil {
			return 0, err
		}
		if err := c.admit(sentence); err != nil {
			return 0, err
		}
		c.last = sentence
		w := wire.NewWriter(&c.buffer)
		if err := errors.Join(w.Write(sentence...), w.Flush()); err != nil {
			return 0, err
		}
	}
	return c.buffer.Read(p)
}

// admit refuses answers that no router gives to a login, before go-routeros keeps or quotes them.
func (c *loginConn) admit(sentence wire.Sentence) error {
	c.n++
	c.cost += costOf(sentence)
	if c.n > mostLoginSentences || c.cost > mostLoginBytes {
		return &wire.LimitError{What: fmt.Sprintf("more than %d sentences or %d kB in answer to a login", mostLoginSentences, mostLoginBytes>>10)}
	}
	switch sentence[0] {
	case "!fatal": // its reason is a bare word (routeros-facts § 1.2)
		return nil
	case "!done", "!re", "!trap", "!empty":
	default:
		return &wire.LimitError{What: fmt.Sprintf("%q in answer to a login", brief(sentence[0], 32))}
	}
	for _, word := range sentence[1:] {
		if word[0] != '=' && !strings.HasPrefix(word, ".tag=") {
			return &wire.LimitError{What: fmt.Sprintf("the word %q in answer to a login", brief(word, 32))}
		}
	}
	return nil
}

// login lets go-routeros do both kinds of login (routeros-facts § 1.3) and then takes over the
// connection.
func login(ctx context.Context, conn net.Conn, t Target, password string, o Options) (*Session, error) {
	guarded := &loginConn{Conn: conn, reader: wire.NewReader(conn, loginLimits(o.Limits))}
	client, err := ros.NewClient(guarded)
	if err != nil {
		return nil, err
	}
	// Its own handler logs to standard output, and at debug level the password.
	client.SetLogHandler(slog.DiscardHandler)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := client.LoginContext(ctx, t.User, password); err != nil {
		return nil, loginError(ctx, t, guarded.last, err)
	}
	if !stop() {
		return nil, ended(ctx, t.HostPort(), false)
	}
	o.Log.DebugContext(ctx, "logged in", "router", t.HostPort(), "user", t.User)
	guarded.reader.Limit(o.Limits)
	return newSession(conn, guarded.reader, t, o), nil
}

// loginLimits are the limits of one sentence before the login is through: never more than
// afterwards.
func loginLimits(l wire.Limits) wire.Limits {
	return wire.Limits{Word: min(l.Word, mostLoginBytes), Words: min(l.Words, mostLoginBytes/wordCost), Sentence: min(l.Sentence, mostLoginBytes)}
}

// loginError is why a login failed: the router's message if there is one, otherwise the end of the
// context, which closes the connection.
func loginError(ctx context.Context, t Target, last wire.Sentence, err error) error {
	if limit, ok := errors.AsType[*wire.LimitError](err); ok {
		return fmt.Errorf("%s: %w", t.HostPort(), limit)
	}
	if errors.Is(err, ros.ErrInvalidChallengeReceived) {
		return fmt.Errorf("%s: %w", t.HostPort(), &wire.LimitError{What: "a challenge at login that is not in hexadecimal"})
	}
	if device, ok := errors.AsType[*ros.DeviceError](err); ok {
		return trapAtLogin(t, brief(device.Sentence.Map["message"], mostText), err)
	}
	switch {
	case len(last) > 0 && last[0] == "!fatal":
		return fatal(t.HostPort(), last)
	case ctx.Err() != nil:
		return ended(ctx, t.HostPort(), false)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, syscall.ECONNRESET):
		return closed(t, err)
	}
	return fmt.Errorf("%s: login: %w", t.HostPort(), err)
}

func trapAtLogin(t Target, message string, err error) error {
	plain := strings.ToLower(message)
	if strings.Contains(plain, "user name or password") || strings.Contains(plain, "cannot log in") {
		return &BadPasswordError{problem{t.HostPort(), fmt.Sprintf("login as %q failed (%s)", t.User, message),
			"check the user and the password, that the user's group has the policy api, and that the user's address restriction allows this source", err}}
	}
	return typedTrap(&TrapError{Command: t.HostPort() + ": /login", Message: message})
}

// fatal is a !fatal, whose reason is a bare word (routeros-facts § 1.2).
func fatal(subject string, s wire.Sentence) error {
	reason := brief(strings.TrimPrefix(strings.Join(s[1:], " "), "=message="), mostText)
	if strings.Contains(reason, "not logged in") {
		return &NotLoggedInError{problem{subject, "the router says: not logged in", "log in first; the session may have been ended on the router", nil}}
	}
	return &LostError{problem{subject, "the router ended the session: " + reason, "connect again", nil}, false}
}
