package sshjump

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// trust is what the known_hosts files say.
type trust struct {
	files       []string
	check       ssh.HostKeyCallback
	authorities map[string]bool // file:line of the lines marked @cert-authority
}

// readTrust reads the files; with none named, those that are there of the user's and the system's.
func readTrust(files []string) (*trust, error) {
	if len(files) == 0 {
		files = usualKnownHosts()
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, &failure{fmt.Sprintf("known_hosts cannot be read (%v)", err), "repair or remove that line or file, or name another file", nil}
	}
	t := &trust{files, check, map[string]bool{}}
	for _, file := range files {
		if err := t.readAuthorities(file); err != nil {
			return nil, &failure{fmt.Sprintf("known_hosts cannot be read (%v)", err), "check the file, or name another", nil}
		}
	}
	return t, nil
}

func usualKnownHosts() []string {
	candidates := []string{"/etc/ssh/ssh_known_hosts"}
	if home, err := os.UserHomeDir(); err == nil {
		candidates = slices.Insert(candidates, 0, filepath.Join(home, ".ssh", "known_hosts"))
	}
	return existing(candidates)
}

func existing(files []string) []string {
	return slices.DeleteFunc(files, func(file string) bool {
		info, err := os.Stat(file)
		return err != nil || !info.Mode().IsRegular()
	})
}

// readAuthorities notes which lines are authorities, since package knownhosts does not say so.
func (t *trust) readAuthorities(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for number := 1; lines.Scan(); number++ {
		if words := bytes.Fields(lines.Bytes()); len(words) > 0 && string(words[0]) == "@cert-authority" {
			t.authorities[place(file, number)] = true
		}
	}
	return lines.Err()
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// nobody is a key that no file holds: checking it shows which keys are known.
type nobody struct{}

func (nobody) Type() string                        { return "nobody" }
func (nobody) Marshal() []byte                     { return []byte("nobody") }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody signs nothing") }

const certificate = "-cert-v01@openssh.com"

// algorithms are the kinds of host key to ask for, those that known_hosts can check first. A server
// picks the first that it has, so a host with several keys shows the one that is known. The others
// follow, so that a host with none of the known kinds is distinguished from one without a common
// algorithm.
func (t *trust) algorithms(address string) []string {
	own, authorities := t.lookup(address)
	var certificates, plain []string
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		if strings.HasSuffix(a, certificate) {
			certificates = append(certificates, a)
		} else {
			plain = append(plain, a)
		}
	}
	known := func(algorithm string) bool {
		return slices.ContainsFunc(own, func(k knownhosts.KnownKey) bool { return slices.Contains(signedAs(k.Key.Type()), algorithm) })
	}
	rank := func(algorithm string) int {
		switch {
		case known(algorithm):
			return 0
		case algorithm == ssh.KeyAlgoED25519: // what ssh shows first, so that fingerprints are compared like with like
			return 1
		}
		return 2
	}
	slices.SortStableFunc(plain, func(a, b string) int { return rank(a) - rank(b) })
	if len(authorities) == 0 {
		return plain
	}
	return append(certificates, plain...)
}

// lookup returns the host's own keys and the keys of its authorities.
func (t *trust) lookup(address string) (own, authorities []knownhosts.KnownKey) {
	keyErr, ok := errors.AsType[*knownhosts.KeyError](t.look(address, nobody{}))
	if !ok {
		return nil, nil
	}
	for _, k := range keyErr.Want {
		if t.authorities[place(k.Filename, k.Line)] {
			authorities = append(authorities, k)
		} else {
			own = append(own, k)
		}
	}
	return own, authorities
}

// look checks the name alone: behind another host the address of the connection means nothing.
func (t *trust) look(address string, key ssh.PublicKey) error {
	return t.check(address, &net.TCPAddr{IP: net.IPv4zero}, key)
}

// signedAs returns the algorithms with which a type of key signs.
func signedAs(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// verify returns nil for a host key that is known. before is the hops that lead there.
func (t *trust) verify(hop Hop, before []Hop, key ssh.PublicKey) error {
	err := t.look(hop.Address(), key)
	if err == nil {
		return nil
	}
	own, authorities := t.lookup(hop.Address())
	if cert, ok := key.(*ssh.Certificate); ok {
		signs := func(k knownhosts.KnownKey) bool { return bytes.Equal(k.Key.Marshal(), cert.SignatureKey.Marshal()) }
		if slices.ContainsFunc(authorities, signs) {
			return &HostCertificateError{ssh.FingerprintSHA256(cert.SignatureKey), clean(err.Error())}
		}
		// As in ssh: a certificate of an unknown authority counts as the bare key.
		key = cert.Key
		if err = t.look(hop.Address(), key); err == nil {
			return nil
		}
	}
	return t.distrust(err, hop, before, key, own)
}

func (t *trust) distrust(err error, hop Hop, before []Hop, key ssh.PublicKey, own []knownhosts.KnownKey) error {
	fingerprint := ssh.FingerprintSHA256(key)
	host := knownhosts.Normalize(hop.Address())
	if revoked, ok := errors.AsType[*knownhosts.RevokedError](err); ok {
		return &RevokedHostError{fingerprint, place(revoked.Revoked.Filename, revoked.Revoked.Line)}
	}
	if _, ok := errors.AsType[*knownhosts.KeyError](err); !ok {
		return &failure{fmt.Sprintf("its host key cannot be checked (%s)", clean(err.Error())), "check the known_hosts file", nil}
	}
	if len(own) > 0 {
		changed := &ChangedHostError{Host: host, KeyType: key.Type(), Fingerprint: fingerprint, File: own[0].Filename}
		for _, k := range own {
			changed.Known = append(changed.Known, fmt.Sprintf("%s %s in %s", k.Key.Type(), ssh.FingerprintSHA256(k.Key), place(k.Filename, k.Line)))
		}
		return changed
	}
	unknown := &UnknownHostError{Host: host, KeyType: key.Type(), Fingerprint: fingerprint, Files: t.files,
		Line: knownhosts.Line([]string{hop.Address()}, key), login: loginCommand(hop, before)}
	if len(before) == 0 {
		unknown.scan = fmt.Sprintf("ssh-keyscan -p %d %s", hop.port(), hop.Host)
	}
	return unknown
}

// loginCommand is what a person types to log in to a hop.
func loginCommand(hop Hop, before []Hop) string {
	var way []string
	for _, b := range before {
		way = append(way, b.String())
	}
	words := []string{"ssh"}
	if len(way) > 0 {
		words = append(words, "-J", quoted(strings.Join(way, ",")))
	}
	return strings.Join(append(words, "-p", strconv.Itoa(int(hop.port())), quoted(hop.User+"@"+hop.Host)), " ")
}

// quoted keeps a shell from reading more than letters into a word. ParseHops lets no quote in.
func quoted(word string) string {
	if strings.ContainsAny(word, `\[]*?~!#%^= '`) {
		return "'" + strings.ReplaceAll(word, "'", "") + "'"
	}
	return word
}
