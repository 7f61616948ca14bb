package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// router is one router of the command line.
type router struct {
	name   string // host, or host:port where it was given
	target api.Target
	secret *secret
}

// secret is a password that was found once: who is asked, is asked once for all sessions to a router.
type secret struct {
	mu       sync.Mutex
	found    bool
	password string
}

// get returns the password, found at the first call.
func (s *secret) get(find func() (string, error)) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found {
		return s.password, nil
	}
	password, err := find()
	if err == nil {
		s.found, s.password = true, password
	}
	return password, err
}

// routersOf reads the --router flags and how their certificates are to be trusted.
func routersOf(s settings) ([]router, error) {
	if len(s.routers) == 0 {
		return nil, usagef("no router: name one with --router [user@]host[:port]")
	}
	trust := api.Trust{Pin: s.TLSPin, Insecure: s.TLSInsecure}
	if s.TLSCA != "" {
		pem, err := os.ReadFile(s.TLSCA)
		if err != nil {
			return nil, invalid(fmt.Errorf("--tls-ca: %w", err))
		}
		trust.Roots = x509.NewCertPool()
		if !trust.Roots.AppendCertsFromPEM(pem) {
			return nil, invalid(fmt.Errorf("--tls-ca %s: no certificate in PEM form is in it", s.TLSCA))
		}
	}
	var out []router
	for _, text := range s.routers {
		user, host, hasUser := cutLast(text, "@")
		if !hasUser {
			user, host = s.User, text
		}
		if host == "" || user == "" || strings.ContainsAny(host, " /") {
			return nil, usagef("--router %q: [user@]host[:port] is expected", text)
		}
		if _, port, err := net.SplitHostPort(host); err == nil {
			if n, err := routeros.ParsePort(port); err != nil || n == 0 {
				return nil, usagef("--router %q: the port is a number from 1 to 65535", text)
			}
		}
		out = append(out, router{name: host, secret: &secret{}, target: api.Target{
			Address: host, User: user, Transport: api.Transport(s.Transport), Trust: trust, Timeout: s.Timeout,
		}})
	}
	return out, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// password finds the password of a user: file, command, environment, prompt. It never comes from an
// argument, which everybody on the machine could read.
func (e env) password(ctx context.Context, s settings, user string) (string, error) {
	switch {
	case s.PasswordFile != "":
		return e.passwordFile(s.PasswordFile)
	case s.PasswordCommand != "":
		return e.passwordCommand(ctx, s.PasswordCommand)
	}
	if p := e.getenv("ROSKNOCK_PASSWORD"); p != "" {
		return p, nil
	}
	if e.inTerminal {
		return e.prompt(ctx, fmt.Sprintf("password of %s: ", user))
	}
	// RouterOS has users without a password, the factory's admin for one; the router decides.
	return "", nil
}

func (e env) passwordFile(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", invalid(fmt.Errorf("--password-file: %w", err))
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		fmt.Fprintf(e.err, "rosknock: warning: %s can be read by others: chmod 600 %s\n", name, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", invalid(fmt.Errorf("--password-file: %w", err))
	}
	return trimNewline(string(text)), nil
}

func (e env) passwordCommand(ctx context.Context, line string) (string, error) {
	shell, flag := "sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/c"
	}
	command := exec.CommandContext(ctx, shell, flag, line) //nolint:gosec // the operator's own command
	command.Stderr = e.err
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("--password-command: %w", err)
	}
	return trimNewline(string(out)), nil
}

// trimNewline drops one line end: editors and commands add it, and no password ends in one.
func trimNewline(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r") }

// prompt asks on the terminal, without echo. Ctrl-C ends the question and leaves the terminal as it was.
func (e env) prompt(ctx context.Context, text string) (string, error) {
	fmt.Fprint(e.err, text)
	defer fmt.Fprintln(e.err)
	file, ok := e.in.(*os.File)
	if !ok {
		return "", errors.New("the password can't be asked for here: use ROSKNOCK_PASSWORD or --password-file")
	}
	fd := int(file.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	answer, err := answered(ctx, func() (string, error) {
		p, err := term.ReadPassword(fd)
		return string(p), err
	})
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(fd, state))
	}
	return answer, err
}

// answered waits for an answer or for the end of the context; a read from a terminal can't be called off, so it is left
// behind.
func answered(ctx context.Context, ask func() (string, error)) (string, error) {
	type reply struct {
		text string
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		text, err := ask()
		replies <- reply{text, err}
	}()
	select {
	case r := <-replies:
		return r.text, r.err
	case <-ctx.Done():
		return "", errInterrupted
	}
}

var errInterrupted = errors.New("interrupted; nothing was changed")

// connect logs in to a router.
func (e env) connect(ctx context.Context, s settings, r router) (*api.Session, error) {
	password, err := r.secret.get(func() (string, error) { return e.password(ctx, s, r.target.User) })
	if err != nil {
		return nil, err
	}
	return api.Dial(ctx, r.target, password, api.Options{Dial: e.dial, Log: e.logger(s)})
}

// logger logs to standard error when asked to, and nowhere otherwise.
func (e env) logger(s settings) *slog.Logger {
	w := io.Discard
	if s.Verbose {
		w = e.err
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// style is how results look for these settings.
func (e env) style(s settings) view.Style {
	color := s.Color == "always" || s.Color == "auto" && e.outTerminal
	if e.getenv("NO_COLOR") != "" && s.Color != "always" {
		color = false
	}
	return view.Style{Width: e.width, Color: color, Reveal: s.Reveal}
}

// operators returns the addresses from which this session may come, as the router sees it: those of the user's
// sessions over the API. Where the router does not tell, it is this end's own address, which NAT may change.
func operators(s routeros.Snapshot, session *api.Session, user string) []netip.Addr {
	var found []netip.Addr
	for _, a := range s.Active {
		addr, err := netip.ParseAddr(a.Address)
		if err == nil && a.Name == user && strings.HasPrefix(a.Via, "api") && !slices.Contains(found, addr) {
			found = append(found, addr)
		}
	}
	if len(found) > 0 {
		return found
	}
	if local, err := netip.ParseAddrPort(session.LocalAddr().String()); err == nil {
		return []netip.Addr{local.Addr().Unmap()}
	}
	return nil
}
