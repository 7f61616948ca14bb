package plans

import (
	"fmt"
	"slices"
	"strings"
)

// First is a plan to begin with, for a router that is not known. The zero value of
// everything but Name and Knock is a good choice.
type First struct {
	Name  string
	Knock []Stage
	// Decoys are traps; with any, a wrong knock leads into quarantine, too.
	Decoys []Stage
	// Opens are the services that the door opens; none are ssh and winbox.
	Opens []string
	// Addresses and networks never have to knock, besides the interface list LAN.
	Addresses []string
	// For is how long a knock lets in, as a plan writes it; "" is 8h.
	For string
}

// Starter is the text of a [First] plan with everything left as it is.
func Starter(name string, knock []Stage) []byte { return First{Name: name, Knock: knock}.Text() }

// Text returns the plan, with comments. It holds the knock: only its owner may read the file.
func (f First) Text() []byte {
	opens, gated, lasting := f.Opens, []string{"ssh", "winbox"}, f.For
	if opens == nil {
		opens = gated
	}
	for _, name := range opens { // what is open to everybody needs no door
		if !slices.Contains(gated, name) {
			gated = append(gated, name)
		}
	}
	if lasting == "" {
		lasting = "8h"
	}
	addresses := "# addresses: [198.51.100.7, 2001:db8:77::/48]"
	if f.Addresses != nil {
		addresses = `addresses: ["` + strings.Join(f.Addresses, `", "`) + `"]`
	}
	return fmt.Appendf(nil, starter, f.Name, revealed(f.Knock), f.Name, lasting, fmt.Sprintf("[%s]", strings.Join(opens, ", ")), Traps(f.Decoys != nil, f.Decoys), addresses, strings.Join(gated, ", "))
}

// Traps are the lines of a door that lead into quarantine: by a stage out of order, and by decoys.
func Traps(wrongKnock bool, decoys []Stage) string {
	if !wrongKnock && decoys == nil {
		return ""
	}
	what := "knocks out of order or touches a decoy"
	switch {
	case decoys == nil:
		what = "knocks out of order"
	case !wrongKnock:
		what = "touches a decoy"
	}
	text := "    # A source that " + what + " gets no further for a minute.\n    # Trusted and allowed sources always do.\n"
	if wrongKnock {
		text += "    wrong-knock: quarantine\n"
	}
	if decoys != nil {
		text += "    decoys: [" + revealed(decoys) + "]\n"
	}
	return text
}

// revealed lists stages as a plan writes them.
func revealed(stages []Stage) string {
	words := make([]string, len(stages))
	for i, s := range stages {
		words[i] = s.Reveal()
	}
	return strings.Join(words, ", ")
}

const starter = `# A rosknock plan: what has to be knocked, and what that opens.
# This file holds the knock. Treat it like a password.
version: 1
name: %s                      # stands in the mark of every row that rosknock makes

doors:
  admin:
    # Packets to these ports, in this order. Nothing has to listen there.
    knock: [%s]
    stage-timeout: 10s            # the most time between two knocks
    trusted: {list: rosknock-%s-trusted, for: %s}
    opens: %-22s # what a trusted address may reach; or: [everything]
%s
# Sources that never need to knock. Keep at least one way in that needs no knock: lists with a time-out
# are empty after a reboot.
allow:
  interface-lists: [LAN]
  %s

# What is shut for everybody else.
gate:
  services: [%s]

services:
  disable: [telnet, www, ftp]

# Private and reserved addresses can't come from the internet: there their packets are forged, and knock in vain. Name the
# interface list that leads there.
# firewall:
#   bogons: {interface-lists: [WAN]}
`
