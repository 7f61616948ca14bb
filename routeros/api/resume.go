package api

import (
	"crypto/tls"
	"sync"
)

// Resumption remembers the last TLS session with one router, so that the next connection to it needs
// no key exchange, where the router offers that. Each router needs one of its own: a session counts
// for the router that it was made with. The certificate of the resumed session is the one that was
// shown then, and [Target.Trust] is checked against it again. It may be used by several goroutines,
// and nothing of it is ever written down. The zero value is ready.
type Resumption struct {
	mu      sync.Mutex
	key     string // the target that it was made with
	session *tls.ClientSessionState
}

// offer is a [Resumption] as one handshake with a target uses it.
type offer struct {
	*Resumption
	target string
	made   bool // a session was offered to the router
	taken  bool // the handshake is through, with it or without
}

// Get implements [tls.ClientSessionCache]. Go names a session by the host alone, and several
// routers may share one: so it is the target that counts.
func (o *offer) Get(string) (*tls.ClientSessionState, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session == nil || o.key != o.target {
		return nil, false
	}
	o.made = true
	return o.session, true
}

// Put implements [tls.ClientSessionCache].
func (o *offer) Put(_ string, s *tls.ClientSessionState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.key, o.session = o.target, s
}
