package bootstrap_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/bootstrap"
	"github.com/rosknock/rosknock/routeros/script"
	"github.com/rosknock/rosknock/routeros/sim"
)

func options() bootstrap.Options {
	return bootstrap.Options{User: "rosknock", Password: `long $enough? "really\`, From: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24"), netip.MustParsePrefix("2001:db8::/32")}}
}

func versions() []routeros.Version {
	return []routeros.Version{{Major: 6, Minor: 49, Patch: 13}, {Major: 7, Minor: 1}, {Major: 7, Minor: 18}, {Major: 7, Minor: 20}, {Major: 7, Minor: 23}, {Major: 7, Minor: 24}}
}

// do runs lines at the console until one prints an error.
func do(t *testing.T, r *sim.Router, lines []string, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		out := strings.TrimSpace(r.Console("admin", line))
		if out != "" {
			return out
		}
	}
	return ""
}

// TestLines prepares routers of all ages twice, and takes the preparation off.
func TestLines(t *testing.T) {
	const fingerprint = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	for _, v := range versions() {
		t.Run(v.String(), func(t *testing.T) {
			r := sim.New(sim.Options{Version: v, Fingerprint: fingerprint})
			before := shown(r)
			lines, err := bootstrap.Lines(options())
			for range 2 {
				if out := do(t, r, lines, err); out != fingerprint {
					t.Fatalf("the fingerprint is %q", out)
				}
			}
			after := shown(r)
			for _, want := range []string{"rosknock-bootstrap,api,read,write", "rosknock,rosknock-bootstrap,192.0.2.0/24,2001:db8::/32,rosknock bootstrap", "rosknock-bootstrap,192.0.2.0/24,2001:db8::/32,8729"} {
				if !strings.Contains(after, want) {
					t.Errorf("%q is missing in\n%s", want, after)
				}
			}
			removal, err := bootstrap.RemovalLines("rosknock")
			for range 2 {
				if out := do(t, r, removal, err); out != "" {
					t.Fatal(out)
				}
			}
			want := strings.Replace(before, "api-ssl,none,8729,false", "api-ssl,none,8729,true", 1)
			if got := shown(r); got != want {
				t.Errorf("left on the router:\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// shown is what the commands may change.
func shown(r *sim.Router) string {
	var out []string
	for _, at := range []struct {
		menu, names string
		items       []string
	}{
		{"/user group", "name policy", []string{"read", "rosknock-bootstrap"}}, {"/user", "name group address comment", []string{"admin", "rosknock"}},
		{"/certificate", "name", []string{"rosknock-bootstrap"}}, {"/ip service", "name certificate address available-from port disabled", []string{"api", "api-ssl"}},
	} {
		for _, item := range at.items {
			var row []string
			for name := range strings.FieldsSeq(at.names) {
				out := strings.TrimSpace(r.Console("admin", fmt.Sprintf(":put [%s get %q %s]", at.menu, item, name)))
				if out != "" && !strings.Contains(out, "value-name") {
					row = append(row, out)
				}
			}
			out = append(out, strings.Join(row, ","))
		}
	}
	return strings.Join(out, "\n")
}

// TestForeign refuses what others have made, and changes nothing then.
func TestForeign(t *testing.T) {
	service := `/ip service set [find name="api-ssl"] `
	for name, made := range map[string]struct{ line, why string }{
		"a user":           {`/user add name="rosknock" group="full" password="x"`, "was not made by rosknock"},
		"a certificate":    {service + `certificate="mine"`, "api-ssl has a certificate"},
		"a list of places": {service + `address="10.0.0.0/8"`, "a list of addresses already"},
		"both":             {service + `certificate="mine" address="10.0.0.0/8"`, "api-ssl has a certificate"},
	} {
		for _, v := range versions() {
			t.Run(name+" "+v.String(), func(t *testing.T) {
				r := sim.New(sim.Options{Version: v})
				if out := r.Console("admin", made.line); out != "" {
					t.Fatal(out)
				}
				before := shown(r)
				lines, err := bootstrap.Lines(options())
				if out := do(t, r, lines, err); !strings.Contains(out, made.why) {
					t.Errorf("it says %q", out)
				}
				removal, err := bootstrap.RemovalLines("rosknock")
				do(t, r, removal, err)
				if got := shown(r); got != before {
					t.Errorf("changed:\n%s\nwant\n%s", got, before)
				}
			})
		}
	}
}

// TestLoggedIn leaves a user alone who is at work.
func TestLoggedIn(t *testing.T) {
	r := sim.New(sim.Options{})
	lines, err := bootstrap.Lines(options())
	do(t, r, lines, err)
	if err := r.AdminVia("api-ssl", "rosknock", routeros.NewCommand("/system/identity/print")); err != nil {
		t.Fatal(err)
	}
	before := shown(r)
	removal, err := bootstrap.RemovalLines("rosknock")
	if out := do(t, r, removal, err); !strings.Contains(out, "is logged in") {
		t.Errorf("it says %q", out)
	}
	if got := shown(r); got != before {
		t.Errorf("changed:\n%s", got)
	}
}

// TestRefused names what is asked for in vain, and never the password.
func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*bootstrap.Options){
		"admin":                  func(o *bootstrap.Options) { o.User = "admin" },
		"letters, digits":        func(o *bootstrap.Options) { o.User = `x" comment="` },
		"shorter than":           func(o *bootstrap.Options) { o.Password = "secret" },
		"printable ASCII":        func(o *bootstrap.Options) { o.Password = "secret secret\n" },
		"no network":             func(o *bootstrap.Options) { o.From = nil },
		"0.0.0.0/0 is everybody": func(o *bootstrap.Options) { o.From = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} },
		"::/0 is everybody":      func(o *bootstrap.Options) { o.From = []netip.Prefix{netip.MustParsePrefix("::/0")} },
	} {
		o := options()
		change(&o)
		_, err := bootstrap.Lines(o)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPasswords reads every password back from the script as it was given, and finds it there
// alone.
func TestPasswords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := options()
		o.Password = rapid.StringMatching(`[ -~]{12,40}`).Draw(t, "password")
		lines, err := bootstrap.Lines(o)
		if err != nil {
			t.Fatal(err)
		}
		statements, err := script.Parse(bootstrap.Script(lines, "made for\nr1"))
		if err != nil {
			t.Fatal(err)
		}
		block := statements[0].(*script.Block)
		add := added(block)
		got := ""
		for _, a := range add.Args {
			got += a.Name + " "
			if a.Name == "password" && a.Value.Text != o.Password || a.Name == "comment" && a.Value.Text != bootstrap.Mark {
				t.Fatalf("%s is %q", a.Name, a.Value.Text)
			}
		}
		if got != "name group address comment password " {
			t.Fatal(got)
		}
	})
}

// added is the command of a script that adds the user.
func added(b *script.Block) *script.Command {
	for _, one := range b.Body {
		if test, is := one.(*script.If); is {
			if c, is := test.Then[0].(*script.Command); is && c.Menu == routeros.User {
				return c
			}
		}
	}
	return &script.Command{}
}
