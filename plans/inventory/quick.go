package inventory

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
)

// quickReader is an inventory of which every line was checked, and nothing was built but what
// routers are chosen by. A router is read again when it is asked for.
type quickReader struct {
	builder
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
	reader *form.Reader
	text   string
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
// other. What it takes, [builder] takes too, with the same result.
func readQuickly(files []File) (*quickReader, bool) {
	q := &quickReader{
		builder: builder{groups: map[string][]layer{}}, index: map[string]int32{}, later: map[int32][]quickPlace{}, sets: map[string]*groupSet{}, tags: map[string][]string{},
	}
	description := fileForm()
	for _, f := range files {
		if !q.read(f, description) {
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
func (q *quickReader) read(f File, of form.Form) bool {
	if len(f.Data) > document().MaxBytes {
		return false
	}
	text := string(f.Data)
	y, ok := form.NewQuickYAML(text)
	if !ok {
		return false
	}
	r := form.NewReader(f.Name, nil, document())
	number := int32(len(q.files))
	q.files = append(q.files, quickFile{reader: r, text: text})
	c := form.NewQuickCheck(r)
	var present []string
	indent, _ := y.Peek()
	if indent != 0 {
		return false
	}
	for {
		in, content := y.Peek()
		if in < 0 {
			return of.Complete(present)
		}
		if in > 0 {
			return false
		}
		if content == "routers:" {
			if slices.Contains(present, "routers") || !q.table(y, c, number, of) {
				return false
			}
			present = append(present, "routers")
			continue
		}
		key, value := y.Entry(0, content)
		if value == nil || slices.Contains(present, key.Value) {
			return false
		}
		present = append(present, key.Value)
		field, known := of.Field(key.Value)
		if !known || key.Value == "routers" || !c.Holds(value, &field.Value) {
			return false
		}
		switch key.Value {
		case "defaults":
			q.defaults = slices.Insert(q.defaults, 0, layer{r, value})
		case "groups":
			for i := 0; i+1 < len(value.Content); i += 2 {
				name := value.Content[i].Value
				if q.groups[name] == nil {
					q.groupOrder = append(q.groupOrder, name)
				}
				q.groups[name] = slices.Insert(q.groups[name], 0, layer{r, value.Content[i+1]})
			}
		}
	}
}

// table reads the routers of a file, one after the other.
func (q *quickReader) table(y *form.QuickYAML, c *form.QuickCheck, file int32, of form.Form) bool {
	routers, _ := of.Field("routers")
	y.Skip(len("routers:"))
	indent, _ := y.Peek()
	if indent <= 0 {
		return false
	}
	mark, place, read := y.Mark(), placeIn(file, y), 0
	begin := place.at
	return y.Mapping(indent, func(key, value *yaml.Node) bool {
		const sample = 100
		if read++; read == sample { // the others take about as much each
			at, _ := y.Place()
			q.reserve((len(q.files[file].text) - at) / max(1, (at-int(begin))/sample))
		}
		ok := c.HoldsEntry(key, value, &routers.Value) && q.add(key.Value, value, place)
		y.Reset(mark)
		y.Peek() // goes on behind what holds nothing
		place = placeIn(file, y)
		return ok
	})
}

// placeIn is where the next line of a file begins.
func placeIn(file int32, y *form.QuickYAML) quickPlace {
	at, line := y.Place()
	return quickPlace{file, int32(at), int32(line)}
}

// reserve makes room for more routers.
func (q *quickReader) reserve(more int) {
	q.routers = slices.Grow(q.routers, more)
	index := make(map[string]int32, len(q.index)+more)
	maps.Copy(index, q.index)
	q.index = index
}

// add takes a router, of which the file says something for the first time.
func (q *quickReader) add(name string, value *yaml.Node, place quickPlace) bool {
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
func (q *quickReader) words(list *yaml.Node) []string {
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
func (q *quickReader) settle(set *groupSet) {
	s := said{defaults: q.defaults, problem: func(string, string) { set.doubts = true }}
	for _, name := range set.names {
		layers, known := q.groups[name]
		if set.doubts = set.doubts || !known; known {
			s.groups = append(s.groups, layers)
		}
	}
	var r Router
	s.fill(&r)
	set.site, set.tags = r.Site, r.Tags
}

// sound builds a router and reports whether nothing is wrong with it.
func (q *quickReader) sound(i int) bool {
	q.router(i)
	return !slices.ContainsFunc(q.files, func(f quickFile) bool { return !f.reader.Sound() })
}

// router builds a router.
func (q *quickReader) router(i int) Router {
	r := q.routers[i]
	var own []layer // of the last file first
	for _, p := range append([]quickPlace{r.place}, q.later[int32(i)]...) {
		f := q.files[p.file]
		y := form.QuickYAMLAt(f.text, int(p.at), int(p.line))
		in, content := y.Peek()
		_, value := y.Entry(in, content)
		own = slices.Insert(own, 0, layer{f.reader, value})
	}
	return q.builder.router(r.name, own)
}

// member is what a router is chosen by.
func (q *quickReader) member(i int) Member {
	r := q.routers[i]
	if q.later[int32(i)] != nil {
		return memberOf(q.router(i))
	}
	m := Member{Name: r.name, Site: r.site, Groups: r.set.names, Tags: r.set.tags}
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
