package inventory

import (
	"fmt"
	"strings"
)

// Starter returns a commented inventory to begin with, whose routers have a plan in the
// same folder.
func Starter(plan string) []byte {
	return fmt.Appendf(nil, starter, plan, `  # Change this one, and add yours. 192.0.2.1 is nobody's address.
  r0001: {address: 192.0.2.1, groups: [branches]}`)
}

// StarterOf is [Starter] for a router that is known: its name, address, user and transport, and the
// pin of its certificate, where that is known. A name that can't stand in an inventory becomes
// r0001.
func StarterOf(plan string, r Router) []byte {
	name := r.Name
	if why, _ := routerNameScalar().Check(name); why != "" {
		name = "r0001"
	}
	said := []string{"address: " + quote(r.Address), "user: " + quote(r.User), "groups: [branches]"}
	if r.Transport != "" {
		said = append(said, "transport: "+quote(r.Transport))
	}
	if r.TLSPin != "" {
		said = append(said, "tls-pin: "+quote(r.TLSPin))
	}
	if r.SSHJump != "" {
		said = append(said, "ssh-jump: "+quote(r.SSHJump))
	}
	return fmt.Appendf(nil, starter, plan, fmt.Sprintf("  %s: {%s}", quote(name), strings.Join(said, ", ")))
}

// quote writes a text for YAML: the escapes of a text that can be printed are the same there.
func quote(text string) string { return fmt.Sprintf("%q", text) }

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
%s
`
