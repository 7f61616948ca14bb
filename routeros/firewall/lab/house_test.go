//go:build linux

package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// yard is what all houses share: the program rosknock, and the keys of OpenSSH.
type yard struct{ dir string }

func (y yard) file(name string) string { return filepath.Join(y.dir, name) }

// openYard builds the program and draws the keys, or skips the test and says why. The CI has to
// have OpenSSH.
func openYard(t *testing.T) yard {
	t.Helper()
	if os.Getenv("ROSKNOCK_LAB") == "" {
		t.Skip("the lab runs only when asked for: make lab, or ROSKNOCK_LAB=1")
	}
	if os.Geteuid() != 0 {
		t.Skip("the lab builds network namespaces and so needs root")
	}
	for _, name := range []string{"ssh", "ssh-keygen", sshd} {
		if _, err := exec.LookPath(name); err != nil && os.Getenv("CI") == "true" {
			t.Fatalf("OpenSSH is not here: %v", err)
		} else if err != nil {
			t.Skipf("OpenSSH is not here: %v", err)
		}
	}
	check(t, "where sshd locks itself in", os.MkdirAll("/run/sshd", 0o755))
	y := yard{t.TempDir()}
	output(t, exec.CommandContext(t.Context(), "go", "build", "-o", y.file("rosknock"), "github.com/rosknock/rosknock/cmd/rosknock"))
	for _, key := range []string{"host", "client"} {
		output(t, exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", y.file(key)))
	}
	return y
}

const sshd = "/usr/sbin/sshd" // it wants to be called by its full name

// output runs a program that has to succeed, and returns what it prints.
func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s%s", filepath.Base(c.Path), err, out, said.String())
	}
	return string(out)
}

// The addresses of a house: the router's, and the first of the client's. Others of the client are
// in the same network.
const (
	house4, client4 = "198.18.0.1", "198.18.1.1"
	house6, client6 = "2001:db8::1", "2001:db8::101"
)

// house is a router made of the Linux kernel, with the rules that rosknock gave a simulated one and
// with OpenSSH inside, and a client before its door. Each of the two is a namespace without a name.
type house struct {
	yard
	own            string // a directory for its files
	plan           string // the file of its plan
	env            []string
	client, router netns.NsHandle
	nft            *nftables.Conn
	rules          map[routeros.Family]*translation
	ground
}

// ground is what a house stands on.
type ground struct {
	more  string // lines of an export beside the default configuration
	ports []int  // of the server behind it, if there is one
}

// build makes a house by a plan. The environment is that of rosknock and all other programs, on top
// of what there is.
func (y yard) build(t *testing.T, plan string, env ...string) *house {
	t.Helper()
	return y.buildOn(t, ground{}, plan, env...)
}

func (y yard) buildOn(t *testing.T, on ground, plan string, env ...string) *house {
	t.Helper()
	h := &house{yard: y, own: t.TempDir(), env: env, rules: map[routeros.Family]*translation{}, ground: on}
	h.plan = h.write(t, "plan.yaml", plan)
	h.client, h.router = namespaces(t)
	h.join(t)
	within(t, h.client, h.connected)
	h.serve(t)
	if len(on.ports) > 0 {
		h.annex(t)
	}
	h.fortify(t, h.applied(t))
	return h
}

func (h *house) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(h.own, name)
	check(t, name, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// environ is the environment of all programs: that of the test, without anybody's settings, and
// what the house was built with.
func (h *house) environ() []string {
	return slices.Concat(os.Environ(), []string{"XDG_CONFIG_HOME=" + h.own}, h.env)
}

// join lays the cable.
func (h *house) join(t *testing.T) {
	t.Helper()
	client, router := handle(t, h.client), handle(t, h.router)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: outside}, PeerName: outside, PeerNamespace: netlink.NsFd(h.router)}
	if err := client.LinkAdd(veth); err != nil {
		t.Skipf("no veth interfaces here: %v", err)
	}
	for _, end := range []struct {
		at        *netlink.Handle
		addresses []string
	}{{client, []string{client4, client6}}, {router, []string{house4, house6}}} {
		for _, a := range end.addresses {
			give(t, end.at, a)
		}
		check(t, "link up", end.at.LinkSetUp(link(t, end.at, outside)))
	}
}

// give gives an address to the end of the cable, without asking who else has it, which would take
// the kernel about two seconds over IPv6.
func give(t *testing.T, at *netlink.Handle, address string) {
	t.Helper()
	a, err := netlink.ParseAddr(address + bitsOf(address))
	check(t, address, err)
	if strings.Contains(address, ":") {
		a.Flags = unix.IFA_F_NODAD
	}
	check(t, address, at.AddrAdd(link(t, at, outside), a))
}

// bitsOf is the length of the network of an address.
func bitsOf(address string) string {
	if strings.Contains(address, ":") {
		return "/64"
	}
	return "/16"
}

// connected waits until the cable carries packets, before there are any rules: until ports at which
// nobody is refuse a connection.
func (h *house) connected() error {
	for _, to := range []string{house4, house6} {
		var err error
		for range 50 {
			if _, err = net.DialTimeout("tcp", net.JoinHostPort(to, "9"), 200*time.Millisecond); errors.Is(err, unix.ECONNREFUSED) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			return fmt.Errorf("nothing gets through to %s: %w", to, err)
		}
	}
	return nil
}

// applied lets rosknock apply the plan to a simulated router, and returns what is on it then.
func (h *house) applied(t *testing.T) routeros.Snapshot {
	t.Helper()
	text, err := fixtures.Router("defconf.rsc")
	check(t, "fixture", err)
	before, skipped := rsc.Read([]byte(string(text) + h.more)).Snapshot(rsc.Options{})
	if len(skipped) > 0 {
		t.Fatalf("%v", skipped)
	}
	router := simtest.New(t, sim.Options{Version: before.Version, NTP: "synchronized", Users: []sim.User{{Name: "admin", Group: "full", Password: "secret"}}}, before)
	address := simtest.Listen(t, router, nil)
	c := exec.CommandContext(t.Context(), h.file("rosknock"), "apply", h.plan, "--state-dir", h.own, "--router", "admin@"+address, "--transport", "api", "--yes")
	c.Env = append(h.environ(), "ROSKNOCK_PASSWORD=secret")
	if said := output(t, c); !strings.Contains(said, "  changed: ") {
		t.Fatalf("apply: %s", said)
	}
	return router.Snapshot()
}

// fortify puts a router's rules into the kernel.
func (h *house) fortify(t *testing.T, s routeros.Snapshot) {
	t.Helper()
	var err error
	h.nft, err = nftables.New(nftables.WithNetNSFd(int(h.router)), nftables.AsLasting())
	if err != nil {
		t.Skipf("no nftables here: %v", err)
	}
	t.Cleanup(func() { _ = h.nft.CloseLasting() })
	for family, kind := range map[routeros.Family]nftables.TableFamily{routeros.IPv4: nftables.TableFamilyIPv4, routeros.IPv6: nftables.TableFamilyIPv6} {
		table := h.nft.AddTable(&nftables.Table{Family: kind, Name: "lab"})
		h.rules[family] = &translation{nft: h.nft, family: family, table: table, snapshot: s, through: family == routeros.IPv4 && len(h.ports) > 0}
		if h.rules[family].through {
			h.rules[family].observeNAT()
		}
		check(t, family.String(), h.rules[family].translate())
		check(t, "the kernel's answer to the rules", h.nft.Flush()) // of one family at a time: the kernel's answers have to fit into a buffer
	}
}

// serve starts OpenSSH inside, which anybody reaches as long as there are no rules.
func (h *house) serve(t *testing.T) {
	t.Helper()
	config := h.write(t, "sshd_config", fmt.Sprintf("Port 22\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nUsePAM no\nPasswordAuthentication no\n"+
		"PermitRootLogin prohibit-password\nStrictModes no\nMaxStartups 1000\nUseDNS no\n", h.file("host"), h.file("client.pub")))
	var said bytes.Buffer
	server := exec.CommandContext(t.Context(), sshd, "-D", "-e", "-f", config)
	server.Stderr = &said
	within(t, h.router, server.Start)
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", said.String())
		}
	})
	within(t, h.client, func() (err error) {
		for range 100 {
			if err = errors.Join(tryFrom("", house4), tryFrom("", house6)); err == nil {
				return nil
			}
			time.Sleep(20 * time.Millisecond)
		}
		return fmt.Errorf("the server does not start: %w", err)
	})
}

// tryFrom connects to the port of OpenSSH, from a source if one is given, and says why that failed.
func tryFrom(from, to string) error {
	d := net.Dialer{Timeout: 400 * time.Millisecond}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", net.JoinHostPort(to, "22"))
	if err == nil {
		err = c.Close()
	}
	return err
}

// shut fails the test when a source gets in, or when something else keeps it out than silence.
func (h *house) shut(t *testing.T, when, from, to string) {
	t.Helper()
	within(t, h.client, func() error {
		err := tryFrom(from, to)
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("%s: %s is not shut for %s: %v", when, to, from, err)
		}
		return nil
	})
}

// run runs a program as the client, and returns its exit code and all that it says.
func (h *house) run(t *testing.T, name string, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env = h.environ()
	c.Stdout, c.Stderr = &out, &out
	within(t, h.client, c.Start)
	_ = c.Wait() // the code says it
	return c.ProcessState.ExitCode(), out.String()
}

// knock plays the knock of a plan file at an address once, and reports whether the door opened.
func (h *house) knock(t *testing.T, plan, from, to string, more ...string) bool {
	t.Helper()
	args := append([]string{"knock", plan, to, "--then", "tcp/22", "--source", from, "--passes", "1", "--delay", "20ms", "--stage-wait", "20ms"}, more...)
	code, said := h.run(t, h.file("rosknock"), args...)
	switch {
	case code == 0 && strings.Contains(said, "door admin is open after"):
		return true
	case code == 1 && strings.Contains(said, "stays shut"):
		return false
	}
	t.Errorf("rosknock knock from %s: exit code %d: %s", from, code, said)
	return false
}

// opens fails the test when the right knock does not open.
func (h *house) opens(t *testing.T, when, from, to string) {
	t.Helper()
	if !h.knock(t, h.plan, from, to) {
		t.Errorf("%s: the right knock from %s does not open %s", when, from, to)
	}
}

// ssh runs a command on the router's OpenSSH.
func (h *house) ssh(t *testing.T, to string, options ...string) (code int, said string) {
	t.Helper()
	args := append(options, // of an option that comes twice, ssh takes the first
		"-F", "none", "-i", h.file("client"), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=2", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile="+filepath.Join(h.own, "known"), "root@"+to, "echo", "hello")
	return h.run(t, "ssh", args...)
}

// members are the addresses in a list now.
func (h *house) members(t *testing.T, f routeros.Family, list string) map[netip.Addr]time.Duration {
	t.Helper()
	set := h.rules[f].lists[list]
	if set == nil {
		t.Fatalf("there is no list %s", list)
	}
	elements, err := h.nft.GetSetElements(set)
	check(t, list, err)
	members := map[netip.Addr]time.Duration{}
	for _, e := range elements {
		a, _ := netip.AddrFromSlice(e.Key)
		members[a] = e.Expires
	}
	return members
}

// leaves waits until an address has left a list, and returns how long that took.
func (h *house) leaves(t *testing.T, list, who string) time.Duration {
	t.Helper()
	a := addr(who)
	family := routeros.IPv4
	if a.Is6() {
		family = routeros.IPv6
	}
	start := time.Now()
	for time.Since(start) < 20*time.Second {
		if _, in := h.members(t, family, list)[a]; !in {
			return time.Since(start)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not leave the list %s", who, list)
	return 0
}
