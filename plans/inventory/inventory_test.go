package inventory_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/plans/inventory"
)

func mustRead(t *testing.T, texts ...string) inventory.Inventory {
	t.Helper()
	i, err := inventory.Read(filesOf(texts)...)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func filesOf(texts []string) []inventory.File {
	var files []inventory.File
	for n, text := range texts {
		files = append(files, inventory.File{Name: fmt.Sprintf("dir%d/inv.yaml", n+1), Data: []byte(text)})
	}
	return files
}

const fleet = `version: 1
defaults: {user: provision, transport: api-ssl, password: "command:pass show ${router}", plans: [default.yaml], tags: [all-of-us]}
groups:
  branches: {plans: [plans/branch.yaml], vars: {site: de, port: 8291, zero: 010}, tags: [edge]}
  vpn: {plans: [/etc/vpn.yaml], vars: {wan: ether5}, password: "file:secret"}
routers:
  r0002: {address: "192.0.2.1:8729", groups: [branches], vars: {wan: ether1}, tls-pin: "sha256:` + hexPin + `"}
  r0001: {address: 192.0.2.2, groups: [branches, vpn], user: other, timeout: 5s, tags: [lab]}
  alone: {address: "[2001:db8::1]:8729", ssh-jump: "bob@gate.example:2222"}
`

const hexPin = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestInventory(t *testing.T) {
	i := mustRead(t, fleet)
	command := plans.Credential{Kind: plans.FromCommand, Value: "pass show ${router}"}
	want := []inventory.Router{
		{Name: "r0002", Address: "192.0.2.1:8729", Groups: []string{"branches"}, Tags: []string{"edge", "all-of-us"}, Plans: []string{"dir1/plans/branch.yaml"},
			Vars: map[string]string{"site": "de", "port": "8291", "zero": "010", "wan": "ether1"}, User: "provision", Transport: "api-ssl",
			Password: command, TLSPin: "sha256:" + hexPin, Place: "dir1/inv.yaml:7:10"},
		{Name: "r0001", Address: "192.0.2.2", Groups: []string{"branches", "vpn"}, Tags: []string{"lab", "edge", "all-of-us"},
			Plans: []string{"dir1/plans/branch.yaml", "/etc/vpn.yaml"}, Vars: map[string]string{"site": "de", "port": "8291", "zero": "010", "wan": "ether5"},
			User: "other", Transport: "api-ssl", Password: plans.Credential{Kind: plans.FromFile, Value: "dir1/secret"}, Timeout: 5 * time.Second, Place: "dir1/inv.yaml:8:10"},
		{Name: "alone", Address: "[2001:db8::1]:8729", Tags: []string{"all-of-us"}, Plans: []string{"dir1/default.yaml"}, Vars: map[string]string{},
			User: "provision", Transport: "api-ssl", Password: command, SSHJump: "bob@gate.example:2222", Place: "dir1/inv.yaml:9:10"},
	}
	if got := slices.Collect(i.All()); !reflect.DeepEqual(got, want) || !slices.Equal(i.Groups, []string{"branches", "vpn"}) {
		t.Errorf("got  %+v\nwant %+v\ngroups %v", got, want, i.Groups)
	}
}

// TestInventorySite: a router's own site goes before that of its groups, and theirs before the
// defaults'; it is part of the key. Characters that would break a key, a pattern or a file's name
// are refused.
func TestInventorySite(t *testing.T) {
	i := mustRead(t, `version: 1
defaults: {site: here}
groups:
  acme: {site: acme}
routers:
  a: {address: 192.168.88.1, groups: [acme]}
  b: {address: 192.168.88.2, groups: [acme], site: No.2}
  c: {address: 192.168.88.3}
`, "version: 1\nrouters: {d: {address: 192.168.88.4, site: later}}\n")
	var keys []string
	for r := range i.All() {
		keys = append(keys, r.Key())
	}
	if want := []string{"acme/a", "No.2/b", "here/c", "later/d"}; !slices.Equal(keys, want) {
		t.Errorf("keys %v, want %v", keys, want)
	}
	if got := mustRead(t, "version: 1\nrouters: {a: {address: r}}\n").Router(0).Key(); got != "-/a" {
		t.Errorf("without a site: %s", got)
	}
	for _, site := range []string{`"-"`, `""`, "a/b", `".."`, "a b", `"a:b"`, "é", strings.Repeat("x", 64), `"*"`} {
		if _, err := inventory.Read(filesOf([]string{one("{address: a, site: " + site + "}")})...); err == nil {
			t.Errorf("the site %s is taken", site)
		}
	}
}

// TestInventoryFiles: a later file goes before an earlier one, key by key.
func TestInventoryFiles(t *testing.T) {
	i := mustRead(t, fleet, `version: 1
defaults: {user: second}
groups:
  branches: {vars: {site: fr}, plans: [other.yaml]}
  new: {}
routers:
  r0002: {groups: [new], address: 203.0.113.9}
  more: {address: 192.0.2.77, groups: [branches]}
`)
	names := []string{}
	for r := range i.All() {
		names = append(names, r.Name)
	}
	r := i.Router(0)
	if !slices.Equal(names, []string{"r0002", "r0001", "alone", "more"}) || r.Address != "203.0.113.9" || r.User != "second" || r.Vars["site"] != "fr" ||
		r.Vars["wan"] != "ether1" || !slices.Equal(r.Groups, []string{"branches", "new"}) || !slices.Equal(r.Plans, []string{"dir2/other.yaml"}) {
		t.Errorf("%v %+v", names, r)
	}
}

// TestInventoryMistakes: all at once, with places, and no password in any of them.
func TestInventoryMistakes(t *testing.T) {
	tests := []struct{ name, text, place, message string }{
		{"empty", "", "1:1", "empty"},
		{"unknown key", "version: 1\nrouter: {}\n", "2:1", `did you mean "routers"`},
		{"unknown key of a router", one("{address: 192.0.2.1, group: [a]}"), "5:28", `did you mean "groups"`},
		{"unknown group", one("{address: 192.0.2.1, groups: [bees]}"), "5:37", `there is no group "bees": did you mean "bee"`},
		{"no address", one("{groups: [bee]}"), "5:7", `lacks the key "address"`},
		{"bad address", one("{address: 192.0.2.1:99999}"), "5:17", "port"},
		{"bad host", one("{address: a b}"), "5:17", "no host"},
		{"two groups differ", one("{address: a, groups: [bee, cow]}"), "5:7", "two of its groups say different things of user"},
		{"written twice", one("{address: a}\n  r1: {address: b}"), "6:3", "repeated"},
		{"a written password", one("{address: a, password: hunter2}"), "5:30", "must not be written"},
		{"a misspelt password", one("{address: a, pasword: hunter2}"), "5:20", "did you mean"},
		{"routers twice", one("{address: a}") + "routers:\n  r2: {address: b}\n", "6:1", "repeated"},
		{"a password as a list", one("{address: a, password: [hunter2]}"), "5:30", "a list"},
		{"a password in a mapping", one("{address: a, password: {hunter2: hunter2}}"), "5:30", "mapping"},
		{"an alias", one("{address: &x host}"), "5:17", "anchors"},
		{"no pin", one("{address: a, tls-pin: \"sha256:12\"}"), "5:29", "64 hex digits"},
		{"a variable's name", one("{address: a, vars: {Wan: x}}"), "5:27", "a-z"},
		{"an empty variable", one("{address: a, vars: {wan: }}"), "5:32", "empty"},
		{"a leading zero in the version", "version: 01\nrouters: {}\n", "1:10", "leading zero"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := inventory.Read(filesOf([]string{test.text})...)
			var problems form.Problems
			if !errors.As(err, &problems) || !slices.ContainsFunc(problems, func(p form.Problem) bool {
				return fmt.Sprintf("%d:%d", p.Line, p.Column) == test.place && strings.Contains(p.Message+": "+p.Remedy, test.message)
			}) {
				t.Errorf("want %s %q, got\n%v", test.place, test.message, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is shown:\n%v", err)
			}
		})
	}
}

func one(router string) string {
	return "version: 1\ngroups: {bee: {user: a}, cow: {user: b}}\ndefaults: {user: z}\nrouters:\n  r1: " + router + "\n"
}

func TestCheckHost(t *testing.T) {
	for _, text := range []string{"a", "192.0.2.1", "192.0.2.1:8729", "router.example:1", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:65535"} {
		if why := inventory.CheckHost(text); why != "" {
			t.Errorf("%s: %s", text, why)
		}
	}
	for _, text := range []string{"", ":", ":1", "a:", "a:0", "a:65536", "a:b", "[::1", "[a]:1", "[192.0.2.1]:1", "[::1]x", "a b", "a/b", "u@h", "1:2:3", "a\x00"} {
		if inventory.CheckHost(text) == "" {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzInventory(f *testing.F) {
	f.Add(fleet)
	f.Add(one("{address: a, password: hunter2}"))
	f.Add(fleetOf(3))
	for _, text := range waysToWrite() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := inventory.Read(inventory.File{Name: "i", Data: []byte(text)})
		if err != nil && i.Len() > 0 {
			t.Error("routers beside an error")
		}
		if err == nil && !strings.ContainsAny(text, "|>") { // whose text may go on to the end
			sameInFull(t, text)
		}
		for r := range i.All() {
			if inventory.CheckHost(r.Address) != "" {
				t.Errorf("address %q", r.Address)
			}
		}
	})
}
