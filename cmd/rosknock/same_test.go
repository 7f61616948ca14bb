package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
)

// TestSameBytes: the same input gives the same bytes, refusals included, however often and in
// whatever format it is looked at: some times, and with ROSKNOCK_MATRIX 20 times. Real tables are
// all audited, and some looked at in every way, with ROSKNOCK_MATRIX all.
func TestSameBytes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("ROTATING", "5f0c2a9e7b41d8366e1ab93c04f7d25e5f0c2a9e7b41d8366e1ab93c04f7d25e")
	write := func(name string, text []byte, err error) string {
		check(t, err)
		file := filepath.Join(dir, name)
		check(t, os.WriteFile(file, text, 0o600))
		return file
	}
	var exports, plans []string
	for _, name := range []string{"defconf.rsc", "defconf-6.49.rsc", "no-drop.rsc", "jump-chains.rsc", "winbox-open.rsc", "wild/r01-official.rsc"} {
		text, err := fixtures.Router(name)
		exports = append(exports, write(filepath.Base(name), text, err))
	}
	for _, name := range []string{"branch.yaml", "inline.yaml", "quarantine.yaml", "forward.yaml", "hygiene.yaml"} {
		text, err := fixtures.Plan(name)
		plans = append(plans, write(name, text, err))
	}
	for name, text := range refusedTables() {
		exports = append(exports, write(name, []byte(text), nil))
	}
	for name, text := range refusedPlans() {
		plans = append(plans, write(name, []byte(text), nil))
	}
	genuine, _ := filepath.Glob("../../../shared/corpus/exports/*.rsc")
	if len(genuine) == 0 {
		t.Log("no real tables here")
	}
	matrix := os.Getenv("ROSKNOCK_MATRIX") != ""
	times := func(often int, args ...string) {
		t.Helper()
		if matrix {
			often = 20
		}
		first := ""
		for n := range often {
			code, out, errs := called(t, append(args, "--state-dir", filepath.Join(dir, "state"))...)
			all := fmt.Sprint(code, "\n", out, errs)
			if n == 0 {
				first = all
			} else if all != first {
				t.Errorf("%q gives\n%s\nand then\n%s", args, first, all)
				return
			}
		}
	}
	for _, plan := range plans {
		times(6, "lint", plan, "--at", "2026-01-02T03:04:05Z")
		for _, export := range exports {
			often := 2
			if _, refused := refusedTables()[filepath.Base(export)]; refused {
				often = 5
			}
			for _, format := range []string{"text", "json"} {
				times(often, "prove", plan, "--export", export, "--operator", "192.168.88.5", "-o", format)
				times(often, "diff", plan, "--export", export, "--operator", "192.168.88.5", "-o", format)
			}
			times(often, "lint", plan, "--export", export)
			times(often, "render", plan, "--export", export, "--operator", "192.168.88.5", "--format", "rsc", "--reveal")
		}
	}
	for i, export := range genuine {
		times(2, "audit", "--export", export, "-o", "json")
		if i%8 == 0 || matrix {
			exports = append(exports, export)
			times(2, "prove", plans[0], "--export", export)
			times(2, "lint", plans[0], "--export", export)
		}
	}
	for _, export := range exports {
		times(2, "audit", "--export", export)
		times(2, "audit", "--export", export, "-o", "json")
		times(2, "import", "--export", export, "--reveal")
		times(2, "trace", "tcp", "203.0.113.9", ":8291", "--in", "ether1", "--export", export)
	}
}

// refusedTables are routers on which plans are refused, for several reasons at once.
func refusedTables() map[string]string {
	const lists = "# by RouterOS 7.20\n/interface list\nadd name=LAN\nadd name=MGMT\nadd name=VPN\nadd name=LAB\n/interface list member\nadd interface=bridge list=LAN\nadd interface=ether2 list=MGMT\n" +
		"add interface=wg0 list=VPN\nadd interface=ether3 list=LAB\n/ip address\nadd address=192.0.2.1/24 interface=ether1\nadd address=192.168.88.1/24 interface=bridge\n/ip firewall filter\n"
	return map[string]string{
		"shut.rsc": lists + "add chain=input action=drop in-interface=!ether1 comment=inside\nadd chain=input action=accept connection-state=established,related\nadd chain=input action=drop comment=here\n",
		"open.rsc": lists + "add chain=input action=accept connection-state=established,related\nadd chain=input action=accept protocol=tcp dst-port=22 comment=ssh\nadd chain=input action=accept protocol=tcp dst-port=8291 comment=winbox\nadd chain=input action=drop comment=here\n" +
			"/ip firewall raw\nadd chain=prerouting action=drop protocol=udp comment=raw\n/ip firewall address-list\nadd list=trusted address=203.0.113.7\nadd list=t address=203.0.113.8\n",
	}
}

// refusedPlans are plans that let in by several lists, at a place where it does not help.
func refusedPlans() map[string]string {
	const door = "version: 1\nname: several\ndoors:\n  a:\n    knock: [tcp/41873, udp/17259, tcp/52614]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\n  b:\n    knock: [tcp/31873, udp/27259, tcp/42614]\n    trusted: {list: u, for: 1h}\n    opens: [winbox]\n"
	const allow = "allow: {addresses: [198.51.100.7], interface-lists: [LAN, MGMT, VPN, LAB]}\ngate: {services: [ssh, winbox, api]"
	return map[string]string{
		"below.yaml":    door + allow + "}\nfirewall: {families: [ipv4], place: {before: here}}\n",
		"forwards.yaml": door + allow + ", forwards: [{name: rdp, protocol: tcp, port: 3389, to: 192.168.88.10}, {name: web, protocol: tcp, port: 8080, to: 192.168.88.11}]}\nfirewall: {families: [ipv4], place: {before: here}}\n",
		"wrong.yaml":    "version: 1\nname: wrong\ndoor: {}\ndoors:\n  a: {knock: [tcp/1], trusted: {list: t}, opens: [shh]}\n  b: {nock: 7}\n",
	}
}
