// Package inventory reads and writes inventories: the routers of a fleet, the groups that they
// belong to, and what holds for all of them. An inventory says where passwords are kept, and holds
// none. [Read] is as strict as the reader of plans, and reports every mistake of all files at once.
// The package opens no connection and reads no file itself.
//
//	i, err := inventory.Read(inventory.File{Name: "fleet.yaml", Data: text})
//	for r := range i.All() {
//		fmt.Println(r.Key(), r.Address, r.Plans)
//	}
package inventory

import (
	"cmp"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// Inventory is the routers of a fleet, read from one file or several. There may be so many of them
// that each is only built when it is asked for.
type Inventory struct {
	Groups []string // in the order of the files

	built []Router // or
	quick *quickReader
}

// Len is how many routers there are.
func (i Inventory) Len() int {
	if i.quick != nil {
		return len(i.quick.routers)
	}
	return len(i.built)
}

// Router returns the n-th router, in the order of the files.
func (i Inventory) Router(n int) Router {
	if i.quick != nil {
		return i.quick.router(n)
	}
	return i.built[n]
}

// Member returns what the n-th router is chosen by.
func (i Inventory) Member(n int) Member {
	if i.quick != nil {
		return i.quick.member(n)
	}
	return memberOf(i.built[n])
}

// All yields the routers, in the order of the files.
func (i Inventory) All() iter.Seq[Router] {
	return func(yield func(Router) bool) {
		for n := range i.Len() {
			if !yield(i.Router(n)) {
				return
			}
		}
	}
}

// Member is what a router is chosen by. Its lists are not to be changed.
type Member struct {
	Name, Site   string
	Groups, Tags []string
}

func memberOf(r Router) Member {
	return Member{Name: r.Name, Site: r.Site, Groups: r.Groups, Tags: r.Tags}
}

// Router is one router with all that its groups and the defaults say of it.
type Router struct {
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
	Password  plans.Credential
	TLSPin    string
	TLSCA     string // a file
	SSHJump   string
	Timeout   time.Duration
	// Place is where the router stands: file:line:column.
	Place string
}

// File is the text of one file of an inventory.
type File struct {
	Name string
	Data []byte
}

// Key is what a router is known by: SITE/NAME, with - for no site. Its address is none: every
// customer of a provider may have a router on 192.168.88.1.
func (r Router) Key() string { return cmp.Or(r.Site, NoSite) + "/" + r.Name }

// NoSite stands for the site of a router that has none. No site can have this name.
const NoSite = "-"

// Read reads an inventory from files, strictly, as [plans.Read] reads plans; the error is
// [form.Problems]. Where two files say something of the same key of a router, a group or the
// defaults, the later file counts. A router's own value goes before those of its groups, and theirs
// before the defaults. Two groups that say different things of a router are a mistake, unless the
// router says it itself. Tags and the plans of several groups add up.
func Read(files ...File) (Inventory, error) {
	if q, ok := readQuickly(files); ok {
		return Inventory{Groups: q.groupOrder, quick: q}, nil
	}
	return readInFull(files)
}

// readInFull reads an inventory with the YAML library, and finds every mistake.
func readInFull(files []File) (Inventory, error) {
	b := builder{groups: map[string][]layer{}, routers: map[string][]layer{}}
	for _, f := range files {
		b.read(f)
	}
	inventory := b.build()
	var all form.Problems
	for _, r := range b.readers {
		all = append(all, r.Problems()...)
	}
	if len(all) > 0 {
		return Inventory{}, all
	}
	return inventory, nil
}

// layer is what one file says of a router, a group or of all.
type layer struct {
	r *form.Reader
	n *yaml.Node
}

// builder reads inventories in full, and puts together what they say of each router.
type builder struct {
	readers          []*form.Reader
	defaults         []layer // of the last file first, as in all of these
	groups, routers  map[string][]layer
	groupOrder, name []string
}

func (b *builder) read(f File) {
	r := form.NewReader(f.Name, f.Data, document())
	b.readers = append(b.readers, r)
	root := r.Parse()
	if root == nil {
		return
	}
	r.Check(root, fileForm(), "an inventory")
	if n := r.Child(root, "defaults"); n != nil {
		b.defaults = append([]layer{{r, n}}, b.defaults...)
	}
	add := func(table map[string][]layer, order *[]string, entries []form.Entry) {
		for _, e := range entries {
			if table[e.Key.Value] == nil {
				*order = append(*order, e.Key.Value)
			}
			table[e.Key.Value] = append([]layer{{r, e.Value}}, table[e.Key.Value]...)
		}
	}
	add(b.groups, &b.groupOrder, r.Entries(root, "groups"))
	add(b.routers, &b.name, r.Entries(root, "routers"))
}

func (b *builder) build() Inventory {
	out := Inventory{Groups: b.groupOrder}
	for _, name := range b.name {
		out.built = append(out.built, b.router(name, b.routers[name]))
	}
	return out
}

// router puts together what is said of one router.
func (b *builder) router(name string, own []layer) Router {
	at := own[0]
	s := said{own: own, defaults: b.defaults, problem: func(message, remedy string) { at.r.Note(at.n, message, remedy) }, name: name}
	r := Router{Name: name, Place: fmt.Sprintf("%s:%d:%d", at.r.File(), at.n.Line, at.n.Column)}
	for _, n := range lists(own, "groups") {
		layers, known := b.groups[n.node.Value]
		if !known {
			b.unknownGroup(n)
			continue
		}
		if !slices.Contains(r.Groups, n.node.Value) {
			r.Groups = append(r.Groups, n.node.Value)
			s.groups = append(s.groups, layers)
		}
	}
	r.Address = s.one("address")
	if !slices.ContainsFunc(own, func(l layer) bool { return form.HasKey(l.n, "address") }) {
		s.problem(fmt.Sprintf("router %s lacks the key \"address\"", name), "write host, host:port or [v6]:port")
	}
	s.fill(&r)
	return r
}

func (b *builder) unknownGroup(n item) {
	if len(b.groupOrder) > 0 {
		n.r.Unknown(n.node, "there is no group %q", b.groupOrder)
		return
	}
	n.r.Reject(n.node, fmt.Sprintf("there is no group %q", n.node.Value), "write it under groups: {"+n.node.Value+": {}}")
}

// fill puts in what may be said of a group, too.
func (s said) fill(r *Router) {
	r.Site = s.one("site")
	r.User, r.Transport, r.TLSPin, r.SSHJump = s.one("user"), s.one("transport"), s.one("tls-pin"), s.one("ssh-jump")
	r.Timeout, _ = routeros.ParseDuration(s.one("timeout"))
	r.TLSCA = s.one("tls-ca")
	r.Password, _ = plans.ParseCredential(s.one("password"))
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

// below puts a relative path below the folder of the layer's file.
func (l layer) below(path string) string {
	kind, name, isCredential := strings.Cut(path, ":")
	if isCredential && kind == string(plans.FromFile) {
		return kind + ":" + l.below(strings.TrimSpace(name))
	}
	if filepath.IsAbs(path) || strings.HasPrefix(path, "~/") {
		return path
	}
	return filepath.Join(filepath.Dir(l.r.File()), path)
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

// first returns what the first of the layers says that says anything.
func first(layers []layer, path ...string) string {
	for _, l := range layers {
		if n := l.r.Child(l.n, path...); n != nil && n.Kind == yaml.ScalarNode {
			if last := path[len(path)-1]; last == "tls-ca" || last == "password" && strings.HasPrefix(n.Value, "file:") {
				return l.below(n.Value)
			}
			return n.Value
		}
	}
	return ""
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
		for _, n := range l.r.Items(l.n, key) {
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
			items := l.r.Items(l.n, "plans")
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
			for _, e := range l.r.Entries(l.n, "vars") {
				out = append(out, e.Key.Value)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
