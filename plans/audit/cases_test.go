package audit_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// caseOf is a small export; the proof's tests read the same.
func caseOf(t *testing.T, number string) (routeros.Snapshot, audit.Report) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "proof", "testdata", "cases", number+"-*.rsc"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(text).Snapshot(rsc.Options{})
	return s, audit.Router(s)
}

// answer says in words who reaches a port: "anyone, perhaps LAN", "off", "nobody" or "no row".
func answer(r audit.Report, protocol, ports string, f routeros.Family) string {
	off := false
	for _, row := range r.Reach {
		if row.Protocol != protocol || row.Ports != ports || row.Family != f {
			continue
		}
		if row.Off() {
			off = true
			continue
		}
		var out []string
		for _, by := range row.By {
			text := string(by.Who)
			if by.Perhaps {
				text = "perhaps " + text
			}
			if len(by.Detail) > 0 {
				text += " (" + strings.Join(by.Detail, ", ") + ")"
			}
			out = append(out, text)
		}
		if out == nil {
			out = []string{"nobody"}
		}
		if row.State == routeros.ServerUnknown {
			out = append(out, "if it runs")
		}
		return strings.Join(out, "; ")
	}
	if off {
		return "off"
	}
	return "no row"
}

// TestCases: what real exports do not say outright, cut down to a few lines, has one right answer each.
func TestCases(t *testing.T) {
	for _, tt := range []struct{ name, port, want string }{
		{"01", "tcp/22", "perhaps anyone (ether5); if it runs"},
		{"02", "tcp/22", "LAN (bridge)"},
		{"02", "tcp/443", "off"},
		{"03", "udp/51820", "anyone (ether1)"},
		{"03", "udp/13231", "no row"},
		{"04", "tcp/22", "trusted after a knock (list admin)"},
		{"04", "tcp/8291", "trusted after a knock (list admin)"},
		{"04", "tcp/23", "anyone (ether1)"},
		{"05", "tcp/22", "trusted after a knock (list ok)"},
		{"05", "tcp/23", "anyone (ether1)"},
		{"06", "tcp/22", "LAN (bridge); perhaps anyone (any other interface)"},
		{"06", "tcp/8291", "LAN (bridge); perhaps anyone (any other interface)"},
		{"10", "tcp/22", "LAN (bridge)"},
		{"10", "tcp/23", "LAN (bridge)"},
		{"10", "tcp/8291", "LAN (bridge)"},
		{"11", "tcp/8729", "allow-list (198.51.100.30)"},
		{"11", "tcp/22", "LAN (bridge)"},
		{"14", "tcp/22", "LAN (aa); allow-list (list admin)"},
		{"14", "tcp/8291", "LAN (aa)"},
		{"15", "tcp/22", "LAN (bridge); perhaps anyone (any other interface in VPN)"},
		{"18", "tcp/22", "allow-list (list support)"},
		{"18", "tcp/8291", "allow-list (list support)"},
		{"19", "tcp/8291", "LAN (bridge); perhaps anyone (ether1, any other interface, if src-mac-address matches)"},
		{"19", "tcp/22", "LAN (bridge); perhaps anyone (ether1, any other interface, if src-mac-address matches); perhaps allow-list (list allowed-ssh, if time matches)"},
		{"20", "tcp/8291", "perhaps anyone (mgmt)"},
		{"20", "tcp/2222", "perhaps anyone (mgmt)"},
		{"20", "tcp/80", "anyone (ether1)"},
		{"22", "tcp/22", "anyone (ether1)"},
		{"22", "tcp/8291", "anyone (ether1)"},
		{"22", "tcp/23", "nobody"},
		{"23", "tcp/443", "off"},
		{"24", "tcp/8291", "anyone (ether1, through tcp/18291)"},
		{"24", "tcp/22", "LAN (bridge)"},
		{"25", "tcp/22", "perhaps anyone (any other interface); if it runs"},
		{"26", "udp/53", "anyone (ether1)"},
		{"27", "udp/1701", "anyone (ether1)"},
		{"28", "tcp/8443", "anyone (ether1)"},
		{"28", "tcp/443", "off"},
		{"29", "udp/11940", "anyone (ether1)"},
		{"29", "tcp/1194", "no row"},
		{"30", "tcp/1195", "anyone (ether1)"},
		{"30", "tcp/1194", "no row"},
		{"30", "udp/13231", "off"},
		{"31", "udp/51821", "anyone (ether1)"},
		{"31", "udp/51820", "LAN (bridge); allow-list (198.51.100.20)"},
		{"32", "udp/161", "anyone (ether1)"},
		{"33", "tcp/8080", "anyone (ether1)"},
		{"34", "tcp/1080", "anyone (ether1)"},
		{"35", "tcp/2000", "anyone (ether1)"},
		{"36", "tcp/2828", "LAN (bridge)"},
		{"38", "tcp/445", "anyone (ether1)"},
		{"40", "udp/13231", "off"},
	} {
		t.Run(tt.name+" "+tt.port, func(t *testing.T) {
			_, r := caseOf(t, tt.name)
			protocol, port, _ := strings.Cut(tt.port, "/")
			if got := answer(r, protocol, port, routeros.IPv4); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestSides: what is known of an interface decides whether strangers at it are a fact.
func TestSides(t *testing.T) {
	const version = "# by RouterOS 7.20\n/system identity\nset name=a\n"
	for _, tt := range []struct{ name, text, want string }{
		{"all that is shown is inside", "/ip address\nadd address=192.168.1.1/24 interface=ether1\n", "LAN (ether1); perhaps anyone (any other interface)"},
		{"masqueraded behind another router", "/ip address\nadd address=192.168.1.1/24 interface=ether2\nadd address=10.0.0.2/24 interface=ether1\n/ip firewall nat\nadd chain=srcnat action=masquerade out-interface=ether1\n", "anyone (ether1)"},
		{"masqueraded beside a known WAN", "/interface list\nadd name=WAN\n/interface list member\nadd list=WAN interface=ether1\n/ip address\nadd address=192.168.1.1/24 interface=ether2\n/ip firewall nat\nadd chain=srcnat action=masquerade out-interface=ether2\n/ip firewall filter\nadd chain=input action=drop in-interface=!ether2\n", "perhaps anyone (ether2)"},
		{"hairpin", "/ip dhcp-client\nadd interface=ether1\n/ip address\nadd address=192.168.1.1/24 interface=ether2\n/ip firewall nat\nadd chain=srcnat action=masquerade out-interface=ether2\n/ip firewall filter\nadd chain=input action=drop in-interface=!ether2\n", "LAN (ether2)"},
		{"a line between two beside the uplink", "/ip dhcp-client\nadd interface=ether1\n/ip address\nadd address=198.51.100.1/30 interface=ether2\n/ip firewall filter\nadd chain=input action=drop in-interface=!ether2\n", "perhaps anyone (ether2)"},
		{"a VRF that is not shown", "/ip service\nset ssh vrf=mgmt\n/ip address\nadd address=203.0.113.5/24 interface=ether1\n", "perhaps anyone (ether1, if the VRF mgmt has it)"},
	} {
		s, _ := rsc.Read([]byte(version + tt.text)).Snapshot(rsc.Options{})
		if got := answer(audit.Router(s), "tcp", "22", routeros.IPv4); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestCasesFound: what lint and the other parts of the report say of them.
func TestCasesFound(t *testing.T) {
	for _, tt := range []struct{ name, not string }{
		{"02", "L03 L03b"}, {"08", "L02"}, {"09", "L02"}, {"15", "L03 L03b"}, {"17", "L02"}, {"21", "L24"}, {"25", "L03"},
	} {
		s, r := caseOf(t, tt.name)
		for _, f := range lint.Router(s, r) {
			if slices.Contains(strings.Fields(tt.not), f.ID) || f.Severity == lint.Refuse && tt.name != "25" && tt.name != "17" {
				t.Errorf("%s: %s %s", tt.name, f.ID, f.What)
			}
		}
	}
	for _, name := range []string{"02", "15"} {
		if _, r := caseOf(t, name); len(r.Dead) > 0 {
			t.Errorf("%s: %v", name, r.Dead)
		}
	}
	for _, row := range func() []audit.Reach { _, r := caseOf(t, "21"); return r.Reach }() {
		if row.Family == routeros.IPv6 && len(row.By) > 0 {
			t.Errorf("%s over IPv6: %v", row.Name, row.By)
		}
	}
	for _, tt := range []struct {
		name  string
		steps int
	}{{"04", 3}, {"05", 2}} {
		if _, r := caseOf(t, tt.name); len(r.Knocks) != 1 || !r.Knocks[0].Works() || len(r.Knocks[0].Steps) != tt.steps {
			t.Errorf("%s: %+v", tt.name, r.Knocks)
		}
	}
	for _, tt := range []struct{ name, says string }{{"12", "line 7"}, {"13", "line 8, line 9"}} {
		if _, r := caseOf(t, tt.name); !strings.Contains(strings.Join(r.Notes, "\n"), tt.says) {
			t.Errorf("%s: %q", tt.name, r.Notes)
		}
	}
	_, r := caseOf(t, "37")
	for _, name := range []string{"mac-telnet", "mac-winbox"} {
		at := slices.IndexFunc(r.Reach, func(r audit.Reach) bool { return r.Name == name })
		if at < 0 || len(r.Reach[at].By) != 1 || !slices.Equal(r.Reach[at].By[0].Detail, []string{"every interface"}) {
			t.Errorf("%s is not a way in on every interface", name)
		}
	}
	if s, _ := caseOf(t, "40"); s.Version.String() != "6.48.2" {
		t.Errorf("version %s", s.Version)
	}
}

// TestCorpusDoubts: on strangers' exports there is no panic, and what is not known is not said to be
// shut.
func TestCorpusDoubts(t *testing.T) {
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, _ := filepath.Glob(filepath.Join(root, "corpus", "exports", "*.rsc"))
	if len(files) == 0 {
		t.Skip("no shared corpus beside the repository")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := rsc.Read(text).Snapshot(rsc.Options{})
		r := audit.Router(s)
		if _, untold := r.Doubtful(routeros.IPv4); s.Partial != "" && len(untold) == 0 {
			t.Errorf("%s: all is known of an export that shows %s alone", filepath.Base(file), s.Partial)
		}
		for _, row := range r.Reach {
			if row.Off() && len(row.By) > 0 {
				t.Errorf("%s: %s is off, and reached", filepath.Base(file), row.Name)
			}
		}
	}
}
