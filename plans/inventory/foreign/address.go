package foreign

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// endpoint is an address that has been read.
type endpoint struct {
	host string
	port uint16 // 0 when there is none
}

// String returns host or host:port, with an IPv6 host in brackets when a port follows.
func (e endpoint) String() string {
	switch {
	case e.port == 0:
		return e.host
	case strings.Contains(e.host, ":"):
		return "[" + e.host + "]:" + strconv.Itoa(int(e.port))
	}
	return e.host + ":" + strconv.Itoa(int(e.port))
}

// The reasons never quote the address: people write user:password@host.
var (
	errNoAddress  = errors.New("it has no address")
	errMAC        = errors.New("its address is a MAC address: rosknock needs an IP address or a host name")
	errURL        = errors.New("its address is a URL: write only the host")
	errCredential = errors.New("its address holds an @: write only the host")
	errAddress    = errors.New("its address is neither an IP address nor a host name")
	errPort       = errors.New("the port in its address is not between 1 and 65535")

	macAddress = regexp.MustCompile(`^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$`)
	hostName   = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?$`)
	zoned      = regexp.MustCompile(`%[A-Za-z0-9_.-]+$`)
)

// parseAddress reads host, host:port, an IPv6 address with or without brackets, and an address with
// the length of its prefix, which is dropped.
func parseAddress(text string) (endpoint, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return endpoint{}, errNoAddress
	case macAddress.MatchString(text):
		return endpoint{}, errMAC
	case strings.Contains(text, "://"):
		return endpoint{}, errURL
	case strings.Contains(text, "@"):
		return endpoint{}, errCredential
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return endpoint{host: p.Addr().String()}, nil
	}
	if isIP(text) {
		return endpoint{host: text}, nil
	}
	host, port, err := splitPort(text)
	if err != nil {
		return endpoint{}, err
	}
	if !isIP(host) && !isHostName(host) {
		return endpoint{}, errAddress
	}
	return endpoint{host: host, port: port}, nil
}

// splitPort cuts the port off. Brackets go.
func splitPort(text string) (string, uint16, error) {
	host, rest := text, ""
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if host, rest, ok = strings.Cut(inner, "]"); !ok || !isIP(host) {
			return "", 0, errAddress
		}
	} else if i := strings.IndexByte(text, ':'); i >= 0 {
		host, rest = text[:i], text[i:]
	}
	if rest == "" {
		return host, 0, nil
	}
	digits, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return "", 0, errAddress
	}
	port, ok := parsePort(digits)
	if !ok {
		return "", 0, errPort
	}
	return host, port, nil
}

func parsePort(text string) (uint16, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil || n == 0 {
		return 0, false
	}
	return uint16(n), true
}

func isIP(text string) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && (addr.Zone() == "" || zoned.MatchString(text))
}

// isHostName takes names whose last label is not a number: 192.0.2.300 is a typo, not a name.
func isHostName(text string) bool {
	if !hostName.MatchString(text) || strings.Contains(text, "..") {
		return false
	}
	label := strings.TrimSuffix(text, ".")
	label = label[strings.LastIndexByte(label, '.')+1:]
	return strings.ContainsFunc(label, func(r rune) bool { return r < '0' || r > '9' })
}
