package foreign_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/inventory/foreign"
)

// TestAnsible compares with what Ansible itself makes of the same files.
func TestAnsible(t *testing.T) {
	if _, err := exec.LookPath("ansible-inventory"); err != nil {
		t.Skip("ansible-inventory is not installed: apt-get install ansible-core")
	}
	tests := map[string]foreign.Format{"hosts.ini": foreign.AnsibleINI, "ranges.ini": foreign.AnsibleINI, "hosts.yaml": foreign.AnsibleYAML}
	for file, format := range tests {
		t.Run(file, func(t *testing.T) {
			theirs := askAnsible(t, filepath.Join("testdata", file))
			data, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			list, err := foreign.Read(file, data, format)
			if err != nil {
				t.Fatal(err)
			}
			ours := map[string]string{}
			for _, r := range list.Routers {
				host := r.Address
				if p, err := netip.ParseAddrPort(host); err == nil {
					host = p.Addr().String()
				}
				ours[r.Name] = fmt.Sprintf("%s user=%q groups=%v", host, r.User, r.Groups)
			}
			for name, want := range theirs {
				if ours[name] != want {
					t.Errorf("%s is %s; Ansible says %s", name, ours[name], want)
				}
			}
			if len(ours) != len(theirs) || len(ours) == 0 {
				t.Errorf("%d routers, Ansible knows %d", len(ours), len(theirs))
			}
		})
	}
}

type answer struct {
	Hosts    []string                  `json:"hosts"`
	Children []string                  `json:"children"`
	HostVars map[string]map[string]any `json:"hostvars"`
}

// askAnsible returns what ansible-inventory says of every host that is a RouterOS router.
func askAnsible(t *testing.T, file string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ansible-inventory", "-i", file, "--list")
	cmd.Env = append(os.Environ(), "ANSIBLE_LOCALHOST_WARNING=false", "ANSIBLE_HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ansible-inventory: %v", err)
	}
	var groups map[string]answer
	if err := json.Unmarshal(out, &groups); err != nil {
		t.Fatal(err)
	}
	vars := groups["_meta"].HostVars
	members := map[string][]string{}
	var visit func(name string, around []string)
	visit = func(name string, around []string) {
		if name != "all" && name != "ungrouped" {
			around = append(slices.Clone(around), name)
		}
		for _, h := range groups[name].Hosts {
			members[h] = append(members[h], around...)
		}
		for _, child := range groups[name].Children {
			visit(child, around)
		}
	}
	visit("all", nil)
	result := map[string]string{}
	for h, in := range members {
		slices.Sort(in)
		v := vars[h]
		if system, ok := v["ansible_network_os"].(string); ok && !strings.HasSuffix(system, "routeros") {
			continue
		}
		address, ok := v["ansible_host"].(string)
		if !ok {
			address = h
		}
		user, _ := v["ansible_user"].(string)
		result[h] = fmt.Sprintf("%s user=%q groups=%v", address, user, slices.Compact(in))
	}
	return result
}
