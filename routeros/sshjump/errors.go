package sshjump

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/rosknock/rosknock/routeros"
)

// HopError says at which jump host the connection failed. Err is the reason: one of this package's
// other types if there is one.
type HopError struct {
	Number, Of int // the first is 1
	Hop        Hop
	Err        error
}

// Error implements error.
func (e *HopError) Error() string {
	return fmt.Sprintf("jump host %d of %d, %s: %v", e.Number, e.Of, e.Hop, e.Err)
}

// Unwrap returns why.
func (e *HopError) Unwrap() error { return e.Err }

// UnknownHostError says that no known_hosts file holds a key for the host.
type UnknownHostError struct {
	Host        string   // as known_hosts writes it
	KeyType     string   // such as ssh-ed25519
	Fingerprint string   // SHA256:…
	Line        string   // what known_hosts would hold, once the fingerprint has been compared
	Files       []string // where it was looked for
	login       string   // how to log in there with ssh
	scan        string   // how to fetch the key, where ssh-keyscan can
}

// Error implements error.
func (e *UnknownHostError) Error() string {
	where := "there is no known_hosts file"
	if len(e.Files) > 0 {
		where = "it is not in " + strings.Join(e.Files, " nor in ")
	}
	text := fmt.Sprintf("the host shows the %s key %s, which is not known (%s): compare the fingerprint with the one that ssh-keygen -lf shows on the host itself, then log in once with: %s",
		e.KeyType, e.Fingerprint, where, e.login)
	if e.scan != "" {
		text += ", or add what this prints to known_hosts: " + e.scan
	}
	return text
}

// ChangedHostError says that the host shows another key than known_hosts has for it: it was set up
// anew, or there is a man in the middle.
type ChangedHostError struct {
	Host        string   // as known_hosts writes it
	KeyType     string   // of the key that is shown
	Fingerprint string   // of the key that is shown
	Known       []string // the keys that known_hosts holds, each as type, fingerprint and file:line
	File        string   // the first file that holds one
}

// Error implements error.
func (e *ChangedHostError) Error() string {
	return fmt.Sprintf("THE HOST KEY HAS CHANGED, SOMEBODY MAY INTERCEPT THE CONNECTION: the host shows the %s key %s, but known is %s: do not continue; "+
		"only if the host was set up anew and you have compared the fingerprint on the host itself, forget the old key with: ssh-keygen -f %s -R %s",
		e.KeyType, e.Fingerprint, strings.Join(e.Known, ", "), quoted(e.File), quoted(e.Host))
}

// RevokedHostError says that the host shows a key that known_hosts marks as revoked.
type RevokedHostError struct {
	Fingerprint string
	Where       string // file:line
}

// Error implements error.
func (e *RevokedHostError) Error() string {
	return fmt.Sprintf("THE HOST SHOWS A REVOKED KEY, SOMEBODY MAY INTERCEPT THE CONNECTION: %s is marked @revoked in %s: do not continue; give the host a new key", e.Fingerprint, e.Where)
}

// HostCertificateError says that the host shows a certificate of a known authority that is not
// valid: expired, for another name, or revoked.
type HostCertificateError struct {
	Authority string // fingerprint of the authority's key
	What      string
}

// Error implements error.
func (e *HostCertificateError) Error() string {
	return fmt.Sprintf("the host's certificate, signed by %s, is not valid (%s): have the authority sign a new one for the name that you use", e.Authority, e.What)
}

// AuthError says that the host accepted none of the keys.
type AuthError struct {
	User    string
	What    string
	Tried   []string // keys that the host saw and did not take: agent or file, and fingerprint
	Skipped []string // keys that could not be used, and why
}

// Error implements error.
func (e *AuthError) Error() string {
	text := fmt.Sprintf("the login as %q failed: %s", e.User, e.What)
	if len(e.Tried) > 0 {
		text += "; tried: " + strings.Join(e.Tried, ", ")
	}
	if len(e.Skipped) > 0 {
		text += "; not used: " + strings.Join(e.Skipped, ", ")
	}
	return text + ": add your public key to the user's authorized_keys on that host, and load the private key into the agent (ssh-add) or name its file"
}

// ProhibitedError says that the jump host does not forward to that address.
type ProhibitedError struct{ Address string }

// Error implements error.
func (e *ProhibitedError) Error() string {
	return fmt.Sprintf("the host does not permit forwarding to %s: allow it in its sshd_config (AllowTcpForwarding, DisableForwarding, PermitOpen) or in the key's line in authorized_keys", e.Address)
}

// DestinationError says that the last jump host does forward, but could not reach the destination.
// errors.Is matches syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH and ETIMEDOUT if the host said
// so.
type DestinationError struct {
	Address string
	Via     Hop    // the host that tried
	Message string // its words
	errno   error
}

// Error implements error.
func (e *DestinationError) Error() string {
	remedy := "check the address, and the route and firewall between that host and the destination"
	if errors.Is(e.errno, syscall.ECONNREFUSED) {
		remedy = "the port is closed there: check its number, and that the service runs"
	}
	return fmt.Sprintf("%s cannot be reached from the jump host %s (%s): %s", e.Address, e.Via, e.Message, remedy)
}

// Unwrap returns the error number that the host's words mean, if any.
func (e *DestinationError) Unwrap() error { return e.errno }

// failure is an error without a type of its own. It has no cause for errors.Is, unless one is
// given: a jump host's closed port must not look like a closed port of the destination.
type failure struct {
	what, remedy string
	cause        error
}

// Error implements error.
func (e *failure) Error() string { return e.what + ": " + e.remedy }

// Unwrap returns the cause, if it may be seen.
func (e *failure) Unwrap() error { return e.cause }

var errTimeout = errors.New("no answer in time")

// lost is what readers and writers get when the chain breaks under them.
func lost() error {
	return &failure{"the connection to the host was lost", "connect again", io.ErrUnexpectedEOF}
}

// hopUnreachable says why a hop can't be reached; from is the hop before it, if any.
func hopUnreachable(err error, from *Hop) error {
	where := ""
	if from != nil {
		where = fmt.Sprintf(" from %s", from)
	}
	if isRefused(err) {
		return &failure{"the port is closed" + where, "check its number, and that sshd runs there", nil}
	}
	if open, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
		if prohibits(open) {
			return &failure{fmt.Sprintf("%s does not permit forwarding to it", from), "allow it there in sshd_config (AllowTcpForwarding, DisableForwarding, PermitOpen)", nil}
		}
		return &failure{fmt.Sprintf("it cannot be reached%s (%s)", where, clean(open.Message)), "check the address, and the route and firewall between the two", nil}
	}
	return &failure{fmt.Sprintf("it cannot be reached%s (%s)", where, clean(err.Error())), "check the address, the network and the firewalls on the way", nil}
}

// isRefused also knows the words of servers and of other dialers.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(strings.ToLower(err.Error()), "refused")
}

func prohibits(open *ssh.OpenChannelError) bool {
	return open.Reason == ssh.Prohibited || open.Reason == ssh.UnknownChannelType
}

// destinationError gives a host's answer to an attempt at forwarding its type.
func destinationError(open *ssh.OpenChannelError, address string, via Hop) error {
	switch {
	case prohibits(open):
		return &ProhibitedError{address}
	case open.Reason == ssh.ResourceShortage:
		return &failure{"the host accepts no further connection", "use fewer at once, or see the limits of its sshd", nil}
	}
	return &DestinationError{address, via, clean(open.Message), errnoOf(open.Message)}
}

// errnoOf reads strerror texts of the systems that sshd runs on.
func errnoOf(message string) error {
	text := strings.ToLower(message)
	switch {
	case strings.Contains(text, "refused"):
		return syscall.ECONNREFUSED
	case strings.Contains(text, "network is unreachable"):
		return syscall.ENETUNREACH
	case strings.Contains(text, "no route to host"), strings.Contains(text, "unreachable"):
		return syscall.EHOSTUNREACH
	case strings.Contains(text, "timed out"), strings.Contains(text, "timeout"):
		return syscall.ETIMEDOUT
	}
	return nil
}

// clean makes text of the other side printable: visible, on one line, and bounded.
func clean(text string) string {
	const most = 200
	return routeros.Visible(strings.TrimSpace(text), most)
}
