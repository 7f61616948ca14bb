package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/sim"
)

// maxPacketLine is how long a typed packet may be, in bytes.
const maxPacketLine = 4096

const packetHelp = "a packet is PROTOCOL SOURCE[:PORT] [DESTINATION]:PORT, and then --in INTERFACE or --size BYTES: tcp 203.0.113.9 :22"

// arrivals lets the packets that are typed on in arrive at the routers, a line each, and writes
// what becomes of them. It ends with in, or after the first line that comes when ctx is done. A
// line that is no packet is answered with what is wrong with it.
func arrivals(ctx context.Context, in io.Reader, out io.Writer, prompt string, routers []simulated) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxPacketLine)
	for view.Say(out, "%s", prompt); lines.Scan() && ctx.Err() == nil; view.Say(out, "%s", prompt) {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		for _, r := range routers {
			said, err := arrive(r.router, words)
			if err != nil {
				view.Say(out, "%s\n", err)
				break
			}
			if len(routers) > 1 {
				said = r.router.Snapshot().Identity + ": " + said
			}
			view.Say(out, "%s\n", said)
		}
	}
	if err := lines.Err(); err != nil {
		view.Say(out, "no more packets are read: %v\n", err)
	}
}

// arrive sends one packet of a new connection to a router, and says what becomes of it.
func arrive(r *sim.Router, words []string) (string, error) {
	p, err := typedPacket(words)
	if err != nil {
		return "", fmt.Errorf("%w; %s", err, packetHelp)
	}
	s := r.Snapshot()
	if p.InInterface, err = arrivesBy(s, p.InInterface, p.Src); err != nil {
		return "", err
	}
	if !p.Dst.IsValid() {
		p.Dst = ownAddress(s, p.Family(), p.InInterface)
	}
	fate := r.Packet(p)
	said := fmt.Sprintf("%s on %s, by %s", fate.Verdict, p.InInterface, decider(fate))
	if len(fate.Additions) > 0 {
		said += "; " + p.Src.String() + " is " + additions(fate)
	}
	return said, nil
}

// typedPacket reads a packet with its flags.
func typedPacket(words []string) (firewall.Packet, error) {
	flags := map[string]string{"--in": "", "--size": ""}
	for len(words) > 2 {
		name := words[len(words)-2]
		if _, known := flags[name]; !known {
			break
		}
		flags[name], words = words[len(words)-1], words[:len(words)-2]
	}
	p, err := firewall.Parse(words)
	if err != nil {
		return p, err
	}
	p.InInterface = flags["--in"]
	if size := flags["--size"]; size != "" {
		bytes, err := strconv.ParseUint(size, 10, 16)
		if err != nil {
			return p, fmt.Errorf("--size %q: a number of bytes up to 65535 is expected", size)
		}
		p.Size = int(bytes)
	}
	if _, err := netip.ParseAddr(words[1]); err == nil && p.SrcPort != 0 {
		p.SrcPort = uint16(20000 + rand.N(40000)) // #nosec G404 G115 -- any port that no connection has yet
	}
	return p, nil
}

// arrivesBy is the interface by which a source comes: the named one, that of its network, or the
// one to the outside.
func arrivesBy(s routeros.Snapshot, name string, src netip.Addr) (string, error) {
	found, err := interfaceOf(s, name, src)
	if err == nil || name != "" {
		return found, err
	}
	for _, m := range s.ListMembers {
		if m.List == "WAN" && !m.Disabled {
			return m.Interface, nil
		}
	}
	return "", err
}
