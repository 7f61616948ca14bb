// Package foreign reads the lists of routers that other programs keep: Ansible inventories, tables
// in CSV, device exports of NetBox and the address books of WinBox.
//
// [Read] returns every router it understood and, in [List.Skipped], everything it left out with the
// place and the reason. Passwords are never taken over, and no text that this package returns
// quotes a value which could be one: messages name hosts, columns and variables, and say nothing
// about what stands in them. It never guesses which router is meant, runs no template and follows
// no reference out of the file.
//
//	format, err := foreign.Detect("hosts.ini", data)
//	list, err := foreign.Read("hosts.ini", data, format)
//	for _, r := range list.Routers {
//		use(r.Name, r.Address, r.Groups)
//	}
//
// The package is pure: it works on bytes that somebody else has read.
package foreign

import (
	"errors"
	"fmt"
)

// Router is one router as another program knows it.
type Router struct {
	// Name is made of letters, digits, dots, underscores and hyphens, at most 63 of them, and
	// unique in its list.
	Name string
	// Address is a host or host:port; an IPv6 address stands in brackets when a port follows.
	Address string
	User    string
	// Groups are sorted and made of the characters of names. They include the groups around a
	// group.
	Groups []string
	// Tags are sorted and made of the characters of names.
	Tags []string
	// Vars are what else is worth keeping, such as site and role. Their names are lower case:
	// [a-z][a-z0-9_-]*.
	Vars map[string]string
	// Note is a comment or description on one line.
	Note string
	// Place is where the router stands, as file:line or file:record.
	Place string
}

// List is what was read.
type List struct {
	Routers []Router
	// Groups holds the variables of groups, which only Ansible knows. A router of a group does not
	// repeat them.
	Groups map[string]map[string]string
	// Skipped is what was left out, in order of the file.
	Skipped []Skip
}

// Skip is one thing that was left out.
type Skip struct {
	// Place is where it stands, as file:line or file:record.
	Place string
	// What names it: a router, a column, a variable. It never holds the value of one.
	What string
	// Why is the reason, with a remedy where there is one.
	Why string
}

// String returns the skip on one line: hosts.ini:4: ansible_port: it is a port of SSH, not of the
// API.
func (s Skip) String() string { return s.Place + ": " + s.What + ": " + s.Why }

// Format is a kind of file. Its text is what --format takes.
type Format string

// The formats that are read.
const (
	AnsibleINI  Format = "ansible-ini"  // an Ansible inventory in INI form
	AnsibleYAML Format = "ansible-yaml" // an Ansible inventory in YAML or JSON form
	CSV         Format = "csv"          // a table with a header
	NetBoxCSV   Format = "netbox-csv"   // a device table exported from NetBox
	NetBoxJSON  Format = "netbox-json"  // an answer of NetBox's /api/dcim/devices/
	WinBoxCDB   Format = "winbox-cdb"   // WinBox's own address book, Addresses.cdb
	WinBoxWBX   Format = "winbox-wbx"   // an address book exported by WinBox
)

// Formats returns all formats, in the order help texts list them.
func Formats() []Format {
	return []Format{AnsibleINI, AnsibleYAML, CSV, NetBoxCSV, NetBoxJSON, WinBoxCDB, WinBoxWBX}
}

// What is accepted at most. Real lists stay far below.
const (
	maxInput     = 64 << 20
	maxYAML      = 16 << 20 // a YAML document takes fifty times its size while it is parsed
	maxRouters   = 200_000
	maxSkipped   = 50_000
	maxRange     = 100_000   // hosts of one range
	maxExpanded  = 1_000_000 // hosts of all ranges
	maxAliased   = 100_000   // YAML nodes reached through aliases
	maxDepth     = 200       // nesting of YAML
	maxMembers   = 5_000_000 // hosts times the groups they are in
	maxAncestors = 1_000_000 // groups times the groups around them
)

// Read reads a list in the given format. The name is only for messages. The error says why nothing
// could be read; single mistakes are in [List.Skipped] instead, all of them, so that one bad line
// doesn't hide the others.
func Read(name string, data []byte, f Format) (List, error) {
	if len(data) > maxInput {
		return List{}, fmt.Errorf("%s: larger than 64 MiB: is this the right file?", name)
	}
	read, known := readers()[f]
	if !known {
		return List{}, fmt.Errorf("%s: there is no format %q", name, f)
	}
	c := newCollector(name)
	if err := read(c, data); err != nil {
		return List{}, fmt.Errorf("%s: %w", name, err)
	}
	return c.list()
}

func readers() map[Format]func(*collector, []byte) error {
	return map[Format]func(*collector, []byte) error{
		AnsibleINI:  readAnsibleINI,
		AnsibleYAML: readAnsibleYAML,
		CSV:         readCSV,
		NetBoxCSV:   readNetBoxCSV,
		NetBoxJSON:  readNetBoxJSON,
		WinBoxCDB:   readCDB,
		WinBoxWBX:   readWBX,
	}
}

var (
	errTooMany = errors.New("more than 200,000 routers: split the file")
	errBinary  = errors.New("this is not text; save it as UTF-8")
)
