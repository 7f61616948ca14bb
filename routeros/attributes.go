package routeros

import (
	"cmp"
	"iter"
	"slices"
)

// Attribute is one name=value pair of a row or of a command. Values are bytes as
// the router holds them: comments need not be UTF-8 (WinBox writes the code page
// of the PC it runs on).
type Attribute struct {
	Name  string
	Value string
}

// Attributes is a row: attributes sorted by name, each name once. The zero value is
// an empty row. Methods that change something return a new row.
type Attributes []Attribute

// MakeAttributes returns a row from alternating names and values. It panics on an odd
// number of words, which is a mistake of the caller's source. A name that comes twice
// keeps its last value.
func MakeAttributes(pairs ...string) Attributes {
	if len(pairs)%2 != 0 {
		panic("routeros: attributes need a value for every name")
	}
	row := make(Attributes, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		row = append(row, Attribute{pairs[i], pairs[i+1]})
	}
	return SortAttributes(row)
}

// SortAttributes brings pairs into the form of a row: sorted by name, the last of equal
// names kept. It works in place and returns the row.
func SortAttributes(pairs []Attribute) Attributes {
	slices.SortStableFunc(pairs, func(a, b Attribute) int { return cmp.Compare(a.Name, b.Name) })
	kept := pairs[:0]
	for i, a := range pairs {
		if i+1 < len(pairs) && pairs[i+1].Name == a.Name {
			continue
		}
		kept = append(kept, a)
	}
	return kept
}

// Get returns the value of a name, or "" when the row lacks it.
func (a Attributes) Get(name string) string {
	value, _ := a.Lookup(name)
	return value
}

// Lookup returns the value of a name and whether the row has it. Rows are short, and most names
// differ in length: a linear search is faster than a binary one.
func (a Attributes) Lookup(name string) (string, bool) {
	for i := range a {
		if a[i].Name == name {
			return a[i].Value, true
		}
	}
	return "", false
}

// Has reports whether the row has a name.
func (a Attributes) Has(name string) bool {
	_, ok := a.Lookup(name)
	return ok
}

// With returns a row in which name has the value.
func (a Attributes) With(name, value string) Attributes {
	i, ok := a.find(name)
	row := make(Attributes, 0, len(a)+1)
	row = append(append(row, a[:i]...), Attribute{name, value})
	if ok {
		i++
	}
	return append(row, a[i:]...)
}

func (a Attributes) find(name string) (int, bool) {
	return slices.BinarySearchFunc(a, name, func(x Attribute, n string) int { return cmp.Compare(x.Name, n) })
}

// Without returns a row that lacks the names. A row that has none of them is returned as it is.
func (a Attributes) Without(names ...string) Attributes {
	gone := func(x Attribute) bool { return slices.Contains(names, x.Name) }
	if !slices.ContainsFunc(a, gone) {
		return slices.Clip(a)
	}
	return slices.DeleteFunc(slices.Clone(a), gone)
}

// Only returns a row of just these names, as far as the row has them.
func (a Attributes) Only(names ...string) Attributes {
	row := make(Attributes, 0, min(len(a), len(names)))
	for _, x := range a {
		if slices.Contains(names, x.Name) {
			row = append(row, x)
		}
	}
	return row
}

// Merge returns a row with every attribute of both; where both have a name, over wins.
func (a Attributes) Merge(over Attributes) Attributes {
	return SortAttributes(slices.Concat(a, over))
}

// Equal reports whether two rows are the same to the byte. For equality of meaning
// see [Rule.Same] and [Canonical].
func (a Attributes) Equal(b Attributes) bool { return slices.Equal(a, b) }

// All iterates over names and values in order of the names.
func (a Attributes) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, x := range a {
			if !yield(x.Name, x.Value) {
				return
			}
		}
	}
}

// Bool reads a RouterOS boolean; a missing name is false.
func (a Attributes) Bool(name string) bool {
	b, _ := ParseBool(a.Get(name))
	return b
}

// String prints the row as a console would, quoted where needed: chain=input comment="a b".
func (a Attributes) String() string {
	size := 0
	for _, x := range a {
		size += len(x.Name) + len(x.Value) + 4
	}
	out := make([]byte, 0, size)
	for i, x := range a {
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, x.Name...)
		out = append(out, '=')
		out = appendQuoted(out, x.Value)
	}
	return string(out)
}

// ParseBool reads yes, no, true or false. The router prints true and false and accepts
// all four on input (routeros-facts § 2.3).
func ParseBool(s string) (value, ok bool) {
	switch s {
	case "yes", "true":
		return true, true
	case "no", "false":
		return false, true
	}
	return false, false
}
