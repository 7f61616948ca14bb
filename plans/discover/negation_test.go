package discover_test

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/discover"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestGateByNegation: of a knock whose list lets in by stopping all others, every rule is named
// with a reason, and none is lost.
func TestGateByNegation(t *testing.T) {
	const knock = "/ip firewall filter\nadd chain=input action=accept connection-state=established,related\n" +
		"add chain=input action=add-src-to-address-list address-list=k1 address-list-timeout=20s connection-state=new protocol=tcp dst-port=10000\n" +
		"add chain=input action=add-src-to-address-list address-list=admin address-list-timeout=1h connection-state=new protocol=tcp dst-port=20000 src-address-list=k1\n"
	for name, gate := range map[string]string{
		"drop":     "add chain=input action=drop protocol=tcp dst-port=22,8291 src-address-list=!admin\n",
		"reject":   "add chain=input action=reject protocol=tcp dst-port=22 src-address-list=!admin\n",
		"jump":     "add chain=input action=jump jump-target=shut protocol=tcp dst-port=22 src-address-list=!admin\nadd chain=shut action=drop\n",
		"return":   "add chain=input action=jump jump-target=gate protocol=tcp dst-port=22\nadd chain=gate action=return src-address-list=admin\nadd chain=gate action=drop\n",
		"raw drop": "/ip firewall raw\nadd chain=prerouting action=drop protocol=tcp dst-port=22 src-address-list=!admin\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := rsc.Read([]byte(knock + gate)).Snapshot(rsc.Options{})
			r := discover.Router(s, discover.Options{Name: "m"})
			if len(r.Doors) > 0 {
				t.Fatalf("%+v", r.Doors)
			}
			reasons := map[string]int{}
			for _, m := range r.Missing {
				reason, _, _ := strings.Cut(m.Why, ":")
				reasons[reason]++
			}
			if want := "it lets members of admin in by stopping all others, and a door accepts its list by a rule of its own"; reasons[want] != 1 || reasons["belongs to the same knock"] != 2 {
				t.Errorf("%v", reasons)
			}
		})
	}
}
