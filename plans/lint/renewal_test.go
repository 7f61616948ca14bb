package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/routeros"
)

// TestRenewals: what renews a certificate over port 80, and what does not.
func TestRenewals(t *testing.T) {
	row := routeros.MakeAttributes
	old, fresh := routeros.Version{Major: 7, Minor: 15}, routeros.Version{Major: 7, Minor: 22}
	for _, test := range []struct {
		name    string
		version routeros.Version
		menu    routeros.Menu
		row     routeros.Attributes
		want    string
	}{
		{"the name that the old client gives", old, lint.Certificates, row("name", "letsencrypt-autogen_2026-11-01T02:05:37Z", "common-name", "gw.example.net"), "certificate"},
		{"a row of the new client", fresh, lint.Certificates, row("name", "gw", "domain-names", "gw.example.net", "acme-status", "issued"), "certificate"},
		{"a row of the new client that tells no name", fresh, lint.Certificates, row("name", "gw", "acme-status", "issued"), "certificate"},
		{"a certificate of somebody else", fresh, lint.Certificates, row("name", "gw", "common-name", "gw.example.net"), ""},
		{"the cloud's name, which needs no port", fresh, lint.Certificates, row("name", "gw", "common-name", "abc.sn.mynetname.net", "domain-names", "abc.sn.mynetname.net", "acme-status", "issued"), ""},
		{"the cloud's name among others", fresh, lint.Certificates, row("name", "gw", "common-name", "abc.sn.mynetname.net", "domain-names", "abc.sn.mynetname.net,gw.example.net", "acme-status", "issued"), "certificate"},
		{"the cloud's name, and an older client", old, lint.Certificates, row("name", "letsencrypt-autogen_1", "common-name", "abc.sn.mynetname.net"), "certificate"},
		{"a scheduler", old, routeros.Scheduler, row("name", "renew", "on-event", "/certificate/enable-ssl-certificate dns-name=gw.example.net"), "scheduler"},
		{"a scheduler that is off", old, routeros.Scheduler, row("name", "renew", "on-event", "/certificate enable-ssl-certificate", "disabled", "true"), ""},
		{"a scheduler for something else", old, routeros.Scheduler, row("name", "renew", "on-event", "/certificate print"), ""},
		{"a script", fresh, routeros.Script, row("name", "renew", "source", ":do {\n /certificate add-acme domain-names=$name\n}"), "script"},
		{"a script for something else", fresh, routeros.Script, row("name", "add-acme", "source", ":log info x"), ""},
	} {
		got := lint.Renewals(test.version, map[routeros.Menu][]routeros.Attributes{test.menu: {test.row}})
		if text := strings.Join(kinds(got), " "); text != test.want {
			t.Errorf("%s: %q, want %q", test.name, text, test.want)
		}
	}
}

func kinds(all []lint.Renewal) (out []string) {
	for _, r := range all {
		out = append(out, r.What)
	}
	return out
}

// TestRenewalMenus: nothing that is read of them is a key or a password.
func TestRenewalMenus(t *testing.T) {
	for _, c := range lint.RenewalMenus() {
		text := fmt.Sprint(c)
		if !strings.Contains(text, ".proplist") || strings.Contains(text, "password") || strings.Contains(text, "key") {
			t.Errorf("%s", text)
		}
	}
}

// TestUnrenewed: a plan has the finding exactly when it shuts www in some way and something renews a
// certificate over it; and no name on the router makes it tell the knock.
func TestUnrenewed(t *testing.T) {
	ways := map[string]string{
		"services.disable":  "services: {disable: [telnet, www]}\n",
		"services.from.www": "services: {from: {www: [10.0.0.0/8, 192.168.88.0/24]}}\n",
		"gate.ports":        "gate: {ports: [tcp/80]}\n",
		"":                  "services: {disable: [telnet], ports: {www: 80}}\n",
	}
	rapid.Check(t, func(rt *rapid.T) {
		way := rapid.SampledFrom([]string{"services.disable", "services.from.www", "gate.ports", ""}).Draw(rt, "way")
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"renew", "job 41873", "letsencrypt", "17259"}), 0, 3).Draw(rt, "names")
		service := rapid.Bool().Draw(rt, "service")
		c := sample{more: goodMore + ways[way]}
		if service {
			c.rules = goodRules + acme
		}
		var renewals []lint.Renewal
		for _, name := range names {
			renewals = append(renewals, lint.Renewal{What: "script", Name: name})
		}
		found := slices.DeleteFunc(lint.Both(c.plan(t), c.router(), renewals...), func(f lint.Finding) bool { return f.ID != "L56" })
		if want := way != "" && (service || len(names) > 0); (len(found) == 1) != want || len(found) > 1 {
			rt.Fatalf("%+v, want %v", found, want)
		}
		for _, f := range found {
			if text := f.Place + f.What + f.Why + f.Remedy; f.Place != way || secret.MatchString(text) {
				rt.Errorf("%s", text)
			}
		}
	})
}
