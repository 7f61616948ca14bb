package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// SSHHost is a router, or a door of one, to which ssh goes through rosknock.
type SSHHost struct {
	Name, Address string // its name for ssh, and its address
	User          string
	Plan          plans.Plan
	File          string // of the plan, as this machine finds it
	Door          plans.Door
	Identity      string // the router's own name, of a door that rotates
}

// SSH returns Host blocks for ~/.ssh/config. They hold no knock: rosknock reads the plan when ssh
// starts it.
func SSH(hosts []SSHHost) (string, error) {
	var b strings.Builder
	b.WriteString(comment("#", "Host blocks for ssh: rosknock knocks, waits until the door is open, and connects ssh to it. This file holds no knock.",
		"Name this file in ~/.ssh/config, above the first Host: Include FILE"))
	for _, h := range hosts {
		line, err := h.proxy()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\nHost %s\n    HostName %s\n    Port %d\n", h.Name, h.Address, SSHPort(h.Plan))
		if h.User != "" {
			fmt.Fprintf(&b, "    User %s\n", h.User)
		}
		fmt.Fprintf(&b, "    ProxyCommand %s\n", line)
	}
	return b.String(), nil
}

// proxy is the command line, which a shell parses after ssh has inserted host and port.
func (h SSHHost) proxy() (string, error) {
	words := []string{"rosknock", "knock", h.File, "--door", h.Door.Name, "--connect", "%h:%p", "--quiet"}
	if h.Identity != "" {
		words = append(words, "--identity", h.Identity)
	}
	for i, w := range words {
		if strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", errors.New("ssh-config: the name of the plan's file or of the router holds a line end or the like: rename it")
		}
		if w != "%h:%p" {
			words[i] = shellWord(strings.ReplaceAll(w, "%", "%%"))
		}
	}
	for _, w := range []string{h.Name, h.Address, h.User} {
		if strings.ContainsAny(w, " \t\r\n\"'*?!#") {
			return "", fmt.Errorf("ssh-config: %q can't stand in a Host block: give the router another name, or the user", w)
		}
	}
	return strings.Join(words, " "), nil
}

// shellWord quotes a word for a shell where it needs that.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("/._-+:,@%", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !safe(r) }) {
		return s
	}
	return single(s)
}

// SSHPort is the port of the router's ssh in a plan.
func SSHPort(p plans.Plan) uint16 {
	for _, moved := range p.Services.Ports {
		if moved.Name == "ssh" {
			return moved.Port
		}
	}
	return 22
}

// OpensSSH reports whether a door opens the router's ssh.
func OpensSSH(p plans.Plan, d plans.Door) bool {
	return slices.ContainsFunc(d.Opens, func(t plans.Target) bool {
		switch t.Kind {
		case plans.Everything:
			return true
		case plans.ServiceTarget:
			return t.Name == "ssh"
		case plans.PortTarget:
			return t.Protocol == "tcp" && covers(t.Port, SSHPort(p))
		}
		return false
	})
}

func covers(r routeros.PortRange, port uint16) bool { return r.First <= port && port <= r.Last }
