package knock_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/knock"
)

// behind is the port of a stage as something behind a door.
func behind(host netip.Addr, stage plans.Stage) netip.AddrPort {
	return netip.AddrPortFrom(host, stage.Port)
}

// isShut fails unless an error says that the door is shut, without saying what was tried.
func isShut(t *testing.T, err error, port netip.AddrPort, why string) {
	t.Helper()
	shut, ok := errors.AsType[*knock.ShutError](err)
	if !ok || shut.Why != why {
		t.Errorf("got %v, want a door that is shut: %s", err, why)
	}
	discreet(t, err, []plans.Stage{tcp(int(port.Port()))})
}

// TestEnter: what is open is entered from the address that was asked for; what is shut is tried
// until the time is over, and what opens meanwhile is entered then.
func TestEnter(t *testing.T) {
	eachFamily(t, func(t *testing.T, host netip.Addr) {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
		must(t, err)
		to := l.Addr().(*net.TCPAddr).AddrPort()
		conn, err := knock.Enter(t.Context(), to, knock.Options{Source: host})
		must(t, err)
		if from := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); from != host {
			t.Errorf("from %s, want %s", from, host)
		}
		conn.Close()
		l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err = knock.Enter(ctx, to, knock.Options{})
		isShut(t, err, to, "the connection is refused")

		opened := make(chan *net.TCPListener, 1)
		time.AfterFunc(250*time.Millisecond, func() {
			l, _ := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(to))
			opened <- l
		})
		conn, err = knock.Enter(t.Context(), to, knock.Options{})
		must(t, err)
		conn.Close()
		(<-opened).Close()
	})
}

// TestEnterMistakes are told at once.
func TestEnterMistakes(t *testing.T) {
	host, six := loopbacks()[0], loopbacks()[1]
	for _, c := range []struct {
		name string
		to   netip.AddrPort
		o    knock.Options
		want string
	}{
		{"no host", netip.AddrPort{}, quick, "no host"},
		{"no port", netip.AddrPortFrom(host, 0), quick, "no port to connect to"},
		{"other family", netip.AddrPortFrom(host, 45678), knock.Options{Source: six}, "another family"},
		{"foreign source", netip.AddrPortFrom(host, 45678), knock.Options{Source: netip.MustParseAddr("192.0.2.77")}, "not one of this computer"},
		{"no interface", netip.AddrPortFrom(host, 45678), knock.Options{Interface: "nowhere0"}, "no interface nowhere0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := knock.Enter(t.Context(), c.to, c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			discreet(t, err, []plans.Stage{tcp(45678)})
		})
	}
}

// TestVisit: a door that opens at the second pass is entered after it, and no third one is played.
func TestVisit(t *testing.T) {
	host := loopbacks()[0]
	d := openDoor(t, host)
	inside := behind(host, closed(t, host))
	var l *net.TCPListener
	t.Cleanup(func() {
		if l != nil {
			l.Close()
		}
	})
	played := 0
	v := knock.Visit{Host: host, Stages: []plans.Stage{d.udp, d.tcp}, Options: quick, Passes: 3, Try: inside, Wait: 200 * time.Millisecond}
	v.Options.Observe = func(int) {
		if played++; played == 4 {
			var err error
			l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(inside))
			must(t, err)
		}
	}
	r, err := v.Make(t.Context())
	must(t, err)
	if r.Passes != 2 || r.Sent != 2 || r.Conn == nil || r.Took < v.Wait {
		t.Errorf("%+v", r)
	}
	r.Conn.Close()
	if got := d.all(4); len(got) != 4 {
		t.Errorf("arrived: %q", got)
	}

	v.IfShut = true
	r, err = v.Make(t.Context())
	must(t, err)
	if r.Passes != 0 || r.Sent != 0 || r.Conn == nil {
		t.Errorf("what is open already was knocked at: %+v", r)
	}
	r.Conn.Close()
	if got := d.all(0); len(got) != 0 {
		t.Errorf("arrived: %q", got)
	}
}

// TestVisitShut: all passes are played and the door is said to be shut; without anything to try
// there is nothing to say.
func TestVisitShut(t *testing.T) {
	host := loopbacks()[0]
	d := openDoor(t, host)
	v := knock.Visit{Host: host, Stages: []plans.Stage{d.udp}, Options: quick, Passes: 3, Try: behind(host, closed(t, host)), Wait: 50 * time.Millisecond, IfShut: true}
	r, err := v.Make(t.Context())
	isShut(t, err, v.Try, "the connection is refused")
	if got := d.all(3); len(got) != 3 || r.Passes != 3 || r.Sent != 1 || r.Conn != nil {
		t.Errorf("arrived: %q, %+v", got, r)
	}
	v.Try, v.IfShut, v.Passes = netip.AddrPort{}, false, 0
	r, err = v.Make(t.Context())
	if got := d.all(1); err != nil || len(got) != 1 || r.Passes != 1 || r.Conn != nil {
		t.Errorf("arrived: %q, %+v, %v", got, r, err)
	}
}

// TestVisitInterrupted: the end of the context is no shut door.
func TestVisitInterrupted(t *testing.T) {
	host := loopbacks()[0]
	d := openDoor(t, host)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	v := knock.Visit{Host: host, Stages: []plans.Stage{d.udp}, Options: quick, Try: behind(host, closed(t, host)), Wait: time.Hour}
	v.Options.Observe = func(int) { time.AfterFunc(100*time.Millisecond, func() { cancel(enough) }) }
	if _, err := v.Make(ctx); !errors.Is(err, enough) || !strings.Contains(err.Error(), "waiting for the door") {
		t.Errorf("got %v", err)
	}
}

// TestPayload: a datagram carries what it was given, byte for byte, and the others carry nothing.
func TestPayload(t *testing.T) {
	eachFamily(t, func(t *testing.T, host netip.Addr) {
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
		must(t, err)
		defer u.Close()
		stage := udp(u.LocalAddr().(*net.UDPAddr).Port)
		word, most := []byte("open\x00s\xffesame"), slices.Repeat([]byte("x"), 65507)
		o := quick
		o.Payloads = map[int][]byte{2: word, 4: most}
		must(t, knock.Play(t.Context(), host, []plans.Stage{stage, stage, stage, stage}, o))
		for n, want := range [][]byte{nil, word, nil, most} {
			buffer := make([]byte, 1<<16)
			must(t, u.SetReadDeadline(time.Now().Add(forever)))
			size, err := u.Read(buffer)
			must(t, err)
			if !slices.Equal(buffer[:size], want) {
				t.Errorf("stage %d carries %d bytes, want %d", n+1, size, len(want))
			}
		}
	})
}

// TestEchoPayload: the payload stands at the beginning of the data, and the size stays what the
// plan says.
func TestEchoPayload(t *testing.T) {
	eachFamilyAlone(t, func(t *testing.T, host netip.Addr) {
		network, header, request := "ip4:1", 20, byte(8)
		if host.Is6() {
			network, header, request = "ip6:58", 40, 128
		}
		l, err := net.ListenPacket(network, host.String())
		if err != nil {
			t.Skip("no raw socket to listen with: ", err)
		}
		defer l.Close()
		o := quick
		o.Payloads = map[int][]byte{1: []byte("sesame")}
		must(t, knock.Play(t.Context(), host, []plans.Stage{ping(100)}, o))
		buffer := make([]byte, 1<<16)
		must(t, l.SetReadDeadline(time.Now().Add(forever)))
		for {
			n, _, err := l.ReadFrom(buffer)
			must(t, err)
			if buffer[0] != request {
				continue
			}
			if n+header != 100 || string(buffer[8:16]) != "sesame\x00\x00" {
				t.Errorf("%d bytes, %q", n+header, buffer[8:n])
			}
			return
		}
	})
}

// TestPayloadMistakes are found before the first packet, and named without the secret.
func TestPayloadMistakes(t *testing.T) {
	host := loopbacks()[0]
	d := openDoor(t, host)
	for _, c := range []struct {
		name     string
		stages   []plans.Stage
		payloads map[int][]byte
		want     string
	}{
		{"a SYN", []plans.Stage{d.udp, tcp(45678)}, map[int][]byte{2: []byte("sesame")}, "stage 2 of 2, tcp, was not sent: a tcp stage is a SYN"},
		{"a long datagram", []plans.Stage{d.udp, udp(45678)}, map[int][]byte{2: make([]byte, 65508)}, "does not fit into one datagram"},
		{"a small packet", []plans.Stage{d.udp, ping(33)}, map[int][]byte{2: []byte("sesame")}, "does not fit into its size"},
		{"less than a packet", []plans.Stage{d.udp, ping(3)}, map[int][]byte{2: []byte("sesame")}, "smaller than the headers"},
		{"stage 0", []plans.Stage{d.udp}, map[int][]byte{0: []byte("sesame")}, "counted from 1"},
		{"no such stage", []plans.Stage{d.udp}, map[int][]byte{2: []byte("sesame")}, "a payload for stage 2 of 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := quick
			o.Payloads = c.payloads
			err := knock.Play(t.Context(), host, c.stages, o)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("got %v, want %s", err, c.want)
			}
			discreet(t, err, c.stages[1:])
		})
	}
	if got := d.all(0); len(got) != 0 {
		t.Errorf("arrived: %q", got)
	}
}

// TestEnterTooLate: when the time is over before the first try, the door counts as shut. That is no
// error of this computer.
func TestEnterTooLate(t *testing.T) {
	over, stop := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer stop()
	_, err := knock.Enter(over, netip.MustParseAddrPort("127.0.0.1:9"), knock.Options{})
	if _, shut := errors.AsType[*knock.ShutError](err); !shut {
		t.Errorf("%v", err)
	}
}
