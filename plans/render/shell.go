package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// Shell returns a script for a POSIX shell that plays the knock with common tools: bash, which
// opens connections itself, or otherwise nc; and ping for icmp stages.
func Shell(c Client) (string, error) {
	for n, s := range c.Door.Knock {
		if s.Protocol == "icmp" && s.Payload != "" {
			return "", &CannotError{ShellText, c.Door.Name, fmt.Sprintf("stage %d is a ping that carries a payload, and ping can't send one: use powershell, or rosknock knock", n+1)}
		}
	}
	head := []string{
		fmt.Sprintf("Knocks at the %s: %s.", c.of(), packets(len(c.Door.Knock))),
		"It holds the knock: keep it like a password.",
	}
	if c.Window != nil {
		head = append(head, c.Window.remark())
	}
	head = append(head, "If nc or ping sends a packet, other users of this machine can see it in the list of processes for half a second; bash does not show it.")
	var b strings.Builder
	b.WriteString("#!/bin/sh\n" + comment("#", head...) + "#\n")
	if c.Host == "" {
		b.WriteString("# usage: sh FILE HOST\n\nset -u\nhost=${1-}\n")
	} else {
		b.WriteString("# usage: sh FILE [HOST]\n\nset -u\nhost=${1-" + single(c.Host) + "}\n")
	}
	b.WriteString(shellHost)
	b.WriteString("if have getent; then # once, so that every packet goes to the same address\n  found=$(getent " + getent(c.Families) +
		" \"$host\" | while read -r first _; do\n    printf '%s' \"$first\"\n    break\n  done)\n  host=${found:-$host}\nfi\nexport host\n")
	uses := func(protocols ...string) bool {
		return slices.ContainsFunc(c.Door.Knock, func(s plans.Stage) bool { return slices.Contains(protocols, s.Protocol) })
	}
	b.WriteString(shellLast)
	if uses("tcp", "udp") {
		b.WriteString(shellTool)
	}
	for _, part := range []struct{ protocol, text string }{{"tcp", shellTCP}, {"udp", shellUDP}, {"icmp", shellICMP}} {
		if uses(part.protocol) {
			b.WriteString(part.text)
		}
	}
	if slices.ContainsFunc(c.Door.Knock, func(s plans.Stage) bool { return s.Protocol == "icmp" && s.Size < 48 }) {
		b.WriteString(shellSmall)
	}
	b.WriteString("\n")
	for _, s := range c.Door.Knock {
		b.WriteString(shellStage(s))
	}
	fmt.Fprintf(&b, "say \"the knock was sent to $host; a knock gets no answer, so try the service behind the door\"\n")
	return b.String(), nil
}

func packets(n int) string {
	if n == 1 {
		return "one packet"
	}
	return fmt.Sprintf("%d packets, one for each stage", n)
}

func shellStage(s plans.Stage) string {
	switch {
	case s.Protocol == "icmp":
		return fmt.Sprintf("icmp %d\n", s.Size)
	case s.Payload != "":
		return fmt.Sprintf("%s %d %s\n", s.Protocol, s.Port, single(s.Payload))
	}
	return fmt.Sprintf("%s %d\n", s.Protocol, s.Port)
}

// single quotes a text for a POSIX shell.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// getent is the database that has only addresses of the plan's families for a host.
func getent(families []routeros.Family) string {
	if len(families) != 1 {
		return "ahosts"
	}
	if families[0] == routeros.IPv6 {
		return "ahostsv6"
	}
	return "ahostsv4"
}

const shellHost = `
say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

case $host in
'' | -* | *[!0-9A-Za-z.:%_-]*)
  say 'name the router: its address, or its name'
  exit 64
  ;;
esac
`

// A kernel sends a SYN again after a second, so the process that waits for an answer is ended
// before.
const shellLast = `
# last PID: ends what has sent its packet by now, before the system sends it again.
last() {
  sleep 0.5 2>/dev/null || sleep 1
  kill "$1" 2>/dev/null
  wait "$1" 2>/dev/null
  return 0
}
`

const shellTool = `
# Opening a socket for udp sends nothing: it shows whether this bash can.
if have bash && bash -c ': >/dev/udp/127.0.0.1/9' 2>/dev/null; then
  tool=bash
elif have nc; then
  tool=nc
else
  say 'neither bash nor nc is here to send packets with: install one of them'
  exit 1
fi
`

const shellTCP = `
# tcp PORT: one SYN. What answers, and whether anything does, makes no difference.
tcp() {
  if [ "$tool" = bash ]; then
    # shellcheck disable=SC2016
    port=$1 bash -c 'exec 3<>"/dev/tcp/$host/$port"' >/dev/null 2>&1 &
  else
    nc "$host" "$1" </dev/null >/dev/null 2>&1 &
  fi
  last $!
}
`

const shellUDP = `
# udp PORT [TEXT]: one datagram, with one byte where nothing else is wanted in it.
udp() {
  if [ "$tool" = bash ]; then
    # shellcheck disable=SC2016
    port=$1 text=${2-x} bash -c 'printf %s "$text" >"/dev/udp/$host/$port"' >/dev/null 2>&1 &
  else
    printf '%s' "${2-x}" | nc -u "$host" "$1" >/dev/null 2>&1 &
  fi
  last $!
}
`

const shellICMP = `
have ping || {
  say 'there is no ping here, which the knock needs: install it'
  exit 1
}

# icmp SIZE: one ping of that size, counted as the router does, headers included.
icmp() {
  program=ping
  size=$(($1 - 28))
  case $host in
  *:*)
    size=$(($1 - 48))
    if have ping6; then program=ping6; fi
    ;;
  esac
  "$program" -c 1 -s "$size" "$host" >/dev/null 2>&1 &
  last $!
}
`

const shellSmall = `
case $host in
*:*)
  say 'a ping of the knock is smaller than any of IPv6: name an IPv4 address of the router'
  exit 1
  ;;
esac
`
