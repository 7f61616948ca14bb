package audit_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/routeros"
)

// gates are the ways in which a rule can let a list in without an accept that names it. All shut
// ssh and winbox for others; %s is the list.
func gates() map[string]string {
	const services = "protocol=tcp dst-port=22,8291"
	return map[string]string{
		"drop":                "/ip firewall filter\nadd chain=input action=drop " + services + " src-address-list=!%s\n",
		"reject":              "/ip firewall filter\nadd chain=input action=reject " + services + " src-address-list=!%s\n",
		"tarpit":              "/ip firewall filter\nadd chain=input action=tarpit " + services + " src-address-list=!%s\n",
		"drop of everything":  "/ip firewall filter\nadd chain=input action=drop in-interface=ether1 src-address-list=!%s\n",
		"jump to a drop":      "/ip firewall filter\nadd chain=input action=jump jump-target=shut " + services + " src-address-list=!%s\nadd chain=shut action=drop\n",
		"return before drops": "/ip firewall filter\nadd chain=input action=jump jump-target=gate " + services + "\nadd chain=gate action=return src-address-list=%s\nadd chain=gate action=drop\n",
		"return of others":    "/ip firewall filter\nadd chain=input action=jump jump-target=gate " + services + "\nadd chain=gate action=return src-address-list=!%s\nadd chain=gate action=accept\nadd chain=input action=drop in-interface=ether1\n",
		"nested chains":       "/ip firewall filter\nadd chain=input action=jump jump-target=one " + services + "\nadd chain=one action=jump jump-target=two src-address-list=!%s\nadd chain=two action=jump jump-target=three\nadd chain=three action=drop\n",
		"raw drop":            "/ip firewall raw\nadd chain=prerouting action=drop " + services + " src-address-list=!%s\n",
		"raw jump":            "/ip firewall raw\nadd chain=prerouting action=jump jump-target=shut " + services + " src-address-list=!%s\nadd chain=shut action=drop\n",
		"raw return":          "/ip firewall raw\nadd chain=prerouting action=jump jump-target=gate " + services + "\nadd chain=gate action=return src-address-list=%s\nadd chain=gate action=drop\n",
	}
}

const knock = sides +
	"add chain=input action=add-src-to-address-list address-list=k1 address-list-timeout=20s connection-state=new protocol=tcp dst-port=10000\n" +
	"add chain=input action=add-src-to-address-list address-list=k2 address-list-timeout=20s connection-state=new protocol=tcp dst-port=15000 src-address-list=k1\n" +
	"add chain=input action=add-src-to-address-list address-list=admin address-list-timeout=1h connection-state=new protocol=tcp dst-port=20000 src-address-list=k2\n"

// who lists who reaches a service over IPv4.
func who(t *testing.T, r audit.Report, service string) []audit.Who {
	t.Helper()
	at := slices.IndexFunc(r.Reach, func(reach audit.Reach) bool { return reach.Name == service && reach.Family == routeros.IPv4 })
	if at < 0 {
		t.Fatalf("%s is not there", service)
	}
	var out []audit.Who
	for _, by := range r.Reach[at].By {
		if !by.Perhaps {
			out = append(out, by.Who)
		}
	}
	return out
}

// TestKnockByNegation: a list that lets its members in without an accept is the list of a knock.
func TestKnockByNegation(t *testing.T) {
	for name, gate := range gates() {
		t.Run(name, func(t *testing.T) {
			r := audit.Router(read(t, []byte(knock+fmt.Sprintf(gate, "admin")), nil))
			if len(r.Knocks) != 1 || r.Knocks[0].List != "admin" || !r.Knocks[0].Works() || len(r.Knocks[0].Steps) != 3 {
				t.Fatalf("%+v", r.Knocks)
			}
			for _, service := range []string{"ssh", "winbox"} {
				if !slices.Contains(r.Knocks[0].Opens, service) {
					t.Errorf("it opens %v", r.Knocks[0].Opens)
				}
				if by := who(t, r, service); !slices.Contains(by, audit.Trusted) || slices.Contains(by, audit.Anyone) {
					t.Errorf("%s is reached by %v", service, by)
				}
			}
		})
	}
}

// TestAllowListByNegation: a list of fixed addresses that lets its members in without an accept is
// an allow-list, under its name.
func TestAllowListByNegation(t *testing.T) {
	for name, gate := range gates() {
		t.Run(name, func(t *testing.T) {
			text := "/ip firewall address-list\nadd list=office address=198.51.100.0/28\n" + sides + fmt.Sprintf(gate, "office")
			r := audit.Router(read(t, []byte(text), nil))
			if len(r.Knocks) != 0 {
				t.Errorf("%+v", r.Knocks)
			}
			by := who(t, r, "ssh")
			if !slices.Contains(by, audit.AllowList) || slices.Contains(by, audit.Anyone) {
				t.Fatalf("ssh is reached by %v", by)
			}
			for _, reach := range r.Reach {
				for _, by := range reach.By {
					if by.Who == audit.AllowList && reach.Name == "ssh" && !slices.Contains(by.Detail, "list office") {
						t.Errorf("the allow-list is not named: %v", by.Detail)
					}
				}
			}
		})
	}
}

// TestNoKnockByNegation: lists that are named with ! and let nobody in are no knocks.
func TestNoKnockByNegation(t *testing.T) {
	for name, rules := range map[string]string{
		"a blacklist":               "add chain=input action=drop src-address-list=admin\n",
		"more for strangers":        "add chain=input action=add-src-to-address-list address-list=seen src-address-list=!admin\nadd chain=input action=drop in-interface=ether1\n",
		"a log of others":           "add chain=input action=log src-address-list=!admin\nadd chain=input action=drop in-interface=ether1\n",
		"shut below":                "add chain=input action=drop protocol=tcp dst-port=22 src-address-list=!admin\nadd chain=input action=drop\n",
		"a way back to the same":    "add chain=input action=jump jump-target=gate\nadd chain=gate action=return src-address-list=admin\nadd chain=input action=drop in-interface=ether1\n",
		"disabled":                  "add chain=input action=drop disabled=yes src-address-list=!admin\n",
		"only packets to elsewhere": "add chain=forward action=drop src-address-list=!admin\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, k := range audit.Router(read(t, []byte(knock+rules), nil)).Knocks {
				if k.Works() {
					t.Errorf("%+v", k)
				}
			}
		})
	}
}

// TestUnguardedByNegation: a gate by negation shuts its own ports only.
func TestUnguardedByNegation(t *testing.T) {
	r := audit.Router(read(t, []byte(knock+fmt.Sprintf(gates()["drop"], "admin")), nil))
	if by := who(t, r, "telnet"); !slices.Contains(by, audit.Anyone) {
		t.Errorf("telnet is reached by %v", by)
	}
}
