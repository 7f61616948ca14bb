//go:build linux

package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// The network behind a house: the router's own address in it, and that of a server.
const (
	innerRouter = "192.168.88.1"
	innerServer = "192.168.88.10"
)

// greeting is what the server behind the router says to everybody who gets to it.
const greeting = "hello from behind\n"

// annex puts a host behind the router. It greets every client that connects to one of its ports,
// and then answers what it is told. Its packets go by the router.
func (h *house) annex(t *testing.T) {
	t.Helper()
	server, spare := namespaces(t)
	check(t, "a namespace too many", spare.Close())
	at, router := handle(t, server), handle(t, h.router)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "lan"}, PeerName: inside, PeerNamespace: netlink.NsFd(h.router)}
	check(t, "the cable inside", at.LinkAdd(veth))
	for _, end := range []struct {
		at            *netlink.Handle
		name, address string
	}{{at, "lan", innerServer}, {router, inside, innerRouter}} {
		a, err := netlink.ParseAddr(end.address + "/24")
		check(t, end.address, errors.Join(err, end.at.AddrAdd(link(t, end.at, end.name), a)))
		check(t, "link up", end.at.LinkSetUp(link(t, end.at, end.name)))
	}
	check(t, "the server's way out", at.RouteAdd(&netlink.Route{Gw: net.ParseIP(innerRouter)}))
	within(t, h.router, func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })
	for _, port := range h.ports {
		within(t, server, func() error { return greet(t.Context(), port) })
	}
}

// greet listens until the test is over.
func greet(ctx context.Context, port int) error {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, greeting)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return nil
}

// visit connects to a port and waits for the greeting.
func visit(from, to string, port int) (net.Conn, error) {
	d := net.Dialer{Timeout: 400 * time.Millisecond, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", net.JoinHostPort(to, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if said, err := bufio.NewReader(c).ReadString('\n'); err != nil || said != greeting {
		c.Close()
		return nil, fmt.Errorf("%q: %w", said, err)
	}
	return c, nil
}

// visits fails the test when a source gets to what is behind the router and should not, or the
// other way round. A source that is kept out gets no answer.
func (h *house) visits(t *testing.T, when, from, to string, port int, want bool) {
	t.Helper()
	within(t, h.client, func() error {
		c, err := visit(from, to, port)
		if err == nil {
			c.Close()
		}
		if timeout, is := errors.AsType[net.Error](err); (err == nil) != want || err != nil && !(is && timeout.Timeout()) {
			t.Errorf("%s: %s visits %s:%d: %v", when, from, to, port, err)
		}
		return nil
	})
}

// testForward: a port that is forwarded behind dst-nat is shut before the knock, also where a rule
// of somebody else would forward it for everybody, open after it, and shut again when the time is
// over; a connection that was made meanwhile stays.
func testForward(t *testing.T, y yard) {
	plan := strings.Replace(planFor(usual, short), "opens: [ssh]", "opens: [desk]", 1)
	plan = strings.Replace(plan, "gate: {", "gate: {forwards: [{name: desk, protocol: tcp, port: 3389, to: "+innerServer+"}], ", 1)
	for name, foreign := range map[string]string{
		"alone": "",
		"beside a rule for everybody": "/ip firewall nat\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=3389 in-interface=ether1 to-addresses=" + innerServer +
			" comment=\"remote desktop\"\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=8080 in-interface=ether1 to-addresses=" + innerServer + " to-ports=80\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := y.buildOn(t, ground{foreign, []int{3389, 80}}, plan)
			const other = "198.18.8.1"
			give(t, handle(t, h.client), other)
			h.visits(t, "before the knock", client4, house4, 3389, false)
			if code, said := h.run(t, h.file("rosknock"), "knock", h.plan, house4, "--source", client4, "--delay", "20ms", "--stage-wait", "20ms", "--then", "tcp/3389"); code != 0 {
				t.Fatalf("the knock: exit code %d: %s", code, said)
			}
			h.visits(t, "after the knock", client4, house4, 3389, true)
			h.visits(t, "after another's knock", other, house4, 3389, false)
			if foreign != "" {
				h.visits(t, "what somebody else forwards", other, house4, 8080, true)
			}
			var kept net.Conn
			within(t, h.client, func() (err error) {
				kept, err = visit(client4, house4, 3389)
				return err
			})
			defer kept.Close()
			h.leaves(t, "trusted", client4)
			h.visits(t, "after the time of the trusted", client4, house4, 3389, false)
			_ = kept.SetDeadline(time.Now().Add(2 * time.Second))
			if _, err := io.WriteString(kept, "still here\n"); err != nil {
				t.Error(err)
			}
			if said, err := bufio.NewReader(kept).ReadString('\n'); err != nil || said != "still here\n" {
				t.Errorf("the connection from before: %q, %v", said, err)
			}
		})
	}
}
