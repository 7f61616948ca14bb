// Package bootstrap makes the commands that prepare a router for the API over TLS, and those that
// take the preparation off: a group with the policies that rosknock needs, a user in it, a
// certificate, and api-ssl with that certificate for the given networks alone.
//
// The commands only add. They refuse an api-ssl that has a certificate or a list of addresses
// already, and a user or group of the same name that they did not make. They touch no other
// service, and a second run changes nothing. They are RouterOS 6 syntax, which 7 takes too, each
// on a line of its own. What they made is found by its mark: the comment of the user, and the
// names of group and certificate. The package does no I/O, and no error holds the password.
//
//	lines, err := bootstrap.Lines(bootstrap.Options{User: "rosknock", Password: p, From: networks})
package bootstrap

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// The marks of what the commands make. A group and a certificate have no comment in every
// version, so their name is their mark.
const (
	Mark        = "rosknock bootstrap"
	Group       = "rosknock-bootstrap"
	Certificate = "rosknock-bootstrap"
)

// Policies are what the group may do. Reading and changing the firewall, safe mode and the
// scheduler entries of a dead-man need no more (routeros-facts § 9).
const Policies = "api,read,write"

// Port is where api-ssl listens when nothing else is asked for.
const Port = 8729

const inUse = "api-ssl has a certificate or a list of addresses already: use it as it is, or clear both, and run this again"

// leastPassword is the shortest password, in bytes, that is put on a router.
const leastPassword = 12

// Options say what to prepare.
type Options struct {
	User     string
	Password string
	// From are the networks that may reach api-ssl, and from which the user may log in.
	From []netip.Prefix
	// Port of api-ssl; zero is [Port].
	Port uint16
}

// check finds what must not be put on a router.
func (o Options) check() error {
	if err := checkUser(o.User); err != nil {
		return err
	}
	switch {
	case len(o.Password) < leastPassword:
		return fmt.Errorf("the password of %s is shorter than %d characters: choose a longer one", o.User, leastPassword)
	case strings.ContainsFunc(o.Password, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("the password of %s has characters that not every way to log in takes: use printable ASCII", o.User)
	case len(o.From) == 0:
		return errors.New("no network is named that may reach api-ssl: name yours")
	}
	for _, p := range o.From {
		if p.Bits() == 0 {
			return fmt.Errorf("%s is everybody: name the networks that you come from", p)
		}
	}
	return nil
}

func checkUser(name string) error {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	}
	switch {
	case name == "" || strings.ContainsFunc(name, odd):
		return errors.New("the user's name is made of letters, digits, hyphens, dots and underscores: choose such a name")
	case name == "admin":
		return errors.New("admin is the router's own user: choose another name, such as rosknock")
	}
	return nil
}

// Lines are the commands that prepare a router, in order. Each is complete in itself, and ends
// with an error where the next must not run. The last prints the certificate's fingerprint.
func Lines(o Options) ([]string, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	user, group, certificate := script.Quoted(o.User), script.Quoted(Group), script.Quoted(Certificate)
	from := script.Quoted(routeros.JoinPrefixes(prefixes(o.From)))
	port := o.Port
	if port == 0 {
		port = Port
	}
	free := `name="api-ssl" certificate="none" address=""`
	ours := `name="api-ssl" certificate=` + certificate
	return []string{
		foreign("/user", "name="+user, "name="+user+" comment="+script.Quoted(Mark), "the user "+o.User+" is there and was not made by rosknock: choose another name"),
		unless("/ip service", ours, unless("/ip service", free, fail(inUse))),
		narrowed(),
		unless("/user group", "name="+group, "/user group add name="+group+" policy="+Policies),
		unless("/user", "name="+user, "/user add name="+user+" group="+group+" address="+from+" comment="+script.Quoted(Mark)+" password="+script.Quoted(o.Password)),
		unless("/certificate", "name="+certificate, "/certificate add name="+certificate+" common-name="+certificate+
			" key-size=2048 days-valid=3650 key-usage=digital-signature,key-encipherment,key-cert-sign,tls-server; /certificate sign "+certificate),
		fmt.Sprintf("/ip service set [find %s] certificate=%s address=%s port=%d disabled=no", free, certificate, from, port),
		Fingerprint(),
	}, nil
}

// RemovalLines are the commands that take off what [Lines] made, and nothing else. They refuse
// while the user is logged in.
func RemovalLines(user string) ([]string, error) {
	if err := checkUser(user); err != nil {
		return nil, err
	}
	name, group, certificate := script.Quoted(user), script.Quoted(Group), script.Quoted(Certificate)
	made := "name=" + name + " comment=" + script.Quoted(Mark)
	return []string{
		foreign("/user", "name="+name, made, "the user "+user+" was not made by rosknock: nothing is removed"),
		fmt.Sprintf("%s do={%s}", found("/user active", "name="+name, "!= 0"), fail("the user "+user+" is logged in: end that session, and run this again")),
		`/ip service set [find name="api-ssl" certificate=` + certificate + `] disabled=yes certificate=none address=""`,
		"/user remove [find " + made + "]",
		unless("/user", "group="+group, "/user group remove [find name="+group+"]"),
		"/certificate remove [find name=" + certificate + "]",
	}, nil
}

// Fingerprint is the command that prints the certificate's fingerprint.
func Fingerprint() string {
	return ":put [/certificate get " + script.Quoted(Certificate) + " fingerprint]"
}

// Script joins commands to a file for /import or for pasting. They stand in a block, which is read
// as a whole, so that an error ends all of it. Remarks become comments.
func Script(lines []string, remarks ...string) string {
	var b strings.Builder
	for _, remark := range remarks {
		b.WriteString("# " + routeros.Visible(remark, len(remark)) + "\n")
	}
	b.WriteString("{\n")
	for _, line := range lines {
		b.WriteString("  " + line + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func found(menu, where, count string) string {
	return fmt.Sprintf(":if ([:len [%s find %s]] %s)", menu, where, count)
}

func unless(menu, where, do string) string {
	return found(menu, where, "= 0") + " do={" + do + "}"
}

// foreign refuses a row that is there without its mark.
func foreign(menu, where, marked, why string) string {
	return found(menu, where, "!= 0") + " do={" + unless(menu, marked, fail(why)) + "}"
}

// narrowed refuses an api-ssl that has a list of addresses under the name that RouterOS 7.24 gives
// it. Older versions know no such property: the error says so, and is no reason to stop.
func narrowed() string {
	return ":local used 0; :do {" + found("/ip service", `name="api-ssl" certificate="none" available-from~"[.:]"`, "!= 0") + " do={:set used 1}} on-error={}; :if ($used = 1) do={" + fail(inUse) + "}"
}

func fail(why string) string { return ":error " + script.Quoted(why) }

func prefixes(all []netip.Prefix) []string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = p.Masked().String()
	}
	return out
}
