package inventory

import "fmt"

// Starter returns a commented inventory to begin with, whose routers have a plan in the
// same folder.
func Starter(plan string) []byte { return fmt.Appendf(nil, starter, plan) }

const starter = `# A rosknock inventory: which routers there are, and which plan each of them has.
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
