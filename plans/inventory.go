package plans

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/routeros"
)

const (
	routerNamePattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`
	pinPattern        = `^sha256:[0-9A-Fa-f]{64}$`
)

var (
	routerName = regexp.MustCompile(routerNamePattern)
	pinText    = regexp.MustCompile(pinPattern)
)

// Inventory is the routers of a fleet, read from one file or several. There may be so many of them
// that each is only built when it is asked for.
type Inventory struct {
	Groups []string // in the order of the files

	built []InventoryRouter // or
	quick *quickInventory
}

// Len is how many routers there are.
func (i Inventory) Len() int {
	if i.quick != nil {
		return len(i.quick.routers)
	}
	return len(i.built)
}

// Router returns the n-th router, in the order of the files.
func (i Inventory) Router(n int) InventoryRouter {
	if i.quick != nil {
		return i.quick.router(n)
	}
	return i.built[n]
}

// Member returns what the n-th router is chosen by.
func (i Inventory) Member(n int) InventoryMember {
	if i.quick != nil {
		return i.quick.member(n)
	}
	return memberOf(i.built[n])
}

// All yields the routers, in the order of the files.
func (i Inventory) All() iter.Seq[InventoryRouter] {
	return func(yield func(InventoryRouter) bool) {
		for n := range i.Len() {
			if !yield(i.Router(n)) {
				return
			}
		}
	}
}

// InventoryMember is what a router is chosen by. Its lists are not to be changed.
type InventoryMember struct {
	Name, Site   string
	Groups, Tags []string
}

func memberOf(r InventoryRouter) InventoryMember {
	return InventoryMember{Name: r.Name, Site: r.Site, Groups: r.Groups, Tags: r.Tags}
}

// InventoryRouter is one router with all that its groups and the defaults say of it.
type InventoryRouter struct {
	Name string
	// Site is where it belongs: a customer, a place. Two sites may use the same addresses. "" is no
	// site.
	Site    string
	Address string // host or host:port, [v6]:port
	Groups  []string
	Tags    []string
	// Plans are files, relative ones below the folder of the inventory that names them.
	Plans []string
	Vars  map[string]string
	// What is empty here is left to the command line.
	User      string
	Transport string
	Password  Credential
	TLSPin    string
	TLSCA     string // a file
	SSHJump   string
	Timeout   time.Duration
	// Place is where the router stands: file:line:column.
	Place string
}

// InventoryFile is the text of one file of an inventory.
type InventoryFile struct {
	Name string
	Data []byte
}

// Key is what a router is known by: SITE/NAME, with - for no site. Its address is none: every
// customer of a provider may have a router on 192.168.88.1.
func (r InventoryRouter) Key() string { return cmp.Or(r.Site, NoSite) + "/" + r.Name }

// NoSite stands for the site of a router that has none. No site can have this name.
const NoSite = "-"

// ReadInventory reads an inventory from files, strictly, as [Read] reads plans. Where a later file says something of a router, a group or
// the defaults that an earlier one says too, the later one counts. A router's own word goes before its groups', and theirs before the
// defaults; two groups that say different things of a router leave no answer, and are a mistake until the router says it itself. Tags
// and the plans of several groups add up.
func ReadInventory(files ...InventoryFile) (Inventory, error) {
	if q, ok := readQuickly(files); ok {
		return Inventory{Groups: q.groupOrder, quick: q}, nil
	}
	return readInFull(files)
}

// readInFull reads an inventory with the YAML library, and finds every mistake.
func readInFull(files []InventoryFile) (Inventory, error) {
	b := inventoryBuilder{groups: map[string][]layer{}, routers: map[string][]layer{}}
	for _, f := range files {
		b.read(f)
	}
	inventory := b.build()
	var all Problems
	for _, w := range b.walkers {
		if problems, ok := w.result().(Problems); ok { //nolint:errorlint // it is never wrapped
			all = append(all, problems...)
		}
	}
	if len(all) > 0 {
		return Inventory{}, all
	}
	return inventory, nil
}

// inventoryKind: a line for a router takes about 100 bytes.
func inventoryKind() kind {
	return kind{what: "an inventory", plural: "inventories", most: 32 << 20, whole: true,
		large: "the file is larger than 32 MiB", empty: "the smallest inventory has a version and one router with an address"}
}

func inventoryForm() form {
	return mapping(
		field{name: "version", required: true, about: "The version of the inventory format.", value: number("the version of the format", 1, 1)},
		field{name: "defaults", about: "What holds for every router.", value: mapping(commonFields()...)},
		field{name: "groups", about: "What holds for the routers of a group, by its name.",
			value: form{kind: tableForm, names: new(routerNameScalar()), items: new(mapping(commonFields()...))}},
		field{name: "routers", about: "The routers, by name.",
			value: form{kind: tableForm, names: new(routerNameScalar()), items: new(mapping(routerFields()...))}},
	)
}

func commonFields() []field {
	return []field{
		{name: "plans", about: "Plan files, relative to this file. A plan on the command line goes before them.",
			value: form{kind: listForm, items: &form{scalar: pathScalar("a plan file")}, least: 1}},
		{name: "vars", about: "Variables for the plans, which use them as `${name}`.",
			value: form{kind: tableForm, names: new(varNameScalar()), items: &form{scalar: anyScalar()}}},
		{name: "tags", about: "Words to choose routers by.", value: list(routerNameScalar())},
		{name: "site", fallback: "-", about: "The customer or place that it belongs to: what is remembered of a router goes by SITE/NAME, never by its address alone.",
			value: form{scalar: routerNameScalar()}},
		{name: "user", fallback: "that of --user", about: "The user to log in as.", value: form{scalar: textScalar("a user")}},
		{name: "password", fallback: "ROSKNOCK_PASSWORD, the keyring, or the question",
			about: "Where the password is kept: env:NAME, file:PATH, command:LINE, keyring:NAME or prompt. `${router}` stands for the router's name.",
			value: form{scalar: credentialScalar("the password"), secret: true}},
		{name: "transport", fallback: "api-ssl", about: "The service to use.", value: form{scalar: scalar{what: "a transport", enum: []string{"api-ssl", "api"}}}},
		{name: "tls-ca", about: "File with the authorities that may sign certificates.", value: form{scalar: pathScalar("a file")}},
		{name: "ssh-jump", about: "SSH hosts to go through: user@host:port, several with commas.", value: form{scalar: textScalar("SSH hosts")}},
		{name: "timeout", fallback: "that of --timeout", about: "Time for connecting, and for each answer.", value: form{scalar: durationScalar()}},
	}
}

func routerFields() []field {
	return append([]field{
		{name: "address", about: "Host, host:port or [v6]:port. Needed in one of the files.", value: form{scalar: hostScalar()}},
		{name: "groups", about: "The groups that it belongs to.", value: list(routerNameScalar())},
		{name: "tls-pin", about: "`sha256:HEX` of its certificate.", value: form{scalar: pinScalar()}},
	}, commonFields()...)
}

// layer is what one file says of a router, a group or of all.
type layer struct {
	w *walker
	n *yaml.Node
}

type inventoryBuilder struct {
	walkers          []*walker
	defaults         []layer // of the last file first, as in all of these
	groups, routers  map[string][]layer
	groupOrder, name []string
}

func (b *inventoryBuilder) read(f InventoryFile) {
	w := newWalker(f.Name, f.Data, inventoryKind())
	b.walkers = append(b.walkers, w)
	root := w.parse(f.Data)
	if root == nil {
		return
	}
	w.plain(root)
	w.check(root, inventoryForm(), "an inventory")
	if n := w.child(root, "defaults"); n != nil {
		b.defaults = append([]layer{{w, n}}, b.defaults...)
	}
	add := func(table map[string][]layer, order *[]string, entries []entry) {
		for _, e := range entries {
			if table[e.key.Value] == nil {
				*order = append(*order, e.key.Value)
			}
			table[e.key.Value] = append([]layer{{w, e.value}}, table[e.key.Value]...)
		}
	}
	add(b.groups, &b.groupOrder, w.entries(root, "groups"))
	add(b.routers, &b.name, w.entries(root, "routers"))
}

func (b *inventoryBuilder) build() Inventory {
	out := Inventory{Groups: b.groupOrder}
	for _, name := range b.name {
		out.built = append(out.built, b.router(name, b.routers[name]))
	}
	return out
}

// router puts together what is said of one router.
func (b *inventoryBuilder) router(name string, own []layer) InventoryRouter {
	at := own[0]
	s := said{own: own, defaults: b.defaults, problem: func(message, remedy string) { at.w.at(at.n.Line, at.n.Column, message, remedy) }, name: name}
	r := InventoryRouter{Name: name, Place: fmt.Sprintf("%s:%d:%d", at.w.file, at.n.Line, at.n.Column)}
	for _, n := range lists(own, "groups") {
		layers, known := b.groups[n.node.Value]
		if !known {
			n.w.unknown(n.node, "there is no group %q", b.groupOrder)
			if len(b.groupOrder) == 0 {
				n.w.problems[len(n.w.problems)-1].Remedy = "write it under groups: {" + n.node.Value + ": {}}"
			}
			continue
		}
		if !slices.Contains(r.Groups, n.node.Value) {
			r.Groups = append(r.Groups, n.node.Value)
			s.groups = append(s.groups, layers)
		}
	}
	r.Address = s.one("address")
	if !slices.ContainsFunc(own, func(l layer) bool { return hasKey(l.n, "address") }) {
		s.problem(fmt.Sprintf("router %s lacks the key \"address\"", name), "write host, host:port or [v6]:port")
	}
	s.fill(&r)
	return r
}

// fill puts in what may be said of a group, too.
func (s said) fill(r *InventoryRouter) {
	r.Site = s.one("site")
	r.User, r.Transport, r.TLSPin, r.SSHJump = s.one("user"), s.one("transport"), s.one("tls-pin"), s.one("ssh-jump")
	r.Timeout, _ = routeros.ParseDuration(s.one("timeout"))
	r.TLSCA = s.one("tls-ca")
	r.Password, _ = ParseCredential(s.one("password"))
	r.Tags, r.Plans = s.tags(), s.plans()
	r.Vars = map[string]string{}
	for _, key := range s.varNames() {
		r.Vars[key] = s.one("vars", key)
	}
}

// said is all that is said of one router, the nearest first.
type said struct {
	name     string
	own      []layer
	groups   [][]layer
	defaults []layer
	problem  func(message, remedy string)
}

// first returns what the first of the layers says that says anything.
func first(layers []layer, path ...string) string {
	for _, l := range layers {
		if n := l.w.child(l.n, path...); n != nil && n.Kind == yaml.ScalarNode {
			if last := path[len(path)-1]; last == "tls-ca" || last == "password" && strings.HasPrefix(n.Value, "file:") {
				return l.below(n.Value)
			}
			return n.Value
		}
	}
	return ""
}

// below puts a relative path below the folder of the layer's file.
func (l layer) below(path string) string {
	kind, name, isCredential := strings.Cut(path, ":")
	if isCredential && kind == string(FromFile) {
		return kind + ":" + l.below(strings.TrimSpace(name))
	}
	if filepath.IsAbs(path) || strings.HasPrefix(path, "~/") {
		return path
	}
	return filepath.Join(filepath.Dir(l.w.file), path)
}

// one returns the value of a key.
func (s said) one(path ...string) string {
	if v := first(s.own, path...); v != "" {
		return v
	}
	value := ""
	for _, g := range s.groups {
		v := first(g, path...)
		if v == "" {
			continue
		}
		if value != "" && v != value {
			s.problem(fmt.Sprintf("router %s: two of its groups say different things of %s", s.name, strings.Join(path, "/")), "say it for the router itself")
			return value
		}
		value = v
	}
	if value != "" {
		return value
	}
	return first(s.defaults, path...)
}

// item is an item of a list with the file that it stands in.
type item struct {
	layer
	node *yaml.Node
}

// lists returns the items of a list of all layers, the earliest file first.
func lists(layers []layer, key string) []item {
	var out []item
	for _, l := range slices.Backward(layers) {
		for _, n := range l.w.items(l.n, key) {
			out = append(out, item{l, n})
		}
	}
	return out
}

func (s said) tags() []string {
	var out []string
	add := func(layers []layer) {
		for _, n := range lists(layers, "tags") {
			if !slices.Contains(out, n.node.Value) {
				out = append(out, n.node.Value)
			}
		}
	}
	add(s.own)
	for _, g := range s.groups {
		add(g)
	}
	add(s.defaults)
	return out
}

// plans returns the router's own plans, else those of all its groups, else the defaults'.
func (s said) plans() []string {
	var out []string
	add := func(layers []layer) {
		for _, l := range layers {
			items := l.w.items(l.n, "plans")
			for _, n := range items {
				if path := l.below(n.Value); !slices.Contains(out, path) {
					out = append(out, path)
				}
			}
			if len(items) > 0 {
				return // of several files, the last that says anything
			}
		}
	}
	if add(s.own); out != nil {
		return out
	}
	for _, g := range s.groups {
		add(g)
	}
	if out == nil {
		add(s.defaults)
	}
	return out
}

func (s said) varNames() []string {
	var out []string
	for _, layers := range slices.Concat([][]layer{s.own, s.defaults}, s.groups) {
		for _, l := range layers {
			for _, e := range l.w.entries(l.n, "vars") {
				out = append(out, e.key.Value)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// routerNameScalar is the alphabet of routers, groups and tags. It is safe in commands, file names and patterns.
func routerNameScalar() scalar {
	return scalar{what: "a name", pattern: routerNamePattern, check: func(text string) (string, string) {
		if routerName.MatchString(text) {
			return "", ""
		}
		return "names are made of letters, digits, dot, - and _, at most 63 of them, and begin with a letter or digit", ""
	}}
}

func varNameScalar() scalar {
	return scalar{what: "a variable", pattern: varPattern, check: func(text string) (string, string) {
		if varName.MatchString(text) {
			return "", ""
		}
		return "the name of a variable is made of a-z, 0-9, _ and -, and begins with a letter", ""
	}}
}

// hostScalar is host, host:port or [v6]:port.
func hostScalar() scalar {
	return scalar{what: "an address", pattern: `^[^ /@]+$`, check: func(text string) (string, string) {
		if why := CheckHost(text); why != "" {
			return why, "write host, host:port or [v6]:port"
		}
		return "", ""
	}}
}

// CheckHost says what is wrong with host, host:port or [v6]:port; "" when nothing is.
func CheckHost(text string) string {
	const none = "it is no host and no address"
	var host, port string
	var hasPort bool
	if rest, bracket := strings.CutPrefix(text, "["); bracket {
		address, behind, closed := strings.Cut(rest, "]")
		if a, err := netip.ParseAddr(address); !closed || err != nil || !a.Is6() {
			return none
		}
		if behind == "" {
			return ""
		}
		host = address
		if port, hasPort = strings.CutPrefix(behind, ":"); !hasPort {
			return none
		}
	} else if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
		return ""
	} else if host, port, hasPort = strings.Cut(text, ":"); strings.Contains(port, ":") {
		return none
	}
	if n, err := routeros.ParsePort(port); hasPort && (err != nil || n == 0) {
		return "the port is a number from 1 to 65535"
	}
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/@[]", r) || !unicode.IsPrint(r) }) {
		return none
	}
	return ""
}

func pinScalar() scalar {
	return scalar{what: "a pin", pattern: pinPattern, check: func(text string) (string, string) {
		if IsPin(text) {
			return "", ""
		}
		return "a pin is sha256: and 64 hex digits", ""
	}}
}

// IsPin reports whether a text is the pin of a certificate: sha256: and 64 hex digits.
func IsPin(text string) bool { return pinText.MatchString(text) }

func pathScalar(what string) scalar {
	return scalar{what: what, pattern: `^[^\s].*$`, check: checkPlain}
}

// anyScalar is the value of a variable: text, a number, true or false.
func anyScalar() scalar {
	return scalar{what: "a value", any: true, check: checkPlain}
}

func checkPlain(text string) (why, remedy string) {
	switch {
	case strings.TrimSpace(text) == "":
		return "it is empty", ""
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "it holds a character that can't be printed", ""
	}
	return "", ""
}

// CheckVariable says what is wrong with a variable that was given otherwise than in an inventory; "" when nothing is.
func CheckVariable(name, value string) string {
	if !varName.MatchString(name) {
		return "the name of a variable is made of a-z, 0-9, _ and -, and begins with a letter"
	}
	why, _ := checkPlain(value)
	return why
}

// InventorySchema returns the JSON Schema of an inventory, made from the same description as the reader.
func InventorySchema() []byte { return inventoryForm().document("rosknock inventory") }

// InventoryReference returns the inventory's keys as a Markdown document, from the same description.
func InventoryReference() []byte {
	var b strings.Builder
	b.WriteString(`# The inventory

Generated from the description that reads it. An inventory is YAML, read as strictly as a plan. It holds no passwords: it says where they
are kept. Several files, each named with --inventory, are read as one: what a later file says goes before what an earlier one says.
A router's own word goes before its groups', and theirs before the defaults; two groups that say different things of a router are a
mistake, until the router says it itself. The tags, and the plans of several groups, add up.
`)
	inventoryForm().reference(&b, "")
	return []byte(b.String())
}
