// Package sim is a MikroTik router in this process: the RouterOS API on a wire, and the firewall by
// packet.
//
// It is a product (`rosknock sim`) and the test bed of everything that talks to routers, so it
// behaves as real routers were seen to behave; comments cite the section of docs/routeros-facts.md
// on which a behaviour rests. Where the facts are silent the harder case is the default and [Knobs]
// choose the other one. It never resolves DNS names and never sends a packet. Timed effects
// (expired entries, the scheduler's scripts) take place at the next command, packet or snapshot,
// with their own time; only a print with an interval runs by itself. Scripts are the language of
// routeros/script.
//
//	router := sim.New(sim.Options{Users: []sim.User{{Name: "admin", Password: "…", Group: "full"}}})
//	listener, _ := net.Listen("tcp", "127.0.0.1:0")
//	go router.Serve(ctx, listener)
//	fate := router.Packet(firewall.Packet{Protocol: 6, Src: stranger, Dst: address, DstPort: 22, TCPFlags: firewall.SYN})
package sim

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// User is an account of the router.
type User struct {
	Name, Password string
	// AnyPassword accepts every password, for a router to play with.
	AnyPassword bool
	// Group is full, write, read or a name in Options.Groups; empty is full.
	Group string
	// Address is a comma list of prefixes from which the user may log in; empty is everywhere.
	Address string
}

// Group is a set of policies, such as api,read,write (routeros-facts § 9).
type Group struct{ Name, Policy string }

// Knobs choose where the facts say unknown. The zero value is the harder case for a client.
type Knobs struct {
	// KeepSessions leaves open sessions alone when their service is disabled.
	KeepSessions bool
	// AnchorOnDynamic lets place-before name a dynamic rule; else it is refused as move is.
	AnchorOnDynamic bool
	// PortsApart prints connections with src-port and dst-port of their own.
	PortsApart bool
	// UnrollKeepsIDs gives rows that an unroll brings back the id that they had.
	UnrollKeepsIDs bool
	// FreshIDs never uses an id twice. Otherwise a row that is added after an unroll gets the id of
	// one that the unroll removed, so that a client which still knows that id would change a
	// foreign row.
	FreshIDs bool
	// JobsRunAtOnce also runs a scheduler entry with an interval and no start when it is added;
	// JobsNeverRun accepts entries and never runs them, as a device-mode without scheduler may do.
	JobsRunAtOnce, JobsNeverRun bool
	// JobsShowLate is how many prints of the scheduler, within five seconds, do not show an entry
	// yet that was just added; its id works at once.
	JobsShowLate int
	// NextRunShort prints next-run without the year when it is this one, as some 7.x do; else 7.10
	// and later print it whole.
	NextRunShort bool
	// JobExists is the refusal of a second entry with the same name; empty is a text with "already
	// exists".
	JobExists string
	// AnchorNoSuchItem refuses a place-before that is not there with the words "no such item"; else
	// it names place-before.
	AnchorNoSuchItem bool
	// RebootUnrolls undoes the changes of a safe mode at a reboot; else they stay and the safe mode
	// is gone.
	RebootUnrolls bool
	// BootTime is how long the router answers nobody after a reboot.
	BootTime time.Duration
	// SafeModeByUser says current to every session of the user who holds safe mode; else to the
	// session that holds it, as MikroTik's command reference has it.
	SafeModeByUser bool
	// UnrollAfter is how long after the end of its holder's session a safe mode is undone.
	UnrollAfter time.Duration
	// Silence is how long the router takes a silent connection for alive; zero is nine minutes, the
	// documented TCP time-out (routeros-facts § 6.1).
	Silence time.Duration
	// PrintDefaultTimeout prints address-list-timeout=none-dynamic where a rule was added without.
	PrintDefaultTimeout bool
}

// Options make a router. The zero value is a RouterOS 7.20 without firewall, with the user admin
// and no password.
type Options struct {
	Version         routeros.Version // default 7.20
	Identity, Board string           // default MikroTik, CHR
	// Serial is the serial number of the box, or the id of its licence; NoSerial tells none. Each
	// router gets one of its own where none is given.
	Serial string
	// Now is the router's clock, default time.Now; Zone is its time zone, default UTC.
	Now  func() time.Time
	Zone *time.Location
	// NTP is the state of its NTP client: synchronized, waiting, or any other; empty means
	// disabled.
	NTP    string
	Users  []User
	Groups []Group
	// RTT is how long each reply takes. Commands that are pipelined wait for it together.
	RTT time.Duration
	// PrintPace is how many rows a second the router prints of a large address list; zero is as fast
	// as it can. How fast a router is is not known (routeros-facts § 3).
	PrintPace int
	// IPv6Package says whether a RouterOS 6 has the ipv6 package; 7 always has.
	IPv6Package bool
	// DeviceMode is advanced or home, where the scheduler is off; Flagged is a device that is
	// flagged as possibly compromised: no scheduler entry can be added (routeros-facts § 6.2).
	// Empty is advanced.
	DeviceMode string
	Flagged    bool
	// Arrival, when set, is the interface by which API connections arrive: they pass the router's
	// own filter, with every sentence, and what it drops never arrives.
	Arrival string
	// Fingerprint is the SHA-256, in hexadecimal digits, of the certificate that the listener for
	// TLS shows: a certificate that is signed on the router gets it. Empty: one by chance.
	Fingerprint string
	// Fault is called for every request before it is executed; nil means no faults.
	Fault Fault
	Knobs Knobs
}

// NoSerial is the serial number of a router that tells none.
const NoSerial = "-"

// Router is one simulated router. Its methods may be called by several goroutines.
type Router struct {
	options Options

	mu       sync.Mutex
	clock    clock
	identity string
	booted   time.Time
	tables   tables
	sessions sessions
	numbered int // sessions so far
	safe     *safeMode
	world    *firewall.Firewall // of the tables, as they were when a packet came last
	outdated bool               // they have changed since
	flows    flows
	expiry   time.Time // the earliest moment of a timed effect; zero if there is none
	jobs     scheduler
	down     time.Time // until then nobody is answered, after a reboot
}

// New returns a router that runs.
func New(o Options) *Router {
	if o.Version == (routeros.Version{}) {
		o.Version = routeros.Version{Major: 7, Minor: 20}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Identity == "" {
		o.Identity = "MikroTik"
	}
	if o.Board == "" {
		o.Board = cloudRouter
	}
	switch o.Serial {
	case "":
		o.Serial = rand.Text()[:12]
	case NoSerial:
		o.Serial = ""
	}
	if o.Users == nil {
		o.Users = []User{{Name: "admin", Group: "full"}}
	}
	r := &Router{
		options: o, identity: o.Identity, booted: o.Now(), tables: tables{},
		sessions: sessions{}, flows: flows{}, world: firewall.NewFirewall(routeros.Snapshot{}), outdated: true,
	}
	r.clock.options, r.jobs.router = &r.options, r
	r.tables.furnish(r.options)
	r.history().begin(r.clock.wall(r.booted))
	return r
}

// furnish fills the tables that every router has rows in.
func (t tables) furnish(o Options) {
	for _, s := range routeros.Services() {
		if s.Name == "reverse-proxy" && !o.Version.AtLeast(7, 22) {
			continue
		}
		t.addService(s, o.Version)
	}
	for _, g := range append(defaultGroups(), o.Groups...) {
		t.of(routeros.UserGroup).append("name", g.Name, "policy", g.Policy)
	}
	for _, u := range o.Users {
		group := u.Group
		if group == "" {
			group = "full"
		}
		w := t.of(routeros.User).append("name", u.Name, "group", group, "address", u.Address, "disabled", "false")
		w.password, w.anyPassword = u.Password, u.AnyPassword
	}
	for _, name := range []string{"all", "none", "dynamic", "static"} {
		t.of(routeros.InterfaceLists).append("name", name, "builtin", "true", "dynamic", "false", "include", "", "exclude", "").builtin = true
	}
}

func (t tables) addService(s routeros.Service, v routeros.Version) {
	services := t.of(routeros.ServiceMenu)
	disabled := s.Disabled || s.Name == "reverse-proxy"
	w := services.append("name", s.Name, "port", itoa(int(s.Port)), "address", routeros.JoinPrefixes(s.From), "disabled", routeros.FormatBool(disabled), "invalid", "false")
	w.id = serviceID(s.Name)
	services.next = max(services.next, w.id+1, 11)
	if v.AtLeast(7, 19) {
		w.attrs = w.attrs.With("dynamic", "false").With("proto", "tcp")
	}
	if v.AtLeast(7, 16) {
		w.attrs = w.attrs.With("max-sessions", "20")
	}
	if v.AtLeast(7, 0) {
		w.attrs = w.attrs.With("vrf", "main")
	}
	if strings.HasSuffix(s.Name, "-ssl") {
		certificate := s.Certificate
		if certificate == "" {
			certificate = "none"
		}
		w.attrs = w.attrs.With("certificate", certificate).With("tls-version", "any")
	}
}

// serviceID is the id that a service's row was seen with (routeros-facts § 4: telnet *0, ftp *1,
// api *7).
func serviceID(name string) uint32 {
	ids := map[string]uint32{"telnet": 0, "ftp": 1, "www": 2, "ssh": 3, "www-ssl": 4, "api": 7, "winbox": 8, "api-ssl": 9, "reverse-proxy": 10}
	return ids[name]
}

// defaultGroups are the three that every router has (routeros-facts § 9).
func defaultGroups() []Group {
	const read = "local,telnet,ssh,reboot,read,test,winbox,password,web,sniff,sensitive,api,romon,rest-api"
	return []Group{
		{"read", read + ",!ftp,!write,!policy"},
		{"write", read + ",write,!ftp,!policy"},
		{"full", "local,telnet,ssh,ftp,reboot,read,write,policy,test,winbox,password,web,sniff,sensitive,api,romon,rest-api"},
	}
}
