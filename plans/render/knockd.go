package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// Knockd returns a knockd.conf for a Linux machine whose doors open to the same knocks as the
// router's. Its comments have the command lines for knockd's client, which can play the knock to
// either. knockd knows ports of tcp and udp only, and one time-out for a whole knock.
func Knockd(clients []Client) (string, error) {
	var b strings.Builder
	b.WriteString(comment("#", "knockd.conf for a Linux machine whose doors open to the same knocks as the router's. It holds them: keep it like a password.",
		"A machine that only knocks needs only the lines that begin with knock. They play the same knock to the router."))
	b.WriteString("[options]\n\tUseSyslog\n")
	for _, c := range clients {
		text, err := knockdDoor(c)
		if err != nil {
			return "", err
		}
		b.WriteString("\n" + text)
	}
	return b.String(), nil
}

func knockdDoor(c Client) (string, error) {
	var ports []string
	for n, s := range c.Door.Knock {
		if s.Protocol == "icmp" {
			return "", &CannotError{KnockdConf, c.Door.Name, fmt.Sprintf("stage %d is a ping, and knockd knows tcp and udp only: give the door another stage, or use shell or powershell", n+1)}
		}
		if s.Payload != "" || s.PayloadFrom != (plans.Credential{}) {
			return "", &CannotError{KnockdConf, c.Door.Name, fmt.Sprintf("stage %d carries a payload, and knockd sees ports only: give the door another stage, or use shell or powershell", n+1)}
		}
		ports = append(ports, fmt.Sprintf("%d:%s", s.Port, s.Protocol))
	}
	host := c.Host
	if host == "" {
		host = "ROUTER"
	}
	remarks := []string{
		fmt.Sprintf("The %s.", c.of()),
		"  knock -d 300 " + shellWord(host) + " " + strings.Join(ports, " "),
		"Other users of the machine see the arguments of this command while it runs.",
	}
	if c.Window != nil {
		remarks = append(remarks, c.Window.remark())
	}
	if c.Door.Quarantines() {
		remarks = append(remarks, "knockd has neither a quarantine nor decoys: a wrong port only makes it forget the knock.")
	}
	four, six := knockdSet(c, routeros.IPv4), knockdSet(c, routeros.IPv6)
	remarks = append(remarks, "It fills nftables sets. Create them first, with a rule in the same table that accepts their members:",
		"  nft 'add set inet filter "+four+" { type ipv4_addr; flags timeout; }; add set inet filter "+six+" { type ipv6_addr; flags timeout; }'",
		"  nft insert rule inet filter input ip saddr @"+four+" tcp dport 22 accept",
		"  nft insert rule inet filter input ip6 saddr @"+six+" tcp dport 22 accept")
	var b strings.Builder
	b.WriteString(comment("#", remarks...))
	fmt.Fprintf(&b, "[%s-%s]\n", c.Plan, c.Door.Name)
	fmt.Fprintf(&b, "\tsequence        = %s\n", strings.Join(ports, ","))
	fmt.Fprintf(&b, "\tseq_timeout     = %d\n", wholeKnock(c.Door)/time.Second)
	fmt.Fprintf(&b, "\ttcpflags        = syn,!ack\n")
	fmt.Fprintf(&b, "\tstart_command   = %s\n", knockdCommand(four, c.Door.Trusted.For))
	fmt.Fprintf(&b, "\tstart_command_6 = %s\n", knockdCommand(six, c.Door.Trusted.For))
	return b.String(), nil
}

// wholeKnock is the time for all stages, in whole seconds: knockd has no time-out for each stage.
func wholeKnock(d plans.Door) time.Duration {
	whole := d.StageTimeout * time.Duration(max(1, len(d.Knock)-1))
	return max(time.Second, whole.Truncate(time.Second))
}

func knockdSet(c Client, f routeros.Family) string {
	if f == routeros.IPv6 {
		return "rosknock-" + c.Plan + "-" + c.Door.Name + "-v6"
	}
	return "rosknock-" + c.Plan + "-" + c.Door.Name + "-v4"
}

// knockdCommand puts a source into a set, or renews its time: adding alone would not change an
// existing element.
func knockdCommand(set string, lasts routeros.ListTimeout) string {
	element := "inet filter " + set + " { %IP%"
	add := element
	if lasts.Kind == routeros.Timed {
		add += fmt.Sprintf(" timeout %ds", int64(lasts.For/time.Second))
	}
	return fmt.Sprintf("/usr/sbin/nft 'add element %s }; delete element %s }; add element %s }'", add, element, add)
}
