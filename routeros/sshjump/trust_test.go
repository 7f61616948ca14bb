package sshjump

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func ecdsaKey(t testing.TB) ssh.Signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf(t, private)
}

func rsaKey(t testing.TB) ssh.Signer {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf(t, private)
}

func signerOf(t testing.TB, private any) ssh.Signer {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// knows makes known_hosts of lines, in which HOST stands for the server.
func knows(t testing.TB, s *server, lines ...string) []string {
	t.Helper()
	return []string{write(t, "known_hosts", strings.ReplaceAll(strings.Join(lines, "\n"), "HOST", knownhosts.Normalize(s.address))+"\n")}
}

func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

func TestUnknownHost(t *testing.T) {
	noLeaks(t)
	s := (&server{hosts: []ssh.Signer{ecdsaKey(t), newKey(t)}}).start(t)
	o := files(t, s)
	o.KnownHosts = knows(t, s, "# empty", "other "+line(newKey(t).PublicKey()))
	w := open(t, o, s)
	err := refused(t, w, "10.0.0.1:1")
	var unknown *UnknownHostError
	var hop *HopError
	if !errors.As(err, &unknown) || !errors.As(err, &hop) {
		t.Fatal(err)
	}
	want := ssh.FingerprintSHA256(s.hosts[1].PublicKey())
	for _, part := range []string{want, "ssh-ed25519", "ssh-keyscan -p", "ssh -p", "jump host 1 of 1", o.KnownHosts[0]} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %s in %v", part, err)
		}
	}
	// The line that the error holds is what makes the host known.
	o.KnownHosts = []string{write(t, "more", unknown.Line+"\n")}
	exchange(t, dial(t, open(t, o, s), echo(t)), "hello")
	// The same way does not go back to ask.
	before := s.accepted.Load()
	refused(t, w, "10.0.0.1:1")
	if s.accepted.Load() != before {
		t.Error("asked again")
	}
}

// TestUnknownSecond names the way to a host that ssh-keyscan cannot reach.
func TestUnknownSecond(t *testing.T) {
	noLeaks(t)
	a, b := new(server).start(t), new(server).start(t)
	o := files(t, a, b)
	o.KnownHosts = knows(t, a, "HOST "+line(a.hosts[0].PublicKey()))
	err := refused(t, open(t, o, a, b), "10.0.0.1:1")
	var unknown *UnknownHostError
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "ssh -J "+a.hop().String()) || strings.Contains(err.Error(), "keyscan") {
		t.Error(err)
	}
}

func TestChangedHost(t *testing.T) {
	for name, old := range map[string]ssh.Signer{"same kind": newKey(t), "other kind": ecdsaKey(t), "RSA": rsaKey(t)} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := new(server).start(t)
			o := files(t, s)
			o.KnownHosts = knows(t, s, "HOST "+line(old.PublicKey()))
			err := refused(t, open(t, o, s), "10.0.0.1:1")
			var changed *ChangedHostError
			var unknown *UnknownHostError
			if !errors.As(err, &changed) || errors.As(err, &unknown) {
				t.Fatal(err)
			}
			for _, part := range []string{"SOMEBODY MAY INTERCEPT THE CONNECTION", ssh.FingerprintSHA256(old.PublicKey()), ssh.FingerprintSHA256(s.hosts[0].PublicKey()), o.KnownHosts[0] + ":1", "ssh-keygen -f"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %s in %v", part, err)
				}
			}
			if s.logins.Load() != 0 {
				t.Error("logged in")
			}
		})
	}
}

// TestKnownKind meets servers that have all kinds of keys, of which known_hosts holds one.
func TestKnownKind(t *testing.T) {
	all := []ssh.Signer{rsaKey(t), ecdsaKey(t), newKey(t)}
	for i, known := range all {
		t.Run(known.PublicKey().Type(), func(t *testing.T) {
			noLeaks(t)
			s := (&server{hosts: all}).start(t)
			o := files(t, s)
			o.KnownHosts = knows(t, s, "HOST "+line(all[i].PublicKey()))
			exchange(t, dial(t, open(t, o, s), echo(t)), "hello")
		})
	}
}

// TestEntries reads the kinds of line that known_hosts has.
func TestEntries(t *testing.T) {
	host := newKey(t)
	for name, entry := range map[string]string{
		"wildcard": "[127.0.0.*]:PORT KEY",
		"list":     "gate,HOST KEY",
		"comment":  "HOST KEY ann's host",
		"hashed":   "HASH KEY",
		"second":   "HOST " + line(ecdsaKey(t).PublicKey()) + "\nHOST KEY",
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := (&server{hosts: []ssh.Signer{host}}).start(t)
			o := files(t, s)
			port := s.address[strings.LastIndexByte(s.address, ':')+1:]
			entry = strings.NewReplacer("KEY", line(host.PublicKey()), "PORT", port, "HASH", knownhosts.HashHostname(knownhosts.Normalize(s.address))).Replace(entry)
			o.KnownHosts = knows(t, s, entry)
			exchange(t, dial(t, open(t, o, s), echo(t)), "hello")
		})
	}
}

func certify(t testing.TB, ca, host ssh.Signer, change func(*ssh.Certificate)) ssh.Signer {
	t.Helper()
	cert := &ssh.Certificate{Key: host.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
	change(cert)
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(cert, host)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestCertificates(t *testing.T) {
	ca, other, host := newKey(t), newKey(t), ecdsaKey(t)
	good := certify(t, ca, host, func(*ssh.Certificate) {})
	authority, plain := "@cert-authority HOST "+line(ca.PublicKey()), "HOST "+line(host.PublicKey())
	var unknown *UnknownHostError
	var changed *ChangedHostError
	var revoked *RevokedHostError
	var invalid *HostCertificateError
	for name, c := range map[string]struct {
		shows []ssh.Signer
		knows []string
		want  any // nil: it is let through
	}{
		"good":                          {[]ssh.Signer{host, good}, []string{authority}, nil},
		"good, another plain key known": {[]ssh.Signer{host, good}, []string{"HOST " + line(other.PublicKey()), authority}, nil},
		"expired":                       {[]ssh.Signer{certify(t, ca, host, func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Hour).Unix()) })}, []string{authority}, &invalid},
		"another name":                  {[]ssh.Signer{certify(t, ca, host, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"gate"} })}, []string{authority}, &invalid},
		"revoked authority":             {[]ssh.Signer{good}, []string{authority, "@revoked * " + line(ca.PublicKey())}, &invalid},
		"another authority":             {[]ssh.Signer{host, certify(t, other, host, func(*ssh.Certificate) {})}, []string{authority}, &unknown},
		"another authority, key known":  {[]ssh.Signer{host, certify(t, other, host, func(*ssh.Certificate) {})}, []string{authority, plain}, nil},
		"no certificate":                {[]ssh.Signer{host}, []string{authority}, &unknown},
		"no authority known":            {[]ssh.Signer{host, good}, []string{plain}, nil},
		"revoked key":                   {[]ssh.Signer{host}, []string{plain, "@revoked * " + line(host.PublicKey())}, &revoked},
		"plain key changed":             {[]ssh.Signer{host}, []string{authority, "HOST " + line(other.PublicKey())}, &changed},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := (&server{hosts: c.shows}).start(t)
			o := files(t, s)
			o.KnownHosts = knows(t, s, c.knows...)
			w := open(t, o, s)
			if c.want == nil {
				exchange(t, dial(t, w, echo(t)), "hello")
				return
			}
			if err := refused(t, w, "10.0.0.1:1"); !errors.As(err, c.want) {
				t.Error(err)
			}
		})
	}
}

func TestBadKnownHosts(t *testing.T) {
	noLeaks(t)
	s := new(server).start(t)
	for _, text := range []string{"HOST ssh-ed25519 nonsense", "one", "@unknown HOST x y"} {
		o := files(t, s)
		o.KnownHosts = knows(t, s, text)
		if err := refused(t, open(t, o, s), "10.0.0.1:1"); !strings.Contains(err.Error(), o.KnownHosts[0]) {
			t.Error(err)
		}
	}
	o := files(t, s)
	o.KnownHosts = []string{filepath.Join(t.TempDir(), "missing")}
	refused(t, open(t, o, s), "10.0.0.1:1")
	if s.accepted.Load() != 0 {
		t.Error("connected")
	}
}

// TestUsualFiles looks into the home directory when nothing is named.
func TestUsualFiles(t *testing.T) {
	noLeaks(t)
	s := new(server).start(t)
	o := files(t, s)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	var unknown *UnknownHostError
	if err := refused(t, open(t, Options{Keys: o.Keys}, s), "10.0.0.1:1"); !errors.As(err, &unknown) || len(unknown.Files) > 1 {
		t.Error(err)
	}
	os.Rename(o.KnownHosts[0], filepath.Join(home, ".ssh", "known_hosts"))
	var auth *AuthError
	if err := refused(t, open(t, Options{}, s), "10.0.0.1:1"); !errors.As(err, &auth) || !strings.Contains(err.Error(), "no key") {
		t.Error(err)
	}
	os.Rename(o.Keys[0], filepath.Join(home, ".ssh", "id_ed25519"))
	os.WriteFile(filepath.Join(home, ".ssh", "id_rsa"), []byte("broken"), 0o600)
	exchange(t, dial(t, open(t, Options{}, s), echo(t)), "hello")
}
