// Package form reads YAML files strictly, from a description of what they may hold. The one
// description also gives the file's JSON Schema and its reference in Markdown. A [Reader] finds all
// mistakes of a file at once, each with its line, its column and an excerpt, in which secrets are
// masked. It never decodes values: nodes keep their place and their raw text, which decoding would
// lose (010 would become 8).
//
// The package knows no file in particular: plans and inventories say what theirs hold.
//
//	menu := form.Mapping(
//		form.Field{Name: "version", Required: true, Value: form.Number("the version", 1, 1)},
//		form.Field{Name: "soups", Value: form.List(form.Of(form.TextScalar("a soup"))).AtLeast(1)},
//	)
//	document := form.Document{What: "a menu", Plural: "menus", MaxBytes: 1 << 20}
//	r := form.NewReader("menu.yaml", data, document)
//	if root := r.Parse(); root != nil {
//		r.Check(root, menu, "a menu")
//		soups = r.Texts(root, "soups")
//	}
//	if problems := r.Problems(); problems != nil {
//		return problems
//	}
package form

import "slices"

// Form describes one value of a file. [Mapping], [Table], [List], [Choice], [Of] and [Number] make
// one; the methods that narrow a form return a copy.
type Form struct {
	kind   kind
	fields []Field  // of a mapping
	one    []string // of a mapping: keys of which exactly one is required
	names  *Scalar  // of a table: what its keys may be
	items  *Form    // of a list's items, or a table's values
	least  int      // the fewest items of a list or table
	most   int      // the most items of a list; 0 for any number
	scalar Scalar
	long   *Form // of a choice: the mapping or list that is allowed instead of the scalar
	secret bool  // may hold a knock sequence: digits are masked in excerpts
	// private may hold any secret: nothing of it is shown.
	private bool
}

type kind uint8

const (
	scalarKind  kind = iota
	mappingKind      // fixed keys
	tableKind        // names that the operator chooses
	listKind
	choiceKind // a scalar, or a mapping or list
)

// Field is one key of a mapping.
type Field struct {
	Name string
	// About is one sentence or more for the schema and the reference; the message that a required
	// key is missing ends with it.
	About    string
	Required bool
	Fallback string // the default when the key is missing, as text
	Value    Form
}

// Scalar describes one word or number.
type Scalar struct {
	What    string   // "a port", as messages put it
	Pattern string   // for the schema
	Enum    []string // all words that there are
	Hints   []string // words to suggest if there is no enum
	// Defined allows the names that [Reader.Define] was told, too.
	Defined bool
	Any     bool // numbers and truth values as well as text
	Number  bool // a number from Min to Max
	Min     int
	Max     int
	Secret  bool // never quoted in a message
	// Check returns why a text is invalid and what to write instead; "" if it is valid.
	Check func(text string) (why, remedy string)
}

// Document is a kind of file: what messages call it, and how they treat its secrets.
type Document struct {
	What     string // "a plan"
	Plural   string
	MaxBytes int    // of the largest file that is parsed
	TooLarge string // the message about a larger one
	Empty    string // what to do about an empty one
	// HideWhole hides a secret value completely: unlike a knock, a password does not consist of
	// digits alone.
	HideWhole bool
}

// Mapping has fixed keys.
func Mapping(fields ...Field) Form { return Form{kind: mappingKind, fields: fields} }

// Table has keys that the writer of the file chooses, each with a value of one form.
func Table(names Scalar, items Form) Form {
	return Form{kind: tableKind, names: &names, items: &items}
}

// List has any number of items of one form. Its scalars may not be repeated, unless it is secret.
func List(items Form) Form { return Form{kind: listKind, items: &items} }

// Choice is a scalar, or the mapping or list that says more.
func Choice(short Scalar, long Form) Form { return Form{kind: choiceKind, scalar: short, long: &long} }

// Of is a single scalar.
func Of(s Scalar) Form { return Form{scalar: s} }

// Number is a whole number within bounds. what names it in messages: "a port".
func Number(what string, least, most int) Form {
	return Of(Scalar{What: what, Number: true, Min: least, Max: most})
}

// AtLeast requires a number of items of a list or table.
func (f Form) AtLeast(items int) Form {
	f.least = items
	return f
}

// AtMost limits the items of a list.
func (f Form) AtMost(items int) Form {
	f.most = items
	return f
}

// ExactlyOne requires one of some keys of a mapping, and forbids the others.
func (f Form) ExactlyOne(keys ...string) Form {
	f.one = keys
	return f
}

// Secret is for a value that may hold a knock: excerpts mask its digits.
func (f Form) Secret() Form {
	f.secret = true
	return f
}

// Private is for a value that may hold any secret: excerpts show nothing of it.
func (f Form) Private() Form {
	f.private = true
	return f
}

// Field returns the field of a mapping by its name.
func (f Form) Field(name string) (Field, bool) {
	for _, k := range f.fields {
		if k.Name == name {
			return k, true
		}
	}
	return Field{}, false
}

// Complete reports whether all required keys of a mapping are among some keys.
func (f Form) Complete(keys []string) bool {
	return !slices.ContainsFunc(f.fields, func(k Field) bool { return k.Required && !slices.Contains(keys, k.Name) })
}

// fieldNames lists the keys.
func (f Form) fieldNames() []string {
	var names []string
	for _, k := range f.fields {
		names = append(names, k.Name)
	}
	return names
}
