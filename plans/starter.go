package plans

import (
	"fmt"
	"strings"
)

// Starter returns a commented plan to begin with. It holds the knock: only its owner may read the
// file.
func Starter(name string, knock []Stage) []byte {
	stages := make([]string, len(knock))
	for i, s := range knock {
		stages[i] = s.Reveal()
	}
	return fmt.Appendf(nil, starter, name, strings.Join(stages, ", "), name)
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
    trusted: {list: rosknock-%s-trusted, for: 8h}
    opens: [ssh, winbox]          # what a trusted address may reach; or: [everything]

# Sources that never need to knock. Keep at least one way in that needs no knock: lists with a time-out
# are empty after a reboot.
allow:
  interface-lists: [LAN]
  # addresses: [198.51.100.7, 2001:db8:77::/48]

# What is shut for everybody else.
gate:
  services: [ssh, winbox]

services:
  disable: [telnet, www, ftp]

# Private and reserved addresses can't come from the internet: there their packets are forged, and knock in vain. Name the
# interface list that leads there.
# firewall:
#   bogons: {interface-lists: [WAN]}
`
