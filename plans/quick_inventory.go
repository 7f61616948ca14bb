package plans

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// quickInventory is an inventory of which every line was checked, and nothing was built but what
// routers are chosen by. A router is read again when it is asked for.
type quickInventory struct {
	inventoryBuilder
	files   []quickFile
	routers []quickRouter
	index   map[string]int32
	later   map[int32][]quickPlace // of a router that several files name, where the later ones do
	sets    map[string]*groupSet
	tags    map[string][]string
	key     []byte
}

// quickFile is a file of it.
type quickFile struct {
	walker *walker
	text   string
	indent int // of its routers
}

// quickPlace is where a file says something of a router.
type quickPlace struct {
	file, at, line int32
}

type quickRouter struct {
	name      string
	site      string // its own
	place     quickPlace
	addressed bool
	tags      []string // its own
	set       *groupSet
}

// groupSet are groups that a router may have, and what follows from them.
type groupSet struct {
	names  []string
	site   string
	tags   []string // of the groups and the defaults
	doubts bool     // one is not known, or two say different things
}

// readQuickly reads an inventory that holds no mistake and is written as most are; false for any
// other. What it takes, [inventoryBuilder] takes too, with the same result.
func readQuickly(files []InventoryFile) (*quickInventory, bool) {
	q := &quickInventory{
		inventoryBuilder: inventoryBuilder{groups: map[string][]layer{}}, index: map[string]int32{}, later: map[int32][]quickPlace{}, sets: map[string]*groupSet{}, tags: map[string][]string{},
	}
	form := inventoryForm()
	for _, f := range files {
		if !q.read(f, &form) {
			return nil, false
		}
	}
	for _, set := range q.sets {
		q.settle(set)
	}
	for i := range q.routers {
		if r := &q.routers[i]; (r.set.doubts || !r.addressed || q.later[int32(i)] != nil) && !q.sound(i) {
			return nil, false
		}
	}
	return q, true
}

// read reads a file.
func (q *quickInventory) read(f InventoryFile, of *form) bool {
	if len(f.Data) > inventoryKind().most {
		return false
	}
	text := string(f.Data)
	y, ok := newQuickYAML(text)
	if !ok {
		return false
	}
	w := newWalker(f.Name, nil, inventoryKind())
	number := int32(len(q.files))
	q.files = append(q.files, quickFile{walker: w, text: text})
	c := quickCheck{w: w, sound: map[soundScalar]bool{}}
	var present []string
	indent, _ := y.peek()
	if indent != 0 {
		return false
	}
	for {
		in, content := y.peek()
		if in < 0 {
			return requires(*of, present)
		}
		if in > 0 {
			return false
		}
		if content == "routers:" {
			present = append(present, "routers")
			if !q.table(y, &c, number, of) {
				return false
			}
			continue
		}
		key, value := y.entry(0, content)
		if value == nil || slices.Contains(present, key.Value) {
			return false
		}
		present = append(present, key.Value)
		field, known := of.field(key.Value)
		if !known || key.Value == "routers" || !c.holds(value, &field.value) {
			return false
		}
		switch key.Value {
		case "defaults":
			q.defaults = slices.Insert(q.defaults, 0, layer{w, value})
		case "groups":
			for i := 0; i+1 < len(value.Content); i += 2 {
				name := value.Content[i].Value
				if q.groups[name] == nil {
					q.groupOrder = append(q.groupOrder, name)
				}
				q.groups[name] = slices.Insert(q.groups[name], 0, layer{w, value.Content[i+1]})
			}
		}
	}
}

func requires(f form, present []string) bool {
	return !slices.ContainsFunc(f.fields, func(k field) bool { return k.required && !slices.Contains(present, k.name) })
}

// table reads the routers of a file, one after the other.
func (q *quickInventory) table(y *quickYAML, c *quickCheck, file int32, of *form) bool {
	routers, _ := of.field("routers")
	names, items := routers.value.names, routers.value.items
	y.skip(len("routers:"))
	indent, _ := y.peek()
	if indent <= 0 {
		return false
	}
	q.files[file].indent = indent
	used, place, begin, read := y.used, quickPlace{file, int32(y.at), int32(y.line)}, y.at, 0
	return y.mapping(indent, func(key, value *yaml.Node) bool {
		const sample = 100
		if read++; read == sample { // the others take about as much each
			q.reserve((len(y.text) - y.at) / max(1, (y.at-begin)/sample))
		}
		ok := c.scalar(key, names) && c.holds(value, items) && q.add(key.Value, value, place)
		y.reset(used)
		y.peek() // goes on behind what holds nothing
		place = quickPlace{file, int32(y.at), int32(y.line)}
		return ok
	})
}

// reserve makes room for more routers.
func (q *quickInventory) reserve(more int) {
	q.routers = slices.Grow(q.routers, more)
	index := make(map[string]int32, len(q.index)+more)
	maps.Copy(index, q.index)
	q.index = index
}

// add takes a router, of which the file says something for the first time.
func (q *quickInventory) add(name string, value *yaml.Node, place quickPlace) bool {
	if i, known := q.index[name]; known {
		last := q.routers[i].place
		if more := q.later[i]; len(more) > 0 {
			last = more[len(more)-1]
		}
		q.later[i] = append(q.later[i], place)
		return last.file != place.file
	}
	q.index[name] = int32(len(q.routers))
	r := quickRouter{name: name, place: place}
	q.key = q.key[:0]
	for i := 0; i+1 < len(value.Content); i += 2 {
		switch v := value.Content[i+1]; value.Content[i].Value {
		case "address":
			r.addressed = true
		case "site":
			r.site = v.Value
		case "tags":
			r.tags = q.words(v)
		case "groups":
			q.key = joinedWords(q.key, v)
		}
	}
	r.set = q.sets[string(q.key)]
	if r.set == nil {
		r.set = &groupSet{}
		if len(q.key) > 0 {
			r.set.names = strings.Split(string(q.key), "\x00")
		}
		q.sets[string(q.key)] = r.set
	}
	q.routers = append(q.routers, r)
	return true
}

// words are the items of a list; equal lists are kept once.
func (q *quickInventory) words(list *yaml.Node) []string {
	key := string(joinedWords(nil, list))
	words, known := q.tags[key]
	if !known && key != "" {
		words = strings.Split(key, "\x00")
		q.tags[key] = words
	}
	return words
}

func joinedWords(to []byte, list *yaml.Node) []byte {
	for i, item := range list.Content {
		if i > 0 {
			to = append(to, 0)
		}
		to = append(to, item.Value...)
	}
	return to
}

// settle finds what follows from groups, when all files are read.
func (q *quickInventory) settle(set *groupSet) {
	s := said{defaults: q.defaults, problem: func(string, string) { set.doubts = true }}
	for _, name := range set.names {
		layers, known := q.groups[name]
		if set.doubts = set.doubts || !known; known {
			s.groups = append(s.groups, layers)
		}
	}
	var r InventoryRouter
	s.fill(&r)
	set.site, set.tags = r.Site, r.Tags
}

// sound builds a router and reports whether nothing is wrong with it.
func (q *quickInventory) sound(i int) bool {
	q.router(i)
	return !slices.ContainsFunc(q.files, func(f quickFile) bool { return len(f.walker.problems) > 0 })
}

// router builds a router.
func (q *quickInventory) router(i int) InventoryRouter {
	r := q.routers[i]
	var own []layer // of the last file first
	for _, p := range append([]quickPlace{r.place}, q.later[int32(i)]...) {
		f := q.files[p.file]
		y := quickYAMLAt(f.text, int(p.at), int(p.line))
		in, content := y.peek()
		_, value := y.entry(in, content)
		own = slices.Insert(own, 0, layer{f.walker, value})
	}
	return q.inventoryBuilder.router(r.name, own)
}

// member is what a router is chosen by.
func (q *quickInventory) member(i int) InventoryMember {
	r := q.routers[i]
	if q.later[int32(i)] != nil {
		return memberOf(q.router(i))
	}
	m := InventoryMember{Name: r.name, Site: r.site, Groups: r.set.names, Tags: r.set.tags}
	if r.site == "" {
		m.Site = r.set.site
	}
	if r.tags != nil {
		m.Tags = slices.Clone(r.tags)
		for _, tag := range r.set.tags {
			if !slices.Contains(m.Tags, tag) {
				m.Tags = append(m.Tags, tag)
			}
		}
	}
	return m
}

// quickCheck compares values with their forms as [walker.check] does, and says yes or no.
type quickCheck struct {
	w     *walker
	sound map[soundScalar]bool
}

// soundScalar is a scalar that has been compared with what it has to be.
type soundScalar struct {
	as    *scalar
	style yaml.Style
	value string
}

// mostSound is how many are remembered: those that come again and again come early.
const mostSound = 4096

func (c *quickCheck) holds(n *yaml.Node, f *form) bool {
	switch f.kind {
	case scalarForm:
		return c.scalar(n, &f.scalar)
	case listForm:
		return c.list(n, f)
	case tableForm:
		return c.table(n, f)
	case mappingForm:
		return c.mapping(n, f)
	}
	return false // an inventory has no choices
}

func (c *quickCheck) mapping(n *yaml.Node, f *form) bool {
	if n.Kind != yaml.MappingNode || f.one != nil || !distinct(n.Content, 2) {
		return false
	}
	required := 0
	for i := 0; i+1 < len(n.Content); i += 2 {
		at := slices.IndexFunc(f.fields, func(k field) bool { return k.name == n.Content[i].Value })
		if at < 0 || !c.holds(n.Content[i+1], &f.fields[at].value) {
			return false
		}
		if f.fields[at].required {
			required++
		}
	}
	for i := range f.fields {
		if f.fields[i].required {
			required--
		}
	}
	return required == 0
}

func (c *quickCheck) table(n *yaml.Node, f *form) bool {
	if n.Kind != yaml.MappingNode || len(n.Content)/2 < f.least || !distinct(n.Content, 2) {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !c.scalar(n.Content[i], f.names) || !c.holds(n.Content[i+1], f.items) {
			return false
		}
	}
	return true
}

func (c *quickCheck) list(n *yaml.Node, f *form) bool {
	if n.Kind != yaml.SequenceNode || len(n.Content) < f.least || f.most > 0 && len(n.Content) > f.most || !distinct(n.Content, 1) {
		return false
	}
	return !slices.ContainsFunc(n.Content, func(item *yaml.Node) bool { return !c.holds(item, f.items) })
}

func (c *quickCheck) scalar(n *yaml.Node, s *scalar) bool {
	of := soundScalar{s, n.Style, n.Value}
	if c.sound[of] {
		return true
	}
	if n.Tag == "" {
		n.Tag = n.ShortTag() // which is asked for again and again
	}
	if c.w.scalar(n, *s, ""); len(c.w.problems) > 0 {
		return false
	}
	if len(c.sound) < mostSound {
		c.sound[of] = true
	}
	return true
}

// distinct reports whether no value comes twice among every step-th of some nodes.
func distinct(nodes []*yaml.Node, step int) bool {
	const few = 32
	if len(nodes) > few*step {
		seen := map[string]bool{}
		for i := 0; i < len(nodes); i += step {
			if seen[nodes[i].Value] {
				return false
			}
			seen[nodes[i].Value] = true
		}
		return true
	}
	for i := 0; i < len(nodes); i += step {
		for j := 0; j < i; j += step {
			if nodes[i].Value == nodes[j].Value {
				return false
			}
		}
	}
	return true
}
