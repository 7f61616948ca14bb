package rsc_test

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestFixtures: the example routers are read whole as far as the firewall goes, and survive being
// written.
func TestFixtures(t *testing.T) {
	tests := []struct {
		file                  string
		filter, nat, filter6  int
		version               string
		lists, v6Entries, v4s int
	}{
		{"defconf.rsc", 11, 1, 22, "7.20", 2, 9, 0},
		{"defconf-7.24.rsc", 11, 1, 23, "7.24", 2, 9, 0},
		{"defconf-6.49.rsc", 11, 1, 0, "6.49.13", 2, 0, 0},
		{"jump-chains.rsc", 9, 0, 0, "7.14", 2, 0, 1},
		{"no-drop.rsc", 3, 0, 0, "6.49.10", 0, 0, 0},
		{"crlf-bom.rsc", 2, 0, 0, "7.16.1", 0, 0, 0},
		{"winbox-open.rsc", 4, 0, 0, "7.18.2", 1, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			data, err := fixtures.Router(test.file)
			if err != nil {
				t.Fatal(err)
			}
			e := rsc.Read(data)
			s, skipped := e.Snapshot(rsc.Options{StrictLists: true})
			for _, skip := range append(e.Skipped, skipped...) {
				if strings.Contains(skip.Text, "firewall") || strings.Contains(skip.Text, "chain=") {
					t.Errorf("line %d is left out: %s", skip.Line, skip.Why)
				}
			}
			rows := []int{len(s.Rules[routeros.Filter]), len(s.Rules[routeros.NAT]), len(s.Rules[routeros.Filter6]), len(s.InterfaceLists), len(s.Entries[routeros.AddressList6]), len(s.Entries[routeros.AddressList])}
			want := []int{test.filter, test.nat, test.filter6, test.lists, test.v6Entries, test.v4s}
			for i := range want {
				if rows[i] != want[i] {
					t.Errorf("filter, nat, filter6, lists, v6 and v4 entries are %v, want %v", rows, want)
					break
				}
			}
			if s.Version.String() != test.version {
				t.Errorf("version %s, want %s", s.Version, test.version)
			}
			back, _ := rsc.Read(rsc.Write(s)).Snapshot(rsc.Options{})
			if back.Digest() != s.Digest() {
				t.Errorf("written and read it is another router:\n%s", rsc.Write(s))
			}
		})
	}
}
