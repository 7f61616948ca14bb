package api_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
	"github.com/rosknock/rosknock/routeros/wire"
)

// peer is the other end of a pipe: it lets everybody in and answers each later sentence with
// answer. Nil as an answer is silence; io.EOF ends the connection.
func peer(t *testing.T, answer func(words []string, tag string) ([][]string, error)) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		r, w := wire.NewReader(server, wire.DefaultLimits()), wire.NewWriter(server)
		for {
			words, err := r.Read()
			if err != nil {
				return
			}
			replies, err := [][]string{{"!done"}}, error(nil)
			if words[0] != "/login" {
				replies, err = answer(words, tagOf(words))
			}
			for _, reply := range replies {
				if w.Write(reply...) != nil {
					return
				}
			}
			if w.Flush() != nil || err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { client.Close(); <-done })
	return client
}

func tagOf(words []string) string {
	for _, w := range words {
		if strings.HasPrefix(w, ".tag=") {
			return w
		}
	}
	return ""
}

func session(t *testing.T, conn net.Conn, o api.Options) *api.Session {
	t.Helper()
	s, err := api.NewSession(t.Context(), conn, "admin", "sesame", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// simulated is a session with a simulated router.
func simulated(t *testing.T, o sim.Options, user, password string) (*api.Session, error) {
	t.Helper()
	s, err := api.NewSession(t.Context(), simtest.Pipe(t, sim.New(o)), user, password, api.Options{})
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func is[E error](t *testing.T, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	if !strings.Contains(e.Error(), ": ") {
		t.Errorf("no remedy: %v", e)
	}
	return e
}

func show(m routeros.Menu) routeros.Command { return routeros.Print(m) }

func add() routeros.Command {
	return routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "dst-port", "54321")
}

func TestLogin(t *testing.T) {
	users := []sim.User{{Name: "admin", Password: "sesame"}, {Name: "reader", Password: "r", Group: "read"}}
	if _, err := simulated(t, sim.Options{Users: users}, "admin", "wrong"); true {
		is[*api.BadPasswordError](t, err)
		if strings.Contains(err.Error(), "wrong") {
			t.Errorf("the password is in %v", err)
		}
	}
	s, err := simulated(t, sim.Options{Users: users}, "reader", "r")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Run(t.Context(), add())
	is[*api.PermissionError](t, err)
	_, err = s.Run(t.Context(), show("/system/nonsense"))
	is[*api.UnknownMenuError](t, err)
	if strings.Contains(err.Error(), "54321") {
		t.Error("a port is in the error")
	}
}

// TestLegacyLogin: a router before 6.43 answers with a challenge.
func TestLegacyLogin(t *testing.T) {
	v, _ := routeros.ParseVersion("6.42.12")
	users := []sim.User{{Name: "admin", Password: "sesame"}}
	if _, err := simulated(t, sim.Options{Version: v, Users: users}, "admin", "sesame"); err != nil {
		t.Error(err)
	}
	_, err := simulated(t, sim.Options{Version: v, Users: users}, "admin", "wrong")
	is[*api.BadPasswordError](t, err)
}

// TestHostileLogin: bytes that are no API, before any credential is checked.
func TestHostileLogin(t *testing.T) {
	for name, data := range map[string]string{"12 GiB": "\xf0\xff\xff\xff\xff", "HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "reserved": "\xff\xff", "nothing": "", "half a sentence": "\x05!do"} {
		client, server := net.Pipe()
		go func() {
			_, _ = wire.NewReader(server, wire.DefaultLimits()).Read()
			_, _ = io.WriteString(server, data)
			server.Close()
		}()
		if _, err := api.NewSession(t.Context(), client, "admin", "sesame", api.Options{}); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", name, err)
		}
		client.Close()
	}
}

func TestNotLoggedIn(t *testing.T) {
	s := session(t, peer(t, func([]string, string) ([][]string, error) { return [][]string{{"!fatal", "not logged in"}}, io.EOF }), api.Options{})
	_, err := s.Run(t.Context(), show(routeros.Identity))
	is[*api.NotLoggedInError](t, err)
	_, err = s.Run(t.Context(), show(routeros.Identity))
	is[*api.NotLoggedInError](t, err)
}

// TestReplies: what routers really send.
func TestReplies(t *testing.T) {
	s := session(t, peer(t, func(words []string, tag string) ([][]string, error) {
		switch words[0] {
		case "/a/print":
			return [][]string{{"!re", ".tag=9999", "=x=y"}, {"!re", tag}, {"!re", "=a=b=c", tag, "=empty=", "=caf\xe9=\xff"}, {"!done", tag}, {"!done", tag}}, nil
		case "/b/print":
			return [][]string{{"!empty", tag}, {"!done", tag}}, nil
		case "/c/add":
			return [][]string{{"!trap", tag, "=category=1", "=message=first"}, {"!trap", tag, "=message=failure: already have such entry"}, {"!done", tag}}, nil
		default:
			return [][]string{{"!done", tag, "=ret=*3"}}, nil
		}
	}), api.Options{})
	reply, err := s.Run(t.Context(), show("/a"))
	if err != nil || len(reply.Rows) != 2 || reply.Rows[1].Get("a") != "b=c" || reply.Rows[1].Get("caf\xe9") != "\xff" || !reply.Rows[1].Has("empty") {
		t.Errorf("%+v, %v", reply, err)
	}
	if reply, err := s.Run(t.Context(), show("/b")); err != nil || len(reply.Rows) != 0 {
		t.Errorf("%+v, %v", reply, err)
	}
	_, err = s.Run(t.Context(), routeros.NewCommand("/c/add"))
	trap := is[*api.TrapError](t, err)
	if trap.Category != "1" || !trap.Duplicate() || trap.NoSuchItem() {
		t.Errorf("%+v", trap)
	}
	if reply, err := s.Run(t.Context(), routeros.NewCommand("/d/add")); err != nil || reply.Ret != "*3" {
		t.Errorf("%+v, %v", reply, err)
	}
}

// TestLost: a connection that ends during a read is lost; during a write, the result is unknown.
func TestLost(t *testing.T) {
	endings := map[string]func([]string, string) ([][]string, error){
		"cut":          func([]string, string) ([][]string, error) { return nil, io.EOF },
		"in mid-reply": func(_ []string, tag string) ([][]string, error) { return [][]string{{"!re", tag, "=a=b"}}, io.EOF },
	}
	for name, ending := range endings {
		for _, write := range []bool{false, true} {
			s := session(t, peer(t, ending), api.Options{})
			c := show(routeros.Filter)
			if write {
				c = add()
			}
			_, err := s.Run(t.Context(), c)
			if lost := is[*api.LostError](t, err); lost.Unknown != write {
				t.Errorf("%s, write %v: unknown %v", name, write, lost.Unknown)
			}
			if _, err := s.Run(t.Context(), show(routeros.Filter)); err == nil {
				t.Errorf("%s: a dead session answers", name)
			}
		}
	}
}

// TestSilence: a router that says nothing costs the time-out and no more; a context that ends is
// obeyed at once.
func TestSilence(t *testing.T) {
	silent := func([]string, string) ([][]string, error) { return nil, nil }
	synctest.Test(t, func(t *testing.T) {
		s := session(t, peer(t, silent), api.Options{})
		begun := time.Now()
		_, err := s.Run(t.Context(), add())
		if late := is[*api.TimeoutError](t, err); !late.Unknown || time.Since(begun) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begun = time.Now()
		if _, err = s.Run(ctx, show(routeros.Filter)); !errors.Is(err, context.Canceled) || time.Since(begun) != time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		go func() { _, _ = io.Copy(io.Discard, server) }()
		begun := time.Now()
		_, err := api.NewSession(t.Context(), client, "admin", "sesame", api.Options{})
		is[*api.TimeoutError](t, err)
		if time.Since(begun) != 10*time.Second {
			t.Errorf("a silent login took %s", time.Since(begun))
		}
	})
}

func TestClose(t *testing.T) {
	asked := make(chan struct{})
	s := session(t, peer(t, func([]string, string) ([][]string, error) { close(asked); return nil, nil }), api.Options{})
	go func() { <-asked; _ = s.Close() }()
	_, err := s.Run(t.Context(), add())
	if lost := is[*api.LostError](t, err); !lost.Unknown {
		t.Error("a write under way at the close is unknown")
	}
}

// TestPipeline: 16 commands over a long line cost one round trip, and many goroutines get each
// their own answer.
func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := simulated(t, sim.Options{RTT: 100 * time.Millisecond}, "admin", "")
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		commands := make([]routeros.Command, 16)
		for i := range commands {
			commands[i] = show(routeros.Identity)
		}
		results, err := s.Batch(t.Context(), commands)
		if err != nil || len(results) != 16 || results[15].Rows[0].Get("name") == "" {
			t.Fatalf("%v, %+v", err, results)
		}
		if took := time.Since(begun); took != 100*time.Millisecond {
			t.Errorf("16 commands took %s", took)
		}
	})
	s := session(t, peer(t, func(words []string, tag string) ([][]string, error) {
		return [][]string{{"!done", tag, "=ret=" + strings.TrimSuffix(words[0][1:], "/print")}}, nil
	}), api.Options{})
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			want := fmt.Sprint(i)
			if reply, err := s.Run(t.Context(), show(routeros.Menu("/"+want))); err != nil || reply.Ret != want {
				t.Errorf("%s got %q, %v", want, reply.Ret, err)
			}
		})
	}
	wait.Wait()
}

func TestListen(t *testing.T) {
	s, err := simulated(t, sim.Options{}, "admin", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	rows := make(chan routeros.Attributes, 1000)
	ended := make(chan error)
	go func() {
		ended <- s.Listen(ctx, routeros.NewCommand("/ip/firewall/address-list/listen"), func(row routeros.Attributes) error { rows <- row; return nil })
	}()
	for begun := false; !begun; { // until the router listens, changes go unheard
		reply, err := s.Run(t.Context(), routeros.NewCommand("/ip/firewall/address-list/add", "list", "l", "address", "192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case row := <-rows:
			begun = row.Get("list") == "l"
		case <-time.After(50 * time.Millisecond):
		}
		if _, err := s.Run(t.Context(), routeros.NewCommand("/ip/firewall/address-list/remove", ".id", reply.Ret)); err != nil {
			t.Fatal(err)
		}
		if begun {
			if row := <-rows; !row.Bool(".dead") {
				t.Errorf("removed: %v", row)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := s.Run(t.Context(), show(routeros.Identity)); err != nil {
		t.Errorf("after a listen: %v", err)
	}
}

// TestNoSecrets: nothing that is logged holds a password or a port of a knock.
func TestNoSecrets(t *testing.T) {
	var log bytes.Buffer
	s := session(t, peer(t, func(_ []string, tag string) ([][]string, error) { return [][]string{{"!done", tag}}, nil }),
		api.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if _, err := s.Run(t.Context(), add()); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "/ip/firewall/filter/add") || strings.Contains(text, "54321") || strings.Contains(text, "sesame") {
		t.Errorf("log: %s", text)
	}
}

// certificate makes a self-signed certificate for 127.0.0.1.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "router"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestTrust(t *testing.T) {
	c := certificate(t)
	address := simtest.Listen(t, sim.New(sim.Options{}), &tls.Config{Certificates: []tls.Certificate{c}, MaxVersion: tls.VersionTLS12})
	dial := func(trust api.Trust) error {
		s, err := api.Dial(t.Context(), api.Target{Address: address, User: "admin", Trust: trust}, "", api.Options{})
		if err == nil {
			if s.Pin() != api.Pin(c.Leaf) {
				t.Errorf("pin %s", s.Pin())
			}
			_ = s.Close()
		}
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.Leaf)
	for name, trust := range map[string]api.Trust{"pin": {Pin: strings.ToUpper(api.Pin(c.Leaf))}, "authority": {Roots: roots}, "insecure": {Insecure: true}} {
		if err := dial(trust); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := is[*api.PinError](t, dial(api.Trust{Pin: "sha256:00", Roots: roots, Insecure: true}))
	if wrong.Got != api.Pin(c.Leaf) {
		t.Errorf("%+v", wrong)
	}
	unknown := is[*api.UntrustedError](t, dial(api.Trust{Roots: x509.NewCertPool()}))
	if !strings.Contains(unknown.Error(), "--tls-pin "+api.Pin(c.Leaf)) {
		t.Errorf("%v does not say which pin to use", unknown)
	}
}

// TestNoCertificate: a router without a certificate for api-ssl shares no cipher with anybody.
func TestNoCertificate(t *testing.T) {
	address := simtest.Listen(t, sim.New(sim.Options{}), &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }, MaxVersion: tls.VersionTLS12, //nolint:nilnil // that is the case under test
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}, Certificates: []tls.Certificate{certificate(t)}})
	_, err := api.Dial(t.Context(), api.Target{Address: address, User: "admin"}, "", api.Options{})
	if e := is[*api.NoCertificateError](t, err); !strings.Contains(e.Error(), "/certificate add") {
		t.Errorf("%v", e)
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, transport := range []api.Transport{api.TLS, api.Plain} {
		_, err = api.Dial(t.Context(), api.Target{Address: address, User: "admin", Transport: transport}, "", api.Options{})
		if e := is[*api.RefusedError](t, err); !strings.Contains(e.Error(), "/ip service enable "+string(transport)) {
			t.Errorf("%v", e)
		}
	}
}

func TestHostPort(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:8729", "192.0.2.1:99": "192.0.2.1:99", "r1.example.net": "r1.example.net:8729", "2001:db8::1": "[2001:db8::1]:8729", "[2001:db8::1]": "[2001:db8::1]:8729", "[2001:db8::1]:99": "[2001:db8::1]:99",
	} {
		if got := (api.Target{Address: address}).HostPort(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
