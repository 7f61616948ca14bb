package proof_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
)

// TestAnyText: a text is never used as a format, whatever an address, a comment, or the name of a
// list, a service or an interface contains.
func TestAnyText(t *testing.T) {
	const odd = `"%s %d %!v 100% LAN"`
	rules := strings.NewReplacer("name=LAN", "name="+odd, "list=LAN", "list="+odd, "comment=est", `comment="50%s off"`).Replace(head+established) +
		"add chain=input action=accept protocol=tcp dst-port=8291 comment=\"win%dbox\"\n" +
		"add chain=input action=add-src-to-address-list address-list=trusted protocol=udp dst-port=7 comment=\"%[3]q theirs\"\n" +
		"add chain=input action=drop in-interface-list=!" + odd + " comment=\"here%s\"\n" +
		"/ipv6 firewall filter\nadd chain=input action=accept connection-state=established,related,untracked comment=\"%s\"\n" +
		"add chain=input action=accept protocol=tcp dst-port=8728 comment=\"a%pi\"\nadd chain=input action=drop comment=\"here%s\"\n"
	seen := map[string]bool{}
	look := func(texts ...string) {
		for _, text := range texts {
			if strings.Contains(text, "%!") && !strings.Contains(text, "%!v") || strings.Contains(text, "MISSING") || strings.Contains(text, "EXTRA") {
				t.Error(text)
			}
		}
	}
	for _, operator := range []string{"fe80::1%ether1", "fe80::1%%s", "203.0.113.5"} {
		for _, more := range []string{
			"gate: {services: [api, winbox]}\n",
			"gate: {services: [api, winbox]}\nfirewall: {place: {before: \"here%s\"}}\n",
			"gate: {services: [api]}\nallow: {interface-lists: [\"%s %d %!v 100% LAN\"]}\nfirewall: {layout: inline}\n",
			"services: {disable: [telnet], ports: {ssh: 2222}}\nfirewall: {bogons: {interface-lists: [\"%s %d %!v 100% LAN\"]}}\n",
		} {
			s := router(rules)
			session := change.Management{Service: "api", Operators: []netip.Addr{netip.MustParseAddr(operator)}}
			p := plan(t, more)
			want, err := compile.Compile(p, s)
			if err != nil {
				look(err.Error())
				continue
			}
			changes, err := diff.Compute(s, want, session)
			if err != nil {
				look(err.Error())
				continue
			}
			for n := range len(changes.Steps) + 1 { // cut short, so that every promise is broken somewhere
				cut := changes
				cut.Steps = changes.Steps[n:]
				result := proof.Prove(s, want, cut, session)
				for _, f := range result.Failures {
					seen[f.Risk] = true
					look(f.What, f.Remedy, fmt.Sprint(f.Packets, f.Was, f.Is))
				}
				for _, why := range result.Unasked {
					look(why)
				}
				look(fmt.Sprint(result.Err(), changes.Notes))
			}
		}
	}
	for _, risk := range []string{proof.LoseSession, proof.OpenGate, proof.OtherWay, proof.VoidDoor, proof.VoidRule} {
		if !seen[risk] {
			t.Errorf("%s was never found", risk)
		}
	}
}
