package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
)

// simOptions is what rosknock sim is asked for.
type simOptions struct {
	listen  string
	count   int
	version string
	load    string
	rtt     time.Duration
	pace    int
	tls     bool
	arrival string
	silence time.Duration
	mode    string
	flagged bool
	write   string
	packets bool
	ntp     string
	zone    string
	serial  string
	clock   func() time.Time // of the routers; nil is the machine's
}

func newSim(e env) *cobra.Command {
	var o simOptions
	c := &cobra.Command{
		Use:   "sim",
		Short: "Run simulated routers on this machine",
		Long: `Run simulated routers that speak the RouterOS API, to try plans on. They know the
user of --user with the password in ROSKNOCK_PASSWORD; when that is not set, any password works.
They hold MikroTik's default configuration, unless --load names an export. They stop with Ctrl-C,
and nothing is kept.

With --packets, you type packets, written as for rosknock trace. They arrive at the routers and pass
their firewall: lists fill, doors open.`,
		Example: `  rosknock sim --listen 127.0.0.1:8728 --version 7.20
  rosknock sim --listen 127.0.0.1:8729 --tls --load router.rsc
  rosknock sim --packets
  rosknock sim --listen 127.0.0.1:9000 --count 10 --rtt 20ms
  rosknock sim --listen 127.0.0.1:20000 --count 1000 --tls --write-inventory fleet.yaml`,
		Args: exactly(0, "sim takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			return serveRouters(c.Context(), e, o)
		}),
	}
	o.flags(c.Flags())
	return c
}

func (o *simOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "listen", "127.0.0.1:8728", "`ADDRESS` to listen on; port 0 takes a free one")
	f.IntVar(&o.count, "count", 1, "how many routers, on ports that follow each other")
	f.StringVar(&o.version, "version", "7.20", "RouterOS version, 6.43 to 7.24")
	f.StringVar(&o.load, "load", "", "export to load, a `FILE.rsc`")
	f.DurationVar(&o.rtt, "rtt", 0, "round trip of the line, also for connecting and TLS")
	f.IntVar(&o.pace, "print-pace", 0, "how many rows a second the router prints of a large address list, `N`, such as 5000 for a small router; 0: as fast as this machine can")
	f.StringVar(&o.write, "write-inventory", "", "write an inventory of the routers into a `FILE`, with their pins")
	f.BoolVar(&o.packets, "packets", false, "read packets from standard input, a line each: tcp 203.0.113.9 :22 --in ether1")
	f.BoolVar(&o.tls, "tls", false, "speak TLS with a certificate made for this run, as api-ssl does")
	f.StringVar(&o.arrival, "arrival", "", "let connections come in by this `INTERFACE` and pass the router's own filter")
	f.DurationVar(&o.silence, "silence", 9*time.Minute, "`TIME` without a packet after which the router takes a connection for dead")
	f.StringVar(&o.ntp, "ntp", "", "what the NTP client says, `STATE`: synchronized, waiting, using-local-clock; default: it is switched off")
	f.StringVar(&o.zone, "time-zone", "UTC", "`ZONE` of the routers' clocks, such as Europe/Berlin")
	f.StringVar(&o.serial, "serial", "", "the serial number, `TEXT`, to act as another box at the same address; - for none; default: one for each address")
	f.StringVar(&o.mode, "device-mode", "advanced", "`MODE`: advanced, or home, where the scheduler is off")
	f.BoolVar(&o.flagged, "flagged", false, "act as a device that RouterOS flagged as tampered with: it adds no scheduler entries")
}

// simulated is a router with its listener.
type simulated struct {
	router   *sim.Router
	listener net.Listener
	pin      string // with TLS
}

func serveRouters(ctx context.Context, e access, o simOptions) error {
	if o.packets && e.Output != "text" {
		return usagef("--packets answers in text: leave %s out", e.subject("output"))
	}
	routers, err := openRouters(e, o)
	if err != nil {
		return err
	}
	if o.write != "" {
		if err := writeNew(o.write, inventoryOf(e.settings, o, routers)); err != nil {
			return invalid(fmt.Errorf("--write-inventory: %w", err))
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	errs := make(chan error, len(routers))
	for _, r := range routers {
		wait.Go(func() { errs <- r.router.Serve(ctx, r.listener) })
	}
	e.remark("stop with Ctrl-C\n")
	if o.packets {
		// It may be waiting for a line when everything else has ended, and ends with the program.
		go arrivals(ctx, e.in, e.out, map[bool]string{true: "> "}[e.inTerminal], routers)
	}
	<-ctx.Done()
	wait.Wait()
	close(errs)
	var failed error
	for err := range errs {
		failed = errors.Join(failed, err)
	}
	return failed
}

func openRouters(e access, o simOptions) ([]simulated, error) {
	options, snapshot, err := simulate(e, o)
	if err != nil {
		return nil, err
	}
	host, port, err := listenAddress(o)
	if err != nil {
		return nil, err
	}
	var out []simulated
	for i := range o.count {
		if port > 0 {
			o.listen = net.JoinHostPort(host, strconv.Itoa(port+i))
		}
		if o.count > 1 {
			snapshot.Identity = fmt.Sprintf("sim-%04d", i+1)
		}
		r, err := openRouter(options, snapshot, o)
		if err != nil {
			for _, open := range out {
				open.listener.Close()
			}
			return nil, err
		}
		if !view.IsJSON(e.Output) {
			announce(e.out, r, options.Version)
		}
		out = append(out, r)
	}
	if !view.IsJSON(e.Output) {
		return out, nil
	}
	all := make([]view.Simulator, len(out))
	for i, r := range out {
		all[i] = view.Simulator{Address: r.listener.Addr().String(), Version: options.Version.String(), Pin: r.pin}
	}
	return out, view.Simulators(e.out, e.Output, all)
}

// inventoryOf is an inventory of the simulated routers.
func inventoryOf(s settings, o simOptions, routers []simulated) []byte {
	transport := api.Plain
	if o.tls {
		transport = api.TLS
	}
	var b bytes.Buffer
	_, port, _ := net.SplitHostPort(routers[0].listener.Addr().String()) // other routers have the same names elsewhere
	fmt.Fprintf(&b, "version: 1\ndefaults: {user: %s, transport: %s, site: sim-%s}\nrouters:\n", strconv.Quote(s.User), transport, port)
	for i, r := range routers {
		fmt.Fprintf(&b, "  sim-%04d: {address: %q", i+1, r.listener.Addr())
		if r.pin != "" {
			fmt.Fprintf(&b, ", tls-pin: %q", r.pin)
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}

func listenAddress(o simOptions) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(o.listen)
	if err != nil {
		return "", 0, usagef("--listen %s: host:port is expected", o.listen)
	}
	number, err := routeros.ParsePort(text)
	if err != nil {
		return "", 0, usagef("--listen %s: %w", o.listen, err)
	}
	if o.count < 1 || int(number)+o.count-1 > 65535 {
		return "", 0, usagef("--count %d: from 1 on, and the last port has to be 65535 at most", o.count)
	}
	return host, int(number), nil
}

// announce says where a router is to be found; scripts read the first word.
func announce(w io.Writer, r simulated, v routeros.Version) {
	line := fmt.Sprintf("%s RouterOS %s", r.listener.Addr(), v)
	if r.pin != "" {
		line += " --tls-pin " + r.pin
	}
	view.Say(w, "%s\n", line)
}

// simulate reads the export and returns what the routers are made of.
func simulate(e access, o simOptions) (sim.Options, routeros.Snapshot, error) {
	version, err := routeros.ParseVersion(o.version)
	if err != nil {
		return sim.Options{}, routeros.Snapshot{}, usagef("--version: %w", err)
	}
	if o.mode != "" && o.mode != "advanced" && o.mode != "home" {
		return sim.Options{}, routeros.Snapshot{}, usagef("--device-mode %s: advanced or home", o.mode)
	}
	if o.pace < 0 {
		return sim.Options{}, routeros.Snapshot{}, usagef("--print-pace %d: 0 or more", o.pace)
	}
	zone, err := time.LoadLocation(o.zone)
	if err != nil {
		return sim.Options{}, routeros.Snapshot{}, usagef("--time-zone: %w", err)
	}
	if !slices.Contains([]string{"", "synchronized", "waiting", "using-local-clock", "stopped"}, o.ntp) {
		return sim.Options{}, routeros.Snapshot{}, usagef("--ntp %s: synchronized, waiting, using-local-clock or stopped", o.ntp)
	}
	options := sim.Options{Version: version, PrintPace: o.pace, NTP: o.ntp, Zone: zone, Arrival: o.arrival, DeviceMode: o.mode, Flagged: o.flagged, Now: o.clock, Knobs: sim.Knobs{Silence: o.silence}, Users: []sim.User{{Name: e.User, Group: "full"}}}
	if options.Users[0].Password = e.getenv("ROSKNOCK_PASSWORD"); options.Users[0].Password == "" {
		options.Users[0].AnyPassword = true
		view.Say(e.err, "rosknock: ROSKNOCK_PASSWORD is not set: user %s gets in with any password\n", e.User)
	}
	name := "the default configuration"
	var text []byte
	if o.load != "" {
		name = o.load
		text, err = readFile(o.load, maxExport)
	} else {
		text, err = fixtures.Router(defaultConfiguration(version))
	}
	if err != nil {
		return options, routeros.Snapshot{}, invalid(err)
	}
	read := rsc.Read(text)
	snapshot, skipped := read.Snapshot(rsc.Options{Version: version})
	if o.load != "" {
		reportSkipped(e.err, e.settings, name, append(read.Skipped, skipped...))
	}
	service := "api"
	if o.tls {
		service = "api-ssl"
	}
	if reachable(&snapshot, service) {
		view.Say(e.err, "rosknock: %s: the export limits or disables %s, which is how this router is reached: it is open here\n", name, service)
	}
	options.IPv6Package = snapshot.HasMenu(routeros.Filter6)
	return options, fitting(snapshot, version), nil
}

// defaultConfiguration names the export of MikroTik's default configuration for a version.
func defaultConfiguration(v routeros.Version) string {
	switch {
	case v.Major < 7:
		return "defconf-6.49.rsc"
	case v.AtLeast(7, 21):
		return "defconf-7.24.rsc"
	default:
		return "defconf.rsc"
	}
}

// reachable opens the service on which a simulated router listens, and says whether it had to.
func reachable(s *routeros.Snapshot, service string) bool {
	for i := range s.Services {
		row := &s.Services[i]
		if row.Name == service && (row.Disabled || len(row.From) > 0) {
			row.Disabled, row.From = false, nil
			return true
		}
	}
	return false
}

// fitting adapts an export of one version to a router of another: settings that came or went.
func fitting(s routeros.Snapshot, v routeros.Version) routeros.Snapshot {
	s.Version = v
	for _, rules := range s.Rules {
		for i, r := range rules {
			rules[i] = r.Fitting(v)
		}
	}
	return s
}

func openRouter(options sim.Options, snapshot routeros.Snapshot, o simOptions) (simulated, error) {
	listener, err := net.Listen("tcp", o.listen) //nolint:noctx // listening does not block
	if err != nil {
		return simulated{}, err
	}
	if options.Serial = o.serial; o.serial == "" { // the same when it is started again
		sum := sha256.Sum256([]byte(listener.Addr().String()))
		options.Serial = base32.StdEncoding.EncodeToString(sum[:])[:12]
	}
	var certificate tls.Certificate
	if o.tls {
		if certificate, err = selfSigned(); err != nil {
			return simulated{}, errors.Join(err, listener.Close())
		}
		options.Fingerprint = strings.TrimPrefix(api.Pin(certificate.Leaf), "sha256:")
	}
	r := simulated{router: sim.New(options)}
	if err := r.router.Load(snapshot); err != nil {
		return r, errors.Join(invalid(fmt.Errorf("--load: %w", err)), listener.Close())
	}
	r.listener = listener
	if o.rtt > 0 {
		r.listener = farListener{listener, o.rtt}
	}
	if o.tls {
		r.pin = api.Pin(certificate.Leaf)
		r.listener = tls.NewListener(r.listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12})
	}
	return r, nil
}

// selfSigned makes a certificate for one run. RouterOS ends at TLS 1.2 (routeros-facts § 1.7).
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "simulated router"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
