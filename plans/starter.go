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

// StarterInventory returns a commented inventory to begin with, whose routers have a plan in the
// same folder.
func StarterInventory(plan string) []byte { return fmt.Appendf(nil, starterInventory, plan) }

const starterInventory = `# A rosknock inventory: which routers there are, and which plan each of them has.
# It holds no password, it says where they are kept. Without a word about it: ROSKNOCK_PASSWORD, the keyring, or a question.
version: 1

defaults:
  user: admin
  # password: "command:pass show routers/${router}"

groups:
  branches:
    plans: [%s]                   # relative to this file
    # vars: {office: 198.51.100.7}    # a plan uses it as "${office}"

routers:
  # Change this one, and add yours. 192.0.2.1 is nobody's address.
  r0001: {address: 192.0.2.1, groups: [branches]}
`
