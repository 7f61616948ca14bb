package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/bootstrap"
	"github.com/rosknock/rosknock/routeros/sshjump"
)

// bootstrapFlags is what bootstrap is asked for.
type bootstrapFlags struct {
	from   []string
	ssh    string
	out    string
	remove bool
}

func newBootstrap(e env) *cobra.Command {
	var o bootstrapFlags
	c := &cobra.Command{
		Use:   "bootstrap",
		Short: "Prepare a router for the API: a user, a certificate, api-ssl",
		Long: `Make on a router what rosknock needs to log in safely: a group that may use the API,
read and write, a user in it, a certificate, and api-ssl with that certificate for the networks of
--from alone. The user is the one that -r names, and the password is found as for every command.

Without --ssh, bootstrap writes a script for /import, with the password in it. With --ssh, it logs in
with your SSH key and runs the same commands. The host key must be in known_hosts. It waits for the
certificate, reads its fingerprint over SSH, logs in over the API, and remembers the certificate.

bootstrap only adds. It refuses an api-ssl that has a certificate or a list of addresses already, and
a user that it did not make. A second run changes nothing. --remove takes off what it made, and
switches api-ssl off.`,
		Example: `  rosknock bootstrap -r rosknock@192.0.2.1 --from 198.51.100.0/24 --ssh admin@192.0.2.1
  rosknock bootstrap -r rosknock@192.0.2.1 --from 198.51.100.7 --out bootstrap.rsc
  rosknock bootstrap -r rosknock@192.0.2.1 --remove --ssh admin@192.0.2.1`,
		Args: exactly(0, "bootstrap takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			r, err := o.check(e)
			if err != nil {
				return err
			}
			lines, password, err := o.lines(c.Context(), e, r)
			if err != nil {
				return err
			}
			if o.ssh == "" {
				return o.write(e, r, lines)
			}
			return o.run(c.Context(), e, r, lines, password)
		}),
	}
	f := c.Flags()
	f.StringSliceVar(&o.from, "from", nil, "`NETWORK` or address that may reach api-ssl; may be repeated")
	f.StringVar(&o.ssh, "ssh", "", "run the commands over SSH, at `[user@]host[:port]`; default: write a script")
	f.StringVar(&o.out, "out", "", "write the script into a `FILE` that only you can read")
	f.BoolVar(&o.remove, "remove", false, "take off what bootstrap made")
	return c
}

// check finds the mistakes that the flags alone tell, and returns the router.
func (o bootstrapFlags) check(e access) (router, error) {
	switch {
	case o.remove && len(o.from) > 0:
		return router{}, usagef("--from and --remove exclude each other")
	case !o.remove && len(o.from) == 0:
		return router{}, usagef("--from is missing: name the networks that you come from, such as --from 198.51.100.0/24")
	case o.ssh != "" && o.out != "":
		return router{}, usagef("--ssh and --out exclude each other: the commands are run, or written")
	case o.ssh == "" && o.out == "" && !o.remove && !e.Reveal:
		return router{}, usagef("the script holds the password: write it into a file that only you can read with --out FILE, or show it with --reveal; or run it with --ssh USER@HOST")
	}
	if o.ssh != "" {
		if hops, err := sshjump.ParseHops(o.ssh); err != nil || len(hops) != 1 {
			return router{}, usagef("--ssh: %w", cmpErr(err, "one router is expected: hosts before it go to --ssh-jump"))
		}
	}
	routers, err := e.routersOf()
	switch {
	case err != nil:
		return router{}, err
	case len(routers) != 1:
		return router{}, usagef("bootstrap prepares one router, and there are %d: choose one with --limit", len(routers))
	case routers[0].target.Transport != api.TLS:
		return router{}, usagef("%s: bootstrap is for api-ssl: leave --transport api out", routers[0].Name)
	}
	return routers[0], nil
}

func cmpErr(err error, otherwise string) error {
	if err != nil {
		return err
	}
	return errors.New(otherwise)
}

// lines are the commands for the router, with the password that is in them.
func (o bootstrapFlags) lines(ctx context.Context, e access, r router) (lines []string, password string, err error) {
	if o.remove {
		lines, err = bootstrap.RemovalLines(r.target.User)
		return lines, "", named(r, err)
	}
	from, err := networks(o.from)
	if err != nil {
		return nil, "", err
	}
	port, err := apiPort(r)
	if err != nil {
		return nil, "", err
	}
	if password, err = e.password(ctx, r); err != nil {
		return nil, "", err
	}
	lines, err = bootstrap.Lines(bootstrap.Options{User: r.target.User, Password: password, From: from, Port: port})
	return lines, password, named(r, err)
}

func named(r router, err error) error {
	if err != nil {
		return invalid(fmt.Errorf("%s: %w", r.Name, err))
	}
	return nil
}

func networks(words []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, word := range words {
		p, err := netip.ParsePrefix(word)
		if a, bare := netip.ParseAddr(word); bare == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || p.Addr().Zone() != "" {
			return nil, usagef("--from %q: an address or a network is expected, such as 198.51.100.0/24", word)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func apiPort(r router) (uint16, error) {
	_, text, err := net.SplitHostPort(r.target.HostPort())
	if err != nil {
		return 0, invalid(err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, invalid(fmt.Errorf("%s: the port %s is no number: name the port of api-ssl", r.Name, text))
	}
	return uint16(port), nil
}

// write writes the script.
func (o bootstrapFlags) write(e access, r router, lines []string) error {
	remarks := []string{"Prepares " + r.Name + " for rosknock. Run it with /import, then delete the file: the password is in it."}
	if o.remove {
		remarks = []string{"Takes off what rosknock bootstrap has made on " + r.Name + "."}
	}
	return writeFilesOf(e, "bootstrap", textFile{o.out, "rsc", bootstrap.Script(lines, remarks...)})
}

// run runs the commands on the router, and then logs in over the API.
func (o bootstrapFlags) run(ctx context.Context, e access, r router, lines []string, password string) error {
	if err := o.consent(ctx, e, r); err != nil {
		return err
	}
	hops := o.ssh
	if r.jump != "" {
		hops = r.jump + "," + hops
	}
	way, err := e.way(hops)
	if err != nil {
		return err
	}
	on := console{way: way, name: r.Name, secret: password}
	if o.remove {
		if err := on.all(ctx, lines); err != nil {
			return err
		}
		return said(e, "%s: what bootstrap made is removed, and api-ssl is off\n", r.Name)
	}
	last := len(lines) - 2 // then api-ssl gets the certificate
	if err := on.all(ctx, lines[:last]); err != nil {
		return err
	}
	pin, err := on.certificate(ctx)
	if err != nil {
		return err
	}
	e.remark("%s: the certificate is ready\n", r.Name)
	if err := on.all(ctx, lines[last:last+1]); err != nil {
		return err
	}
	if r.remembers {
		if _, err := e.Known(); err != nil {
			return err
		}
		if err := e.keep(r, pin, ""); err != nil {
			return err
		}
	}
	session, err := e.connect(ctx, r, nil)
	if err != nil {
		return fmt.Errorf("%s is prepared, but the login over the API failed: %w", r.Name, err)
	}
	if err := session.Close(); err != nil {
		return err
	}
	remembered := ""
	if r.remembers {
		remembered = " and is remembered"
	}
	return said(e, "%s is prepared: %s logs in over api-ssl\nThe certificate was read over SSH%s: %s\n", r.Name, r.target.User, remembered, pin)
}

func said(e access, format string, args ...any) error {
	if view.IsJSON(e.Output) {
		return view.Text(e.out, e.Output, "bootstrap", fmt.Sprintf(format, args...))
	}
	view.Say(e.out, format, args...)
	return nil
}

// consent asks before the router is changed.
func (o bootstrapFlags) consent(ctx context.Context, e access, r router) error {
	what := fmt.Sprintf("a group, the user %s, a certificate and api-ssl for %s are set up", r.target.User, strings.Join(o.from, ", "))
	if o.remove {
		what = "what bootstrap made is removed, and api-ssl is switched off"
	}
	switch {
	case e.Yes:
		return nil
	case !e.inTerminal:
		return usagef("%s: there is no terminal to ask on: accept with --yes that %s", r.Name, what)
	}
	ok, err := e.agrees(ctx, nil, func(w io.Writer) { view.Ask(w, e.width, "%s: %s. Go on?", r.Name, what) })
	if err == nil && !ok {
		err = fmt.Errorf("%s: nothing was changed", r.Name)
	}
	return err
}

// certificateTime is how long a router may take for its certificate, and certificatePause how long
// rosknock waits before it looks again. Small boards need minutes.
const (
	certificateTime  = 5 * time.Minute
	certificatePause = 2 * time.Second
)

// console runs commands over SSH. No error tells its secret.
type console struct {
	way          *sshjump.Way
	name, secret string
}

// ended is what the router prints after a command that did not fail. Whether RouterOS tells a
// failure by the exit status is not known, so it is not relied on.
const ended = "rosknock: done"

func (c console) all(ctx context.Context, lines []string) error {
	for _, line := range lines {
		if _, err := c.one(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

// one runs a command and returns what it prints.
func (c console) one(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, certificateTime)
	defer cancel()
	out, err := c.way.Run(ctx, line+`; :put "`+ended+`"`)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.name, err)
	}
	text, rest, ok := strings.Cut(out, ended)
	if !ok || strings.TrimSpace(rest) != "" {
		if c.secret != "" {
			out = strings.ReplaceAll(out, c.secret, "•••••")
		}
		return "", fmt.Errorf("%s refused a command: %s", c.name, routeros.Visible(strings.TrimSpace(out), 500))
	}
	return strings.TrimSpace(text), nil
}

// certificate waits until the certificate is signed, and returns its pin.
func (c console) certificate(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, certificateTime)
	defer cancel()
	for {
		out, err := c.one(ctx, bootstrap.Fingerprint())
		if err != nil {
			return "", err
		}
		if sum, err := hex.DecodeString(out); err == nil && len(sum) == 32 {
			return "sha256:" + strings.ToLower(out), nil
		}
		if out != "" {
			return "", fmt.Errorf("%s prints a fingerprint that is no SHA-256 (%s): finish with the script of --out, and compare the certificate by hand", c.name, routeros.Visible(out, 100))
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%s: the certificate is not signed yet: look at /certificate print; when it is only a template, take all off with --remove and begin again: %w", c.name, ctx.Err())
		case <-time.After(certificatePause):
		}
	}
}
