package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// authority signs certificates of routers.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return authority{t, key, cert, file}
}

// signs returns a new certificate for a name.
func (a authority) signs(name string) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	check(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestRenewed: a certificate that an authority renews is trusted by that and the router's name,
// and one that is known is compared whatever else is said: the password goes to nobody else.
func TestRenewed(t *testing.T) {
	ca, others := newAuthority(t), newAuthority(t)
	first, renewed, own, impostor := ca.signs("r1.example.net"), ca.signs("r1.example.net"), newAuthority(t).signs("own"), newAuthority(t).signs("own")
	router := sim.New(sim.Options{Users: []sim.User{{Name: "admin", Password: "sesame"}}})
	var shown atomic.Pointer[tls.Certificate]
	address := simtest.Listen(t, router, &tls.Config{MaxVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }})
	dir := t.TempDir()
	inventoryCheck := func(args ...string) (code int, said string) {
		var out bytes.Buffer
		e := env{streams: streams{in: strings.NewReader(""), out: &out, err: &out, width: 1000}, now: time.Now, getenv: func(name string) string {
			return map[string]string{"ROSKNOCK_PASSWORD": "sesame"}[name]
		}, dial: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("tcp", address)
		}}
		code = run(t.Context(), e, append([]string{"inventory", "check", "--state-dir", dir, "--config", os.DevNull, "--retries", "0", "-o", "csv"}, args...))
		return code, out.String()
	}
	for _, c := range []struct {
		what  string
		shows tls.Certificate
		args  []string
		want  string // in what is said; empty: the router answers
	}{
		{"an authority vouches for it", first, []string{"-r", "r1.example.net", "--tls-ca", ca.file}, ""},
		{"and for the next one", renewed, []string{"-r", "r1.example.net", "--tls-ca", ca.file}, ""},
		{"another authority does not", renewed, []string{"-r", "r1.example.net", "--tls-ca", others.file}, "the certificate is not trusted"},
		{"nor does it for another name", renewed, []string{"-r", "192.0.2.1", "--tls-ca", ca.file}, "connect to a name for which its certificate is valid"},
		{"names in a certificate are text", ca.signs("evil\x1b]0;owned\x07\rFORGED.example.net"), []string{"-r", "r1.example.net", "--tls-ca", ca.file}, `evil\x1b]0;owned\x07\rFORGED`},
		{"one that signed itself is remembered", own, []string{"-r", "192.0.2.9", "--tls-accept-new"}, ""},
		{"and compared", impostor, []string{"-r", "192.0.2.9"}, "a man in the middle may intercept"},
		{"also when anything goes", impostor, []string{"-r", "192.0.2.9", "--tls-insecure"}, "a man in the middle may intercept"},
		{"also when an authority is named that is not asked then", impostor, []string{"-r", "192.0.2.9", "--tls-insecure", "--tls-ca", ca.file}, "a man in the middle may intercept"},
		{"what is not known goes then", impostor, []string{"-r", "192.0.2.10", "--tls-insecure"}, ""},
		{"and is not remembered", own, []string{"-r", "192.0.2.10", "--tls-insecure"}, ""},
		{"a pin that was accepted once", first, []string{"-r", "r1.example.net", "--tls-accept-new"}, ""},
		{"is no obstacle to the authority", renewed, []string{"-r", "r1.example.net", "--tls-ca", ca.file}, ""},
		{"and says so", renewed, []string{"-r", "r1.example.net"}, "trust that authority with --tls-ca instead of a pin"},
	} {
		shown.Store(&c.shows)
		code, said := inventoryCheck(c.args...)
		if (code == 0) != (c.want == "") || !strings.Contains(said, c.want) {
			t.Errorf("%s: exit code %d\n%s", c.what, code, said)
		}
		if why := unfit(said); why != "" {
			t.Errorf("%s: %s", c.what, why)
		}
	}
}

// TestNoPassword: where none is found, that is said; an empty one has to be given.
func TestNoPassword(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	check(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct {
		what       string
		s          settings
		credential plans.Credential
		fails      bool
	}{
		{"nothing at all", settings{}, plans.Credential{}, true},
		{"an empty file", settings{login: login{PasswordFile: empty}}, plans.Credential{}, false},
		{"no file at all", settings{login: login{PasswordFile: os.DevNull}}, plans.Credential{}, false},
		{"an empty file of the inventory", settings{}, plans.Credential{Kind: plans.FromFile, Value: empty}, false},
		{"an empty variable of the inventory", settings{}, plans.Credential{Kind: plans.FromEnv, Value: "EMPTY"}, true},
	} {
		e := env{secrets: &secrets{}, memory: &memory{}, getenv: func(string) string { return "" }}
		got, err := access{e, c.s}.password(t.Context(), router{Member: fleet.Member{Name: "r1"}, target: api.Target{User: "admin"}, credential: c.credential})
		if got != "" || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", c.what, got, err)
		}
		if c.what == "nothing at all" {
			if code, _ := codeOf(t.Context(), err); code != exitUsage || !strings.Contains(err.Error(), "--password-file "+os.DevNull) {
				t.Errorf("%d: %v", code, err)
			}
		}
	}
}
