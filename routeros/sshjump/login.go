package sshjump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// key is a private key file. An encrypted one is opened only when a host accepts the public key, as
// ssh does, so that nobody has to type a passphrase for nothing.
type key struct {
	file   string
	public ssh.PublicKey // nil if an encrypted file does not tell

	opening sync.Mutex
	sealed  []byte // the file while it is encrypted
	signer  ssh.Signer
	err     error // why it cannot be used; it is not tried again
}

// exposedError says that a key is not used, as with ssh, since others may have it.
type exposedError struct{ mode fs.FileMode }

func (e *exposedError) Error() string {
	return fmt.Sprintf("others can read it, its mode is %04o, and so it is not used", e.mode.Perm())
}

// readKeys reads the key files. If none are named, it reads the usual ones that exist and ignores
// those that can't be used.
func readKeys(files []string, warn func(string)) ([]*key, error) {
	named := len(files) > 0
	if !named {
		files = usualKeys()
	}
	var keys []*key
	for _, file := range files {
		k, err := readKey(file)
		readable, isReadable := errors.AsType[*exposedError](err)
		switch {
		case isReadable && named:
			return nil, &failure{fmt.Sprintf("the key file %s cannot be used (%v)", file, readable), "chmod 600 it, and replace the key if others may have read it", nil}
		case isReadable:
			warn(fmt.Sprintf("the private key %s is not used: %v: chmod 600 it, and replace the key if others may have read it", file, readable))
		case err != nil && named:
			return nil, &failure{fmt.Sprintf("the key file %s cannot be used (%v)", file, err), "name a private key made by ssh-keygen, or leave it out to use the agent", nil}
		}
		if err != nil {
			k = &key{file: file, err: err}
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func usualKeys() []string {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	var files []string
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		files = append(files, filepath.Join(home, ".ssh", name))
	}
	return existing(files)
}

func readKey(file string) (*key, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if exposed(info) {
		return nil, &exposedError{info.Mode()}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		k := &key{file: file, sealed: text, public: missing.PublicKey}
		if k.public == nil {
			k.public = besides(file)
		}
		return k, nil
	}
	if err != nil {
		return nil, errors.New("it is not a readable private key")
	}
	return &key{file: file, signer: signer, public: signer.PublicKey()}, nil
}

// besides reads the public key file next to a private key, for files in the old format.
func besides(file string) ssh.PublicKey {
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		return nil
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return public
}

// open asks for the passphrase, at most once, and returns the key's signer.
func (k *key) open(ask func(file string) (string, error), c *clock) (ssh.Signer, error) {
	k.opening.Lock()
	defer k.opening.Unlock()
	if k.signer != nil || k.err != nil {
		return k.signer, k.err
	}
	defer c.pause()() // for typing, and for deriving the key, which is slow on purpose
	passphrase, err := ask(k.file)
	if err != nil {
		k.err = err
		return nil, err
	}
	signer, err := ssh.ParsePrivateKeyWithPassphrase(k.sealed, []byte(passphrase))
	if err != nil {
		k.err = errors.New("its passphrase is wrong")
		return nil, k.err
	}
	k.signer, k.sealed = signer, nil
	return signer, nil
}

// late is the signer of a key that is only opened when it has to sign.
type late struct {
	*key
	ask   func(file string) (string, error)
	clock *clock
}

// PublicKey implements ssh.Signer.
func (l *late) PublicKey() ssh.PublicKey { return l.public }

// Sign implements ssh.Signer.
func (l *late) Sign(random io.Reader, data []byte) (*ssh.Signature, error) {
	signer, err := l.open(l.ask, l.clock)
	if err != nil {
		return nil, err
	}
	return signer.Sign(random, data)
}

// SignWithAlgorithm implements ssh.AlgorithmSigner, which RSA needs to sign with SHA-2.
func (l *late) SignWithAlgorithm(random io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := l.open(l.ask, l.clock)
	if err != nil {
		return nil, err
	}
	if a, ok := signer.(ssh.AlgorithmSigner); ok {
		return a.SignWithAlgorithm(random, data, algorithm)
	}
	return signer.Sign(random, data)
}

// offer is one key to log in with.
type offer struct {
	signer ssh.Signer
	source string // the agent, or the file
	key    *key   // of a file
}

// login logs in to one host.
type login struct {
	hop     Hop
	keys    []*key
	socket  string
	ask     func(file string) (string, error)
	ctx     context.Context
	below   *watched
	clock   *clock
	agent   net.Conn
	reached bool // the host has been trusted, and asks for a key
	listed  bool
	offers  []offer
	offered []offer
	skipped []string
}

// next is called before each try and names the key to try: first those of the agent, then files.
func (l *login) next(have *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if l.below.ended.Load() {
		return nil, l.hungUp()
	}
	if !slices.Contains(have.AllowedMethods, "publickey") {
		if slices.Contains(have.PartialSuccessMethods, "publickey") {
			return nil, l.failed("the host accepted the key but also asks for " + clean(strings.Join(have.AllowedMethods, ", ")) + ", which is not supported here")
		}
		return nil, l.failed("the host accepts no keys, only " + clean(strings.Join(have.AllowedMethods, ", ")) + ", which is not supported here")
	}
	if !l.listed {
		l.listed = true
		l.list()
	}
	if len(l.offers) == 0 {
		if len(l.offered) == 0 {
			return nil, l.failed("there is no key to log in with")
		}
		return nil, l.failed("the host accepts none of the keys")
	}
	now := l.offers[0]
	l.offers, l.offered = l.offers[1:], append(l.offered, now)
	return ssh.PublicKeys(now.signer), nil
}

// list gathers the keys. A file whose key is in the agent is not offered twice, since servers count
// attempts; and the agent's keys that are also files go first.
func (l *login) list() {
	signers := l.fromAgent()
	inAgent := func(k *key) bool {
		return k.public != nil && slices.ContainsFunc(signers, func(s ssh.Signer) bool { return same(s.PublicKey(), k.public) })
	}
	isFile := func(s ssh.Signer) int {
		if slices.ContainsFunc(l.keys, func(k *key) bool { return k.public != nil && same(s.PublicKey(), k.public) }) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(signers, func(a, b ssh.Signer) int { return isFile(a) - isFile(b) })
	for _, s := range signers {
		l.offers = append(l.offers, offer{signer: s, source: "agent"})
	}
	for _, k := range l.keys {
		if inAgent(k) {
			continue
		}
		if signer, err := l.signer(k); err != nil {
			l.skipped = append(l.skipped, fmt.Sprintf("%s (%v)", k.file, err))
		} else {
			l.offers = append(l.offers, offer{signer, k.file, k})
		}
	}
}

func same(a, b ssh.PublicKey) bool { return string(a.Marshal()) == string(b.Marshal()) }

func (l *login) signer(k *key) (ssh.Signer, error) {
	k.opening.Lock()
	signer, err := k.signer, k.err
	k.opening.Unlock()
	switch {
	case signer != nil || err != nil:
		return signer, err
	case l.ask == nil:
		return nil, errors.New("it has a passphrase, and there is no terminal to ask for it")
	case k.public == nil:
		return k.open(l.ask, l.clock)
	}
	return &late{k, l.ask, l.clock}, nil
}

func (l *login) fromAgent() []ssh.Signer {
	if l.socket == "" {
		return nil
	}
	c, err := new(net.Dialer).DialContext(l.ctx, "unix", l.socket)
	if err != nil {
		l.skipped = append(l.skipped, "the agent (it does not answer at "+l.socket+")")
		return nil
	}
	l.agent = c
	context.AfterFunc(l.ctx, func() { c.Close() })
	signers, err := agent.NewClient(c).Signers()
	if err != nil {
		l.skipped = append(l.skipped, "the agent ("+clean(err.Error())+")")
		return nil
	}
	return signers
}

func (l *login) close() {
	if l.agent != nil {
		l.agent.Close()
	}
}

func (l *login) hungUp() *AuthError {
	return l.failed("the host closed the connection; it may limit the attempts (MaxAuthTries): name the key to use, or load fewer into the agent")
}

func (l *login) failed(what string) *AuthError {
	e := &AuthError{User: l.hop.User, What: what, Skipped: slices.Clone(l.skipped)}
	for _, o := range l.offered {
		if o.key != nil {
			o.key.opening.Lock()
			err := o.key.err
			o.key.opening.Unlock()
			if err != nil {
				e.Skipped = append(e.Skipped, fmt.Sprintf("%s (%v)", o.source, err))
				continue
			}
		}
		e.Tried = append(e.Tried, o.source+" "+ssh.FingerprintSHA256(o.signer.PublicKey()))
	}
	return e
}
