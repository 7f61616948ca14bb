//go:build linux

package lab_test

import (
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/routeros"
)

// The router of the lab: two interfaces, under the names that its rules use.
const (
	outside = "ether1"
	inside  = "bridge"
)

// mark is on what the lab lets the router send. All else, such as the kernel's own resets and echo
// replies, is dropped before connection tracking sees it, for it would change the states of later
// packets.
const mark = 1

// lab is a client and a router in namespaces of their own, with a cable for each interface of the
// router.
type lab struct {
	home   netns.NsHandle // the router's
	away   netns.NsHandle // the client's
	nft    *nftables.Conn
	router *netlink.Handle
	cables map[string]cable
	// client is a packet socket in the client's namespace, answers are raw ones in the router's.
	client  int
	answers map[routeros.Family]int

	family routeros.Family // of the tables and packets played now
	// routes says that the router sends packets on.
	routes          bool
	tables, packets int
}

// cable is one veth pair.
type cable struct {
	index int // of the client's end
	mac   net.HardwareAddr
}

// open builds the lab, or skips the test and says why.
func open(t *testing.T) *lab {
	t.Helper()
	if os.Getenv("ROSKNOCK_LAB") == "" {
		t.Skip("the lab runs only when asked for: make lab, or ROSKNOCK_LAB=1")
	}
	if os.Geteuid() != 0 {
		t.Skip("the lab builds network namespaces and so needs root")
	}
	client, router := namespaces(t)
	l := &lab{away: client, cables: map[string]cable{}, answers: map[routeros.Family]int{}, family: routeros.IPv4}
	within(t, client, silence)
	l.router = handle(t, router)
	l.plug(t, handle(t, client), router)
	within(t, router, func() error {
		if err := configure(); err != nil {
			return err
		}
		return l.openAnswers()
	})
	within(t, client, func() (err error) {
		l.client, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	t.Cleanup(func() {
		_, _, _ = unix.Close(l.client), unix.Close(l.answers[routeros.IPv4]), unix.Close(l.answers[routeros.IPv6])
	})
	l.openTables(t, router)
	return l
}

// namespaces makes two that have no name: they are gone when the last descriptor is closed, at the
// latest with the process.
func namespaces(t *testing.T) (client, router netns.NsHandle) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	defer home.Close()
	for _, ns := range []*netns.NsHandle{&client, &router} {
		if *ns, err = netns.New(); err != nil {
			t.Skipf("no network namespace can be made here: %v", err)
		}
		t.Cleanup(func() { ns.Close() })
	}
	if err := netns.Set(home); err != nil {
		t.Fatalf("no way back into the first namespace: %v", err)
	}
	return client, router
}

func handle(t *testing.T, ns netns.NsHandle) *netlink.Handle {
	t.Helper()
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		t.Skipf("no netlink in a namespace: %v", err)
	}
	t.Cleanup(h.Close)
	return h
}

// within runs a function in a namespace, on a thread that goes nowhere else meanwhile. Sockets stay
// in the namespace in which they were opened.
func within(t *testing.T, ns netns.NsHandle, f func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	if err := netns.Set(ns); err != nil {
		t.Fatal(err)
	}
	err = f()
	if back := netns.Set(home); back != nil {
		t.Fatalf("no way back into the first namespace: %v", back)
	}
	if err != nil {
		t.Fatal(err)
	}
}
