//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// peerScript is what an engineer writes with librouteros: it reads the tables that the plan is
// about from each router and compares them with those of a router that is right, which come as
// JSON. With a number of threads it works on as many routers at once. Without such a file it writes
// it, from the first router.
const peerScript = `
import json, ssl, sys, librouteros
from concurrent.futures import ThreadPoolExecutor
wanted_file, threads, ports = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
menus = ["ip/firewall/filter", "ipv6/firewall/filter", "ip/firewall/address-list", "ip/service"]
def tables(port):
    api = librouteros.connect(host="127.0.0.1", port=int(port), username="admin", password="x", ssl_wrapper=context.wrap_socket)
    try:
        return {menu: [{k: v for k, v in row.items() if k not in (".id", "bytes", "packets", "invalid", "dynamic", "creation-time")}
            for row in api.path(*menu.split("/")) if not row.get("dynamic")] for menu in menus}
    finally:
        api.close()
if threads == 0:
    with open(wanted_file, "w") as f:
        json.dump(tables(ports[0]), f)
    sys.exit()
with open(wanted_file) as f:
    wanted = json.load(f)
with ThreadPoolExecutor(threads) as pool:
    differing = [port for port, is_ in zip(ports, pool.map(tables, ports)) if is_ != wanted]
sys.exit("differing: %s" % differing if differing else 0)
`

// peerPlay is the same with community.routeros, as its own documentation has it: whole tables, in
// their order, in check mode.
const peerPlay = `
- hosts: routers
  connection: local
  gather_facts: false
  vars:
    wanted: "{{ lookup('file', '%s') | from_json }}"
  module_defaults:
    group/community.routeros.api: {hostname: 127.0.0.1, port: "{{ port }}", username: admin, password: x, tls: true, validate_certs: false}
  tasks:
  - community.routeros.api_modify:
      path: "{{ item | replace('/', ' ') }}"
      data: "{{ wanted[item] }}"
      ensure_order: true
    loop: [ip/firewall/filter, ipv6/firewall/filter]
    register: compared
    failed_when: compared is changed
`

// BenchmarkPeers prints the part of [BenchmarkNumbers] that is about other programs alone.
func BenchmarkPeers(b *testing.B) {
	for b.Loop() {
		fmt.Print("\n", markdown(peerColumns(), ofPeers(b)), "\n")
	}
}

func peerColumns() []string {
	return []string{"the same question to 50 routers, 20 ms away", "wall", "times ours", "CPU", "times ours"}
}

// ofPeers measures how long rosknock and others take to find that 50 routers are as they should be.
// Others are left out where they are not installed.
func ofPeers(b *testing.B) [][]string {
	b.Helper()
	const routers = 50
	f := provision(b, routers, 20*time.Millisecond, sixtyRules())
	defer f.end()
	f.run(b, 0, "apply", "--yes")
	ours := f.run(b, 0, "diff", "--exit-code")
	out := [][]string{{"`rosknock diff`, with the proof", seconds(ours.wall), "1", seconds(ours.cpu), "1"}}
	interpreter := firstThat(b, []string{"/usr/bin/python3", "python3"}, "-c", "import librouteros")
	if interpreter == "" {
		return out
	}
	wanted, script := filepath.Join(f.dir, "wanted.json"), filepath.Join(f.dir, "peer.py")
	if err := os.WriteFile(script, []byte(peerScript), 0o600); err != nil {
		b.Fatal(err)
	}
	python := func(threads int) spent {
		args := []string{script, wanted, fmt.Sprint(threads)}
		for i := range routers {
			args = append(args, fmt.Sprint(21000+i))
		}
		return spentBy(b, exec.CommandContext(b.Context(), interpreter, args...))
	}
	python(0)
	add := func(name string, took spent) {
		out = append(out, []string{name, seconds(took.wall), times(took.wall, ours.wall), seconds(took.cpu), times(took.cpu, ours.cpu)})
	}
	add("a script on librouteros, one router after another, no proof", python(1))
	add("the same, 32 at once", python(32))
	if play := firstThat(b, []string{"/usr/bin/ansible-playbook", "ansible-playbook"}, "--version"); play != "" {
		add("Ansible, `community.routeros.api_modify --check`, 32 at once, no proof", f.playing(b, play, wanted, routers))
	}
	return out
}

// playing runs the play over all routers.
func (f distant) playing(b *testing.B, program, wanted string, routers int) spent {
	b.Helper()
	hosts := "[routers]\n"
	for i := range routers {
		hosts += fmt.Sprintf("r%02d port=%d ansible_python_interpreter=/usr/bin/python3\n", i, 21000+i)
	}
	inventory, play := filepath.Join(f.dir, "hosts"), filepath.Join(f.dir, "play.yml")
	for name, text := range map[string]string{inventory: hosts, play: fmt.Sprintf(peerPlay, wanted)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	c := exec.CommandContext(b.Context(), program, "-i", inventory, "--forks", "32", "--check", play)
	c.Env = append(os.Environ(), "ANSIBLE_LOCALHOST_WARNING=False", "ANSIBLE_NOCOWS=1", "LC_ALL=C.UTF-8")
	return spentBy(b, c)
}

// firstThat is the first of some programs that can be run with these arguments, or "".
func firstThat(b *testing.B, programs []string, args ...string) string {
	b.Helper()
	for _, p := range programs {
		if exec.CommandContext(b.Context(), p, args...).Run() == nil {
			return p
		}
	}
	b.Logf("none of %s can be run with %q: left out", strings.Join(programs, ", "), args)
	return ""
}

// spentBy runs a program that has to succeed. Its CPU time includes that of its children.
func spentBy(b *testing.B, c *exec.Cmd) spent {
	b.Helper()
	start := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", c.Path, err, out)
	}
	return spent{time.Since(start), c.ProcessState.UserTime() + c.ProcessState.SystemTime(), peak(c)}
}

// times is the ratio of two times, with two digits.
func times(is, ours time.Duration) string {
	ratio := float64(is) / float64(ours)
	if ratio < 10 {
		return fmt.Sprintf("%.1f", ratio)
	}
	return fmt.Sprintf("%.0f", ratio)
}
