package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sshjump"
)

// router is one router of the command line, or of an inventory.
type router struct {
	fleet.Member // its name is host, or host:port where it was given so
	target       api.Target
	files        []string // its plans, by the inventory
	vars         map[string]string
	credential   plans.Credential
	jump         string // SSH hosts to go through
	id           string // see key
	ca           string // the file of the authorities that vouch for its certificate
	said         string // the pin that only a stranger's file names: a certificate can fail by it, and never pass
	// remembers says that its certificate is looked up among the known ones.
	remembers bool
}

// key is what the state folder knows the router by: SITE/NAME of an inventory's router, and
// -/host:port of one that only the command line names. It is never the address alone: several
// routers may have one.
func (r router) key() string { return r.id }

// accepting is the command that forgets what is remembered of the router.
func (r router) accepting(s settings) string {
	words := []string{"rosknock inventory accept"}
	if len(s.inventories) == 0 {
		return strings.Join(append(words, "-r", r.target.HostPort()), " ")
	}
	words = append(words, r.Name)
	for _, name := range s.inventories {
		words = append(words, "-i", name)
	}
	return strings.Join(words, " ")
}

// ref is how the state folder knows the router, also what older versions have left there.
func (e access) ref(r router) state.Ref {
	return state.Ref{Key: r.key(), Name: r.Name, Address: r.target.HostPort(), Sharing: e.sharing(r)}
}

// sharing lists the keys of the inventory's routers that have the address of a router; it is nil
// for a router of the command line, which was named by its address.
func (e access) sharing(r router) func() []string {
	if len(e.inventories) == 0 {
		return nil
	}
	return func() []string {
		m := e.memory
		m.addresses.Do(func() {
			m.holders = map[string][]string{}
			routers, _ := readInventory(e.inventories) // it was read before
			for one := range routers.All() {
				target := api.Target{Address: one.Address, Transport: api.Transport(e.pick("transport", one.Transport, e.Transport))}
				m.holders[target.HostPort()] = append(m.holders[target.HostPort()], one.Key())
			}
		})
		return m.holders[r.target.HostPort()]
	}
}

// routersOf reads the routers that the command line names, and how their certificates are to be
// trusted.
func (e access) routersOf() ([]router, error) {
	switch {
	case len(e.routers) > 0 && len(e.inventories) > 0:
		return nil, usagef("%s and %s exclude each other: choose routers of an inventory with --limit", e.subject("router"), e.subject("inventory"))
	case len(e.inventories) > 0:
		if err := e.tellFound(); err != nil {
			return nil, err
		}
		return inventoryRouters(e.settings)
	case len(e.limits) > 0:
		return nil, usagef("%s chooses among the routers of an inventory: name one with -i FILE", e.subject("limit"))
	case len(e.routers) == 0:
		return nil, usagef("no router: name one with -r [user@]host[:port], or an inventory with -i FILE")
	}
	var out []router
	ways := map[string]router{}
	for _, text := range e.routers {
		user, host, hasUser := cutLast(text, "@")
		if name, _, secret := strings.Cut(user, ":"); hasUser && secret {
			return nil, usagef("--router %s:•••••@…: a password stands before the @, where everybody on this machine sees it: write %s@ and the router, give the password by ROSKNOCK_PASSWORD or --password-file, and change it", name, name)
		}
		if !hasUser {
			user, host = e.User, text
		}
		if why := inventory.CheckHost(host); why != "" || user == "" {
			return nil, usagef("--router %q: [user@]host[:port] is expected%s", maskedTarget(text), because(why))
		}
		r := inventory.Router{Name: host, Address: host, User: user, Vars: map[string]string{}}
		one, err := e.router(r, pools{})
		if err != nil {
			return nil, err
		}
		one.target.User = user // what stands with the host goes before --user
		switch other, twice := ways[one.way()]; {
		case twice && other.target.User != user:
			return nil, usagef("--router %s@%s and %s@%s are one router: name it once", other.target.User, other.Name, user, host)
		case twice:
			continue
		}
		ways[one.way()] = one
		out = append(out, one)
	}
	return out, nil
}

// maskedTarget is a text that is no router as it may be shown: what stands behind its only colon,
// and is no port, may be a password.
func maskedTarget(text string) string {
	name, rest, ok := strings.Cut(text, ":")
	if !ok || strings.Trim(rest, "0123456789") == "" || strings.Contains(rest, ":") && !strings.Contains(rest, "@") {
		return text
	}
	return name + ":•••••"
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// readInventory reads the inventory's files.
func readInventory(names []string) (inventory.Inventory, error) {
	var files []inventory.File
	for _, name := range names {
		data, err := readFile(name, maxInventory)
		if err != nil {
			return inventory.Inventory{}, invalid(fmt.Errorf("--inventory: %w", err))
		}
		files = append(files, inventory.File{Name: name, Data: data})
	}
	return inventory.Read(files...)
}

// maxInventory is more than any inventory that is read: reading says that it is too large.
const maxInventory = 33 << 20

// inventoryRouters returns the routers of the inventory that --limit leaves.
func inventoryRouters(s settings) ([]router, error) {
	known, err := readInventory(s.inventories)
	if err != nil {
		return nil, err
	}
	if known.Len() == 0 {
		return nil, invalid(fmt.Errorf("%s: no router is in it", strings.Join(s.inventories, ", ")))
	}
	members := make([]fleet.Member, known.Len())
	for i := range members {
		r := known.Member(i)
		members[i] = fleet.Member{Name: r.Name, Site: r.Site, Groups: r.Groups, Tags: r.Tags}
	}
	chosen, err := fleet.Select(members, s.limits)
	if err != nil {
		return nil, usagef("--limit: %w", err)
	}
	cas := pools{}
	var out []router
	ways := map[string]inventory.Router{}
	var same []error
	for _, i := range chosen {
		one := known.Router(i)
		r, err := s.router(one, cas)
		if err != nil {
			return nil, err
		}
		if other, twice := ways[r.way()]; twice {
			same = append(same, fmt.Errorf("%s: the router %s has the address of %s (%s), and is reached the same way, so it is that router a second time: take one of them out, or say with ssh-jump how each is reached", one.Place, one.Key(), other.Key(), other.Place))
			continue
		}
		ways[r.way()] = one
		out = append(out, r)
	}
	if same != nil {
		return nil, invalid(errors.Join(same...))
	}
	return out, nil
}

// way is how a router is reached: its address, and the SSH hosts before it. Two routers can't have
// one.
func (r router) way() string {
	host, port, _ := net.SplitHostPort(strings.ToLower(r.target.HostPort()))
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	words := []string{net.JoinHostPort(strings.TrimSuffix(host, "."), port)}
	hops, _ := sshjump.ParseHops(r.jump) // none, or none that can be read
	for _, h := range hops {
		words = append(words, h.User+"@"+strings.ToLower(h.Address()))
	}
	return strings.Join(words, " by ")
}

// pick returns the value of a flag that was typed, else the value of the inventory, else that of
// the other settings.
func (s settings) pick(flag, said, otherwise string) string {
	if said == "" || s.typed[flag] {
		return otherwise
	}
	return said
}

// router puts together what the inventory and the command line say of one router. What was typed
// goes first, then the inventory, then the environment, the settings file and the defaults.
func (s settings) router(r inventory.Router, cas pools) (router, error) {
	pick := s.pick
	out := router{
		Member: fleet.Member{Name: r.Name, Site: r.Site, Groups: r.Groups, Tags: r.Tags}, files: r.Plans, vars: map[string]string{}, credential: r.Password,
		jump: pick("ssh-jump", r.SSHJump, s.SSHJump),
	}
	if s.PasswordFile != "" && s.typed["password-file"] || s.PasswordCommand != "" && s.typed["password-command"] {
		out.credential = plans.Credential{}
	}
	maps.Copy(out.vars, r.Vars)
	maps.Copy(out.vars, s.vars)
	out.target = api.Target{
		Address: r.Address, User: pick("user", r.User, s.User), Transport: api.Transport(pick("transport", r.Transport, s.Transport)), Timeout: s.Timeout,
		Trust: api.Trust{Pin: pick("tls-pin", r.TLSPin, s.TLSPin), Insecure: s.TLSInsecure},
	}
	out.id = r.Key()
	if r.Place == "" { // of no inventory
		out.id = inventory.NoSite + "/" + out.target.HostPort()
	}
	if r.Timeout > 0 && !s.typed["timeout"] {
		out.target.Timeout = r.Timeout
	}
	var err error
	if out.ca = pick("tls-ca", r.TLSCA, s.TLSCA); out.ca != "" {
		out.target.Trust.Roots, err = cas.read(out.ca)
	}
	if _, hops := sshjump.ParseHops(out.jump); hops != nil && out.jump != "" && err == nil {
		err = invalid(fmt.Errorf("%s: --ssh-jump: %w", r.Name, hops))
	}
	out.remembers = out.target.Transport == api.TLS && remembered(out.target.Trust)
	return out, err
}

// remembered reports whether a certificate is compared with what is known of it here: always, but
// where a pin was named, or authorities vouch for it, so that it may be renewed.
func remembered(t api.Trust) bool { return t.Pin == "" && (t.Roots == nil || t.Insecure) }

// pools are certificate authorities by their file, each read once.
type pools map[string]*x509.CertPool

func (p pools) read(name string) (*x509.CertPool, error) {
	if pool := p[name]; pool != nil {
		return pool, nil
	}
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, invalid(fmt.Errorf("--tls-ca: %w", err))
	}
	pool, err := p.parsed(name, pem)
	if err != nil {
		return nil, invalid(fmt.Errorf("--tls-ca %s: %w", name, err))
	}
	return pool, nil
}

// parsed returns the authorities of a text, each text parsed once by its name.
func (p pools) parsed(name string, pem []byte) (*x509.CertPool, error) {
	if pool := p[name]; pool != nil {
		return pool, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in PEM form is in it")
	}
	p[name] = pool
	return pool, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// connect logs in to a router. A certificate that is seen for the first time is asked about, or
// taken with --tls-accept-new.
func (e access) connect(ctx context.Context, r router, resume *api.Resumption) (*api.Session, error) {
	dial, err := e.dialer(r)
	if err != nil {
		return nil, err
	}
	target, known, err := e.known(r)
	if err != nil {
		return nil, err
	}
	password, err := e.password(ctx, r)
	if err != nil {
		return nil, err
	}
	e.warnOfPath(r)
	options := api.Options{Dial: dial, Log: e.logger(), Resume: resume}
	session, err := api.Dial(ctx, target, password, options)
	if changed, ok := errors.AsType[*api.PinError](err); ok && known.place != "" {
		return nil, fmt.Errorf("%w; the certificate seen before is kept in %s: if the router was exchanged, %s forgets it", changed, known.place, r.accepting(e.settings))
	}
	if err == nil && known.older != "" {
		_ = e.keep(r, target.Trust.Pin, known.older) // it is compared all the same
	}
	unknown, ok := errors.AsType[*api.UntrustedError](err)
	if !ok || !r.remembers {
		return session, err
	}
	if r.said != "" && !strings.EqualFold(r.said, unknown.Got) {
		return nil, fmt.Errorf("the changes were computed over the certificate %s, and it is another one: %w", r.said, unknown)
	}
	if known.maybe == unknown.Got { // whose it is, shows who has its key
		if err := e.keep(r, unknown.Got, target.HostPort()); err != nil {
			return nil, err
		}
	} else if err := e.introduce(ctx, r, unknown, known.why); err != nil {
		return nil, err
	}
	target.Trust.Pin = unknown.Got
	return api.Dial(ctx, target, password, options)
}

// warnOfPath warns once a run about each of two ways to reach a router on which others may read
// along.
func (e env) warnOfPath(r router) {
	m := e.memory
	switch {
	case e.simulated:
	case r.target.Transport == api.Plain:
		m.clear.Do(func() {
			view.Say(e.err, "rosknock: warning: %s is reached over the API in clear: anybody on the path can read the password and change what is sent: use api-ssl where you can\n", r.Name)
		})
	case r.target.Trust.Insecure:
		m.insecure.Do(func() {
			view.Say(e.err, "rosknock: warning: --tls-insecure: a certificate that is not known here is not checked, so a man in the middle can read the password: compare it once with /certificate print, and name it with --tls-pin\n")
		})
	}
}

// dialer returns what opens connections to a router: directly, or through SSH hosts, whose
// connections all routers behind them share.
func (e access) dialer(r router) (func(context.Context, string, string) (net.Conn, error), error) {
	if r.jump == "" {
		return e.dial, nil
	}
	way, err := e.way(r.jump)
	if err != nil {
		return nil, err
	}
	return way.DialContext, nil
}

// way returns the way through SSH hosts, which is opened once.
func (e access) way(through string) (*sshjump.Way, error) {
	e.memory.mu.Lock()
	defer e.memory.mu.Unlock()
	if way := e.memory.ways[through]; way != nil {
		return way, nil
	}
	hops, err := sshjump.ParseHops(through)
	if err != nil {
		return nil, invalid(fmt.Errorf("--ssh-jump: %w", err))
	}
	options := sshjump.Options{
		Dial: e.dial, AgentSocket: e.getenv("SSH_AUTH_SOCK"), KnownHosts: e.sshKnownHosts, Keys: e.sshKeys,
		// A hop gives up before the whole connection does, so that the error can name it.
		Timeout: e.Timeout * 3 / 4 / time.Duration(len(hops)),
		Warn:    func(text string) { view.Say(e.err, "rosknock: warning: %s\n", text) },
	}
	if e.inTerminal {
		options.Passphrase = func(ctx context.Context, file string) (string, error) {
			return e.ask(ctx, fmt.Sprintf("passphrase of %s: ", file))
		}
	}
	way := sshjump.Open(hops, options)
	if e.memory.ways == nil {
		e.memory.ways = map[string]*sshjump.Way{}
	}
	e.memory.ways[through] = way
	return way, nil
}

// mostLogged is how many characters of a value are logged: a script may be long.
const mostLogged = 16 << 10

// logger logs to standard error when asked to, and nowhere otherwise.
func (e access) logger() *slog.Logger {
	if !e.Verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if kind := a.Value.Kind(); kind == slog.KindString || kind == slog.KindAny {
			a.Value = slog.StringValue(routeros.Visible(a.Value.String(), mostLogged))
		}
		return a
	}}))
}

// style is how results look for these settings.
func (e access) style() view.Style {
	color := e.Color == "always" || e.Color == "auto" && e.outTerminal
	if e.getenv("NO_COLOR") != "" && e.Color != "always" {
		color = false
	}
	return view.Style{Width: e.width, Color: color, Reveal: e.Reveal}
}
