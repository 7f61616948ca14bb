package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
)

// secrets holds passwords that were found once. A person is asked once for all routers and sessions
// that share the answer, and a command runs once.
type secrets struct {
	mu    sync.Mutex
	found map[string]*secret
}

// secret is one of them.
type secret struct {
	mu       sync.Mutex
	found    bool
	password string
	err      error
}

// get returns the secret of a key, found at the first call.
func (s *secrets) get(ctx context.Context, key string, find func() (string, error)) (string, error) {
	s.mu.Lock()
	one := s.found[key]
	if one == nil {
		one = &secret{}
		if s.found == nil {
			s.found = map[string]*secret{}
		}
		s.found[key] = one
	}
	s.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.found {
		return one.password, one.err
	}
	password, err := find()
	if ctx.Err() == nil {
		one.found, one.password, one.err = true, password, err
	}
	return password, err
}

// password finds the password for a router: what the command line says, then the inventory, the
// environment, the keyring, the question. It never comes from an argument, which everybody on the
// machine could read. An empty password is used only where it was given: by an empty file, a
// command that prints nothing, or an empty answer. An empty environment variable is ignored, since
// a missing secret looks like that.
func (e access) password(ctx context.Context, r router) (string, error) {
	if c := e.passwordPlace(r); c != (plans.Credential{}) {
		return e.credential(ctx, c, r)
	}
	if p := e.getenv("ROSKNOCK_PASSWORD"); p != "" {
		return p, nil
	}
	for _, name := range []string{r.target.User + "@" + r.Name, r.target.User} {
		if p, err := e.secrets.get(ctx, "keyring "+name, func() (string, error) { return e.fromKeyring(name, false) }); err != nil || p != "" {
			return p, err
		}
	}
	if e.inTerminal {
		return e.credential(ctx, plans.Credential{Kind: plans.Ask}, r)
	}
	return "", usagef("%s: no password for %s was found, and there is no terminal to ask on: use ROSKNOCK_PASSWORD, --password-file, --password-command or the keyring; "+
		"a user without a password, as a new router has, is --password-file %s", r.Name, r.target.User, os.DevNull)
}

// passwordPlace is where the inventory or the settings say that the password for a router is kept;
// nothing where they don't.
func (s settings) passwordPlace(r router) plans.Credential {
	switch {
	case r.credential != plans.Credential{}:
		return r.credential
	case s.PasswordFile != "":
		return plans.Credential{Kind: plans.FromFile, Value: s.PasswordFile}
	case s.PasswordCommand != "":
		return plans.Credential{Kind: plans.FromCommand, Value: s.PasswordCommand}
	}
	return plans.Credential{}
}

// credential finds a secret where it is kept. ${router} stands for the router's name, whose
// alphabet is safe in commands and files.
func (e env) credential(ctx context.Context, c plans.Credential, r router) (string, error) {
	c.Value = strings.ReplaceAll(c.Value, "${router}", r.Name)
	key := c.String()
	if c.Kind == plans.Ask {
		key += " " + r.target.User
	}
	return e.secrets.get(ctx, key, func() (string, error) {
		switch c.Kind {
		case plans.FromEnv:
			if p := e.getenv(c.Value); p != "" {
				return p, nil
			}
			return "", invalid(fmt.Errorf("%s: the environment has no %s", r.Name, c.Value))
		case plans.FromFile:
			return e.passwordFile(c.Value)
		case plans.FromCommand:
			return e.passwordCommand(ctx, c.Value)
		case plans.FromKeyring:
			return e.fromKeyring(c.Value, true)
		default:
			return e.ask(ctx, fmt.Sprintf("password of %s: ", r.target.User))
		}
	})
}

// keyringService is the service under which rosknock's passwords stand in a keyring; the account is
// USER@ROUTER, USER, or the name that an inventory gives.
const keyringService = "rosknock"

// fromKeyring looks into the system's keyring. One that has no such entry, or that is not there, is
// only an error when it was named.
func (e env) fromKeyring(name string, needed bool) (string, error) {
	if e.keyring == nil || !needed && runtime.GOOS == "linux" && e.getenv("DBUS_SESSION_BUS_ADDRESS") == "" {
		if needed {
			return "", fmt.Errorf("keyring:%s: there is no keyring here: name another place, file:PATH or command:LINE", name)
		}
		return "", nil
	}
	p, err := e.keyring(keyringService, name)
	if err != nil && needed {
		return "", invalid(fmt.Errorf("keyring:%s: %w; put it in under the service %s and the account %s, or name another place where no keyring runs: file:PATH or command:LINE", name, err, keyringService, name))
	}
	if err != nil {
		return "", nil //nolint:nilerr // without an entry the person is asked
	}
	return p, nil
}

func (e env) passwordFile(name string) (string, error) {
	text, err := e.secretFile(name)
	if err != nil {
		return "", invalid(fmt.Errorf("password: %w", err))
	}
	return text, nil
}

// secretFile reads a secret from a file, and warns when others can read it too.
func (e env) secretFile(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if readByOthers(info) {
		view.Say(e.err, "rosknock: warning: %s can be read by others: chmod 600 %s\n", name, name)
	}
	text, err := os.ReadFile(name)
	return trimNewline(string(text)), err
}

func (e env) passwordCommand(ctx context.Context, line string) (string, error) {
	command := shellCommand(ctx, line)
	command.Stderr = e.err
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("password command: %w", err)
	}
	return trimNewline(string(out)), nil
}

// shellCommand is a command line of the operator. What it leaves running when it is ended does not
// hold up the program.
func shellCommand(ctx context.Context, line string) *exec.Cmd {
	shell, flag := "sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/c"
	}
	command := exec.CommandContext(ctx, shell, flag, line) //nolint:gosec // the operator's own command
	command.WaitDelay = time.Second
	return command
}

// trimNewline drops one line end: editors and commands add it, and no password ends in one.
func trimNewline(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r") }
