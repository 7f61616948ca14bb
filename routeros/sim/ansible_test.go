package sim

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/routeros"
)

// ansiblePlay brings a firewall into a state as community.routeros does: whole tables in an order
// of their own, with what is not named taken away, and single rows that are found.
const ansiblePlay = `
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/community.routeros.api: {hostname: 127.0.0.1, port: %d, username: admin, password: secret}
  tasks:
  - community.routeros.api_facts: {gather_subset: [default, interfaces]}
  - assert:
      that:
      - ansible_facts.net_version.startswith("%s")
      - ansible_facts.net_hostname == "MikroTik"
      - '"192.168.88.1" in ansible_facts.net_all_ipv4_addresses'
  - community.routeros.api_modify:
      path: ip firewall filter
      handle_absent_entries: remove
      handle_entries_content: remove_as_much_as_possible
      ensure_order: true
      data:
      - {chain: input, action: accept, connection-state: "established,related,untracked", comment: running}
      - {chain: input, action: accept, protocol: tcp, dst-port: "22,8291", src-address-list: trusted, comment: administration}
      - {chain: input, action: drop, in-interface: bridge, protocol: udp, comment: no udp}
      - {chain: input, action: drop, comment: all else}
      - {chain: forward, action: drop, connection-state: invalid}
  - community.routeros.api_modify:
      path: ip firewall address-list
      handle_absent_entries: remove
      handle_entries_content: remove
      data:
      - {list: trusted, address: 192.0.2.0/24, comment: office}
      - {list: trusted, address: 198.51.100.7, disabled: true}
  - community.routeros.api_modify:
      path: ip service
      data:
      - {name: telnet, disabled: true}
      - {name: ftp, disabled: true}
      - {name: api, address: "127.0.0.0/8"}
  - community.routeros.api_modify: {path: system identity, data: [{name: MikroTik}]}
  - community.routeros.api_find_and_modify:
      path: ip firewall nat
      find: {comment: forwarded}
      values: {"!src-address": null, dst-port: 8443}
      require_matches_min: 1
      require_matches_max: 1
  - community.routeros.api_info: {path: ip firewall filter}
    register: filter
  - assert:
      that:
      - filter.result | length == 5
      - filter.result[3].comment == "all else"
      - '"dst-port" not in filter.result[3]'
`

// ansible finds the program with the collection.
func ansible(t *testing.T) string {
	t.Helper()
	for _, candidate := range []string{"/usr/bin/ansible-playbook", "ansible-playbook"} {
		play, err := exec.LookPath(candidate)
		if err != nil {
			continue
		}
		doc := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(play), "ansible-doc"), "-t", "module", "-l", "community.routeros")
		if out, err := doc.CombinedOutput(); err == nil && strings.Contains(string(out), "api_find_and_modify") {
			return play
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("there is no Ansible with community.routeros; Debian has both as ansible")
	}
	t.Skip("no Ansible with community.routeros was found; Debian has both as ansible")
	return ""
}

// TestAnsible: community.routeros brings a router to a state, and finds nothing to change then.
func TestAnsible(t *testing.T) {
	program := ansible(t)
	python(t)                                    // the modules need it
	for _, v := range []string{"6.49", "7.23"} { // of which 2.8 of the collection knows the names of all arguments
		t.Run(v, func(t *testing.T) {
			r := New(Options{Version: version(v), Users: []User{{Name: "admin", Password: "secret"}}})
			r.loadRow(routeros.InterfaceMenu, "", "name", "bridge", "type", "bridge", "running", "true", "disabled", "false")
			r.loadRow(routeros.Address, "", "address", "192.168.88.1/24", "interface", "bridge")
			before := []routeros.Command{
				routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "drop", "protocol", "tcp", "dst-port", "23", "comment", "all else"),
				routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "accept", "comment", "strange"),
				routeros.NewCommand("/ip/firewall/filter/add", "chain", "forward", "action", "drop", "connection-state", "invalid"),
				routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "accept", "connection-state", "established,related,untracked", "comment", "running"),
				routeros.NewCommand("/ip/firewall/nat/add", "chain", "dstnat", "action", "dst-nat", "protocol", "tcp", "dst-port", "443", "src-address", "192.0.2.9", "to-addresses", "192.168.88.10", "comment", "forwarded"),
				routeros.NewCommand("/ip/firewall/address-list/add", "list", "trusted", "address", "192.0.2.0/24"),
				routeros.NewCommand("/ip/firewall/address-list/add", "list", "old", "address", "192.0.2.1"),
				routeros.NewCommand("/ip/firewall/address-list/add", "list", "knocked", "address", "203.0.113.9", "timeout", "1d"),
			}
			if err := r.Admin(before...); err != nil {
				t.Fatal(err)
			}
			play := filepath.Join(t.TempDir(), "play.yml")
			if err := os.WriteFile(play, fmt.Appendf(nil, ansiblePlay, serving(t, r), v), 0o600); err != nil {
				t.Fatal(err)
			}
			runPlay(t, program, play, false)
			want := managed(r)
			for _, line := range []string{
				"filter chain=input action=accept comment=running connection-state=established,related,untracked",
				"filter chain=input action=accept comment=administration dst-port=22,8291 protocol=tcp src-address-list=trusted",
				`filter chain=input action=drop comment="no udp" in-interface=bridge protocol=udp`,
				`filter chain=input action=drop comment="all else"`,
				"filter chain=forward action=drop connection-state=invalid",
				"nat chain=dstnat action=dst-nat comment=forwarded dst-port=8443 protocol=tcp to-addresses=192.168.88.10",
				"list trusted 192.0.2.0/24 disabled=false", "list knocked 203.0.113.9 disabled=false", "list trusted 198.51.100.7 disabled=true",
				"service telnet disabled=true", "service ftp disabled=true", "service api disabled=false from 127.0.0.0/8",
			} {
				if !strings.Contains(want, line+"\n") {
					t.Errorf("there is no %q in\n%s", line, want)
				}
			}
			changes := historyOf(r)
			runPlay(t, program, play, true)
			if is := managed(r); is != want || historyOf(r) != changes {
				t.Errorf("the second run changed something:\n%s\nfrom\n%s\n%s", is, want, historyOf(r))
			}
		})
	}
}

// serving answers the API on a port of this machine.
func serving(t *testing.T, r *Router) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.Serve(t.Context(), l) }()
	return l.Addr().(*net.TCPAddr).Port
}

func runPlay(t *testing.T, program, play string, again bool) {
	t.Helper()
	home := t.TempDir()
	c := exec.CommandContext(t.Context(), program, "-i", "localhost,", "-c", "local", play)
	c.Env = append(os.Environ(), "HOME="+home, "ANSIBLE_NOCOLOR=1", "ANSIBLE_PIPELINING=1", "ANSIBLE_RETRY_FILES_ENABLED=0", "ANSIBLE_PYTHON_INTERPRETER="+python(t), "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if changed := !strings.Contains(string(out), "changed=0 "); err != nil || changed == again {
		t.Fatalf("%v\n%s", err, out)
	}
}

// managed is what the play is about, a line each, in the router's order.
func managed(r *Router) string {
	var b strings.Builder
	s := r.Snapshot()
	for _, m := range []routeros.Menu{routeros.Filter, routeros.NAT} {
		for _, rule := range s.Rules[m] {
			rest := rule.Attrs.Without(".id", "bytes", "packets", "dynamic", "invalid", "chain", "action")
			fmt.Fprintf(&b, "%s chain=%s action=%s %s\n", strings.TrimPrefix(string(m), "/ip/firewall/"), rule.Chain(), rule.Attrs.Get("action"), rest)
		}
	}
	for _, e := range s.Entries[routeros.AddressList] {
		fmt.Fprintf(&b, "list %s %s disabled=%t\n", e.List, e.Address, e.Disabled)
	}
	for _, service := range s.Services {
		fmt.Fprintf(&b, "service %s disabled=%t", service.Name, service.Disabled)
		if len(service.From) > 0 {
			fmt.Fprintf(&b, " from %s", strings.Join(service.From, ","))
		}
		b.WriteString("\n")
	}
	return b.String()
}
