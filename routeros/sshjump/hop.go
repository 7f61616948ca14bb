// Package sshjump reaches routers through SSH hosts, as ssh -J does.
//
// [Open] takes the hosts on the way; [Way.DialContext] logs in to them one through the other, once,
// and then opens a forwarded TCP connection for each call over that same chain. Host keys are
// checked against known_hosts alone, and logins use the agent and key files alone. The package
// never asks for nor sends a password, never accepts a host key that it does not know, never writes
// known_hosts, never reads ~/.ssh/config, and runs no command on the hosts it passes: [Way.Run] runs
// one on the last, when asked. No error
// shows a secret.
//
//	hops, err := sshjump.ParseHops("ann@gate.example.net,bob@10.0.0.2:2222")
//	way := sshjump.Open(hops, sshjump.Options{AgentSocket: os.Getenv("SSH_AUTH_SOCK")})
//	defer way.Close()
//	conn, err := way.DialContext(ctx, "tcp", "192.168.88.1:8729")
package sshjump

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const defaultPort = 22

// Hop is one SSH host on the way. Port zero means 22.
type Hop struct {
	User, Host string
	Port       uint16
}

// Address returns host:port, or [v6]:port.
func (h Hop) Address() string {
	return net.JoinHostPort(h.Host, strconv.Itoa(int(h.port())))
}

// String returns user@host:port, which [ParseHops] reads back.
func (h Hop) String() string { return h.User + "@" + h.Address() }

func (h Hop) port() uint16 {
	if h.Port == 0 {
		return defaultPort
	}
	return h.Port
}

// ParseHops reads user@host[:port], several in the order in which they are passed, with commas
// between. An IPv6 address stands in brackets. Errors show no text that may be a password.
func ParseHops(text string) ([]Hop, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("no jump host is named: write user@host or user@host:port, several with commas between")
	}
	parts := strings.Split(text, ",")
	hops := make([]Hop, 0, len(parts))
	for i, part := range parts {
		hop, err := parseHop(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("jump host %d of %d: %w", i+1, len(parts), err)
		}
		hops = append(hops, hop)
	}
	return hops, nil
}

func parseHop(text string) (Hop, error) {
	if text == "" {
		return Hop{}, fmt.Errorf("it is empty: remove the extra comma")
	}
	if strings.HasPrefix(text, "ssh:") {
		return Hop{}, fmt.Errorf("it begins with ssh: like an address of the web: write user@host:port alone")
	}
	at := strings.LastIndexByte(text, '@') // as OpenSSH: a user name may hold an @
	if at < 0 {
		return Hop{}, fmt.Errorf("it names no user: write user@host or user@host:port")
	}
	user := text[:at]
	if err := checkUser(user); err != nil {
		return Hop{}, err
	}
	host, port, err := splitPort(text[at+1:])
	if err != nil {
		return Hop{}, err
	}
	return Hop{user, host, port}, nil
}

func checkUser(user string) error {
	switch {
	case user == "":
		return fmt.Errorf("the user before the @ is empty: write user@host")
	case strings.ContainsRune(user, ':'):
		return fmt.Errorf("its user holds a colon: passwords do not belong here and are never sent; use a key or the agent")
	case strings.HasPrefix(user, "-"):
		return fmt.Errorf("its user begins with a hyphen, which ssh takes for an option: check the name")
	case strings.ContainsFunc(user, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '\ufffd' || strings.ContainsRune("'`\"$;&<>|(){}", r)
	}):
		return fmt.Errorf("its user holds a blank, a quote or a character that no SSH user name has: check the name")
	}
	return nil
}

// splitPort reads host, host:port and [v6]:port.
func splitPort(text string) (host string, port uint16, err error) {
	if inner, bracketed := strings.CutPrefix(text, "["); bracketed {
		inner, rest, closed := strings.Cut(inner, "]")
		if !closed {
			return "", 0, fmt.Errorf("the bracket of %q is not closed: write [address]:port", text)
		}
		address, err := netip.ParseAddr(inner)
		if err != nil || !address.Is6() {
			return "", 0, fmt.Errorf("%q in brackets is not an IPv6 address: only those need brackets", inner)
		}
		port, err = parsePort(rest, text)
		if err == nil {
			host, err = address.String(), checkHost(strings.ReplaceAll(inner, "%", ""))
		}
		return host, port, err
	}
	if strings.Count(text, ":") > 1 {
		return "", 0, fmt.Errorf("%q holds several colons: put an IPv6 address into brackets, as in user@[2001:db8::1]:22", text)
	}
	host, rest, colon := strings.Cut(text, ":")
	if colon {
		rest = ":" + rest
	}
	if err := checkHost(host); err != nil {
		return "", 0, err
	}
	port, err = parsePort(rest, text)
	return strings.ToLower(host), port, err
}

func checkHost(host string) error {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_:", r)
	}
	switch {
	case host == "":
		return fmt.Errorf("the host after the @ is empty: write user@host")
	case strings.HasPrefix(host, "-"):
		return fmt.Errorf("the host %q begins with a hyphen, which no host name does: check the name", host)
	case strings.ContainsFunc(host, odd):
		return fmt.Errorf("the host %q holds a character that no host name has: use letters, digits, dots and hyphens, or an address", host)
	}
	return nil
}

// parsePort reads ":port" or nothing.
func parsePort(rest, text string) (uint16, error) {
	if rest == "" {
		return defaultPort, nil
	}
	digits, colon := strings.CutPrefix(rest, ":")
	port, err := strconv.ParseUint(digits, 10, 16)
	if !colon || err != nil || port == 0 {
		return 0, fmt.Errorf("the port of %q is not valid: write a number from 1 to 65535 after the colon, or leave both out for port 22", text)
	}
	return uint16(port), nil
}
