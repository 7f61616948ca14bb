package knock_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/knock"
)

// quick are options for tests, where nothing is far away.
var quick = knock.Options{Delay: 20 * time.Millisecond, Timeout: 300 * time.Millisecond}

func loopbacks() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}
}

// eachFamily runs a test over IPv4 and IPv6, where there is one.
func eachFamily(t *testing.T, test func(t *testing.T, host netip.Addr)) {
	for _, host := range loopbacks() {
		t.Run(host.String(), func(t *testing.T) {
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
			if err != nil {
				t.Skip("this family is not here: ", err)
			}
			l.Close()
			test(t, host)
		})
	}
}

// eachFamilyAlone is [eachFamily] where nobody else's packets come, if that can be had here: a raw
// socket hears all of them.
func eachFamilyAlone(t *testing.T, test func(t *testing.T, host netip.Addr)) {
	eachFamily(t, func(t *testing.T, host netip.Addr) { alone(t, func() { test(t, host) }) })
}

// door is a TCP and a UDP listener, and what came in at them, in order.
type door struct {
	tcp, udp plans.Stage
	arrivals chan string
}

func openDoor(t *testing.T, host netip.Addr) door {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	must(t, err)
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	must(t, err)
	t.Cleanup(func() { l.Close(); u.Close() })
	d := door{tcp: tcp(l.Addr().(*net.TCPAddr).Port), udp: udp(u.LocalAddr().(*net.UDPAddr).Port), arrivals: make(chan string, 100)}
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			_, err = c.Read(make([]byte, 1))
			d.arrivals <- fmt.Sprintf("tcp from %s, %s", c.RemoteAddr().(*net.TCPAddr).IP, ending(err))
			c.Close()
		}
	}()
	go func() {
		for {
			n, from, err := u.ReadFromUDP(make([]byte, 100))
			if err != nil {
				return
			}
			d.arrivals <- fmt.Sprintf("udp from %s, %d bytes", from.IP, n)
		}
	}()
	return d
}

// ending is how a connection ended. The numbers of a reset differ between systems; its text
// doesn't.
func ending(err error) string {
	if err != nil && (strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "forcibly closed")) {
		return "reset"
	}
	return fmt.Sprint(err)
}

// all returns what arrived: as many packets as are due, however long they take, and what comes
// right behind them.
func (d door) all(due int) []string {
	var out []string
	for {
		more := 50 * time.Millisecond
		if len(out) < due {
			more = forever
		}
		select {
		case a := <-d.arrivals:
			out = append(out, a)
		case <-time.After(more):
			return out
		}
	}
}

// forever is how long a test waits for what has to come, on a machine that has much to do.
const forever = 30 * time.Second

func tcp(port int) plans.Stage  { return plans.Stage{Protocol: "tcp", Port: uint16(port)} }
func udp(port int) plans.Stage  { return plans.Stage{Protocol: "udp", Port: uint16(port)} }
func ping(size int) plans.Stage { return plans.Stage{Protocol: "icmp", Size: uint16(size)} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// closed is a stage to a port at which nobody listens.
func closed(t *testing.T, host netip.Addr) plans.Stage {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	must(t, err)
	defer l.Close()
	return tcp(l.Addr().(*net.TCPAddr).Port)
}

// TestOpenPorts: one packet for each stage, in the order of the stages, from the address that was
// asked for; a connection ends with a reset.
func TestOpenPorts(t *testing.T) {
	eachFamily(t, func(t *testing.T, host netip.Addr) {
		d := openDoor(t, host)
		var seen []int
		o := quick
		o.Source, o.Observe = host, func(stage int) { seen = append(seen, stage) }
		must(t, knock.Play(t.Context(), host, []plans.Stage{d.tcp, d.udp, d.udp, d.tcp, d.udp}, o))
		viaTCP, viaUDP := fmt.Sprintf("tcp from %s, reset", host), fmt.Sprintf("udp from %s, 0 bytes", host)
		if got, want := d.all(5), []string{viaTCP, viaUDP, viaUDP, viaTCP, viaUDP}; !slices.Equal(got, want) {
			t.Errorf("arrived: %q, want %q", got, want)
		}
		if want := []int{1, 2, 3, 4, 5}; !slices.Equal(seen, want) {
			t.Errorf("observed: %v, want %v", seen, want)
		}
	})
}

// TestClosedPorts: to be refused is no error, and ends the wait for an answer: with all their
// time-outs these stages would take minutes.
func TestClosedPorts(t *testing.T) {
	eachFamily(t, func(t *testing.T, host netip.Addr) {
		stage, o := closed(t, host), knock.Options{Delay: 1, Timeout: 990 * time.Millisecond}
		ctx, cancel := context.WithTimeout(t.Context(), forever)
		defer cancel()
		must(t, knock.Play(ctx, host, slices.Repeat([]plans.Stage{stage, udp(int(stage.Port))}, 150), o))
	})
}

// TestMappedHost: an IPv4 address in IPv6 clothes is an IPv4 address.
func TestMappedHost(t *testing.T) {
	host := loopbacks()[0]
	d := openDoor(t, host)
	must(t, knock.Play(t.Context(), netip.AddrFrom16(host.As16()), []plans.Stage{d.tcp}, quick))
	if got := d.all(1); len(got) != 1 {
		t.Errorf("arrived: %q", got)
	}
}

// TestEcho: the request has the size of the plan, header included, and each one another id.
func TestEcho(t *testing.T) {
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
		var want, got []int
		var stages []plans.Stage
		for _, size := range []int{header + 8, 100, 245, 1500, 9000, 60000} {
			want, stages = append(want, size), append(stages, ping(size))
		}
		must(t, knock.Play(t.Context(), host, stages, quick))
		ids, buffer := map[string]bool{}, make([]byte, 1<<16)
		for {
			more := 50 * time.Millisecond
			if len(got) < len(want) {
				more = forever
			}
			must(t, l.SetReadDeadline(time.Now().Add(more)))
			n, _, err := l.ReadFrom(buffer)
			if err != nil {
				break
			}
			if n >= 8 && buffer[0] == request {
				got, ids[string(buffer[4:6])] = append(got, n+header), true
			}
		}
		if !slices.Equal(got, want) || len(ids) != len(want) {
			t.Errorf("sizes %v with %d ids, want %v", got, len(ids), want)
		}
	})
}

// TestCancel: the end of the context ends the knock at once, in a delay and in a wait for an
// answer.
func TestCancel(t *testing.T) {
	host := loopbacks()[0]
	d := openDoor(t, host)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	o := knock.Options{Delay: time.Hour, Observe: func(int) { time.AfterFunc(20*time.Millisecond, func() { cancel(enough) }) }}
	err := knock.Play(ctx, host, []plans.Stage{d.udp, d.udp, d.tcp}, o)
	if !errors.Is(err, enough) || !strings.HasPrefix(err.Error(), "interrupted at stage 2 of 3: ") {
		t.Errorf("got %v", err)
	}
	if got := d.all(1); len(got) != 1 {
		t.Errorf("arrived: %q", got)
	}
	if err := knock.Play(ctx, host, []plans.Stage{d.udp}, quick); !errors.Is(err, enough) {
		t.Errorf("a context that was over from the beginning: %v", err)
	}
	if got := d.all(0); len(got) != 0 {
		t.Errorf("arrived although the context was over: %q", got)
	}
}

// TestMistakes are found before the first packet, and named without the secret.
func TestMistakes(t *testing.T) {
	host, six := loopbacks()[0], loopbacks()[1]
	d := openDoor(t, host)
	good := func() []plans.Stage { return []plans.Stage{d.udp} }
	for _, c := range []struct {
		name   string
		host   netip.Addr
		stages []plans.Stage
		o      knock.Options
		want   string
	}{
		{"no stages", host, nil, quick, "no stages"},
		{"no host", netip.Addr{}, good(), quick, "no host"},
		{"any host", netip.IPv4Unspecified(), good(), quick, "not the address of one host"},
		{"many hosts", netip.MustParseAddr("224.0.0.1"), good(), quick, "not the address of one host"},
		{"no zone", netip.MustParseAddr("fe80::1"), good(), quick, "fe80::1%eth0"},
		{"other family", host, good(), knock.Options{Source: six}, "another family"},
		{"too patient", host, good(), knock.Options{Timeout: time.Second}, "below 1s"},
		{"time-out before the start", host, good(), knock.Options{Timeout: -1}, "above zero"},
		{"backwards", host, good(), knock.Options{Delay: -1}, "negative"},
		{"no port", host, append(good(), tcp(0)), quick, "stage 2 of 2, tcp, was not sent: it has no port"},
		{"no protocol", host, append(good(), plans.Stage{Protocol: "tcp/45678", Port: 45678}), quick, "stage 2 of 2 was not sent: its protocol"},
		{"small", host, append(good(), ping(27)), quick, "stage 2 of 2, icmp, was not sent: its size is smaller than the headers of an IPv4"},
		{"small for IPv6", six, append(good(), ping(47)), quick, "stage 2 of 2, icmp, was not sent: its size is smaller than the headers of an IPv6"},
		{"foreign source", host, append([]plans.Stage{tcp(45678)}, good()...), knock.Options{Source: netip.MustParseAddr("192.0.2.77")}, "stage 1 of 2, tcp, was not sent"},
		{"foreign source of a datagram", host, []plans.Stage{udp(45678)}, knock.Options{Source: netip.MustParseAddr("192.0.2.77")}, "the source address is not one of this computer"},
		{"foreign source of an echo request", host, append(good(), ping(45678)), knock.Options{Source: netip.MustParseAddr("192.0.2.77")}, "stage 2 of 2, icmp, was not sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := knock.Play(t.Context(), c.host, c.stages, c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			discreet(t, err, c.stages)
		})
	}
	if got := d.all(0); len(got) != 0 {
		t.Errorf("arrived: %q", got)
	}
}

var pointer = regexp.MustCompile(`0x[0-9a-f]+`)

// discreet fails when an error shows the secret of a stage, however it is printed.
func discreet(t *testing.T, err error, stages []plans.Stage) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, format := range []string{"%v", "%+v", "%#v"} {
			text := pointer.ReplaceAllString(fmt.Sprintf(format, e), "")
			for _, s := range stages {
				for _, secret := range []uint16{s.Port, s.Size} {
					if secret != 0 && strings.Contains(text, fmt.Sprint(secret)) {
						t.Errorf("%d shows in %s", secret, text)
					}
				}
			}
		}
	}
}
