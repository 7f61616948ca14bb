package form

import (
	"fmt"
	"strings"
)

// Reference returns the keys of a mapping as a Markdown document that begins with a text.
func (f Form) Reference(begin string) []byte {
	var b strings.Builder
	b.WriteString(begin)
	f.reference(&b, "")
	return []byte(b.String())
}

// reference writes a table of a mapping's keys, and then the tables of the mappings below it.
func (f Form) reference(b *strings.Builder, path string) {
	if path == "" {
		b.WriteString("\n## At the top\n")
	} else {
		fmt.Fprintf(b, "\n## %s\n", path)
	}
	b.WriteString("\n| key | value | meaning |\n| --- | --- | --- |\n")
	for _, k := range f.fields {
		about := k.About
		if k.Required {
			about += " **Required.**"
		} else if k.Fallback != "" {
			about += " Default: `" + k.Fallback + "`."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", k.Name, cell(k.Value.describe()), cell(about))
	}
	for _, k := range f.fields {
		if below, where := k.Value.below(); below != nil {
			below.reference(b, strings.TrimPrefix(path+"."+k.Name+where, "."))
		}
	}
}

// below returns the mapping inside a form, and the continuation of its path.
func (f Form) below() (*Form, string) {
	switch f.kind {
	case mappingKind:
		return &f, ""
	case tableKind:
		if f.items.kind == mappingKind {
			return f.items, ".NAME"
		}
	case listKind:
		switch f.items.kind {
		case choiceKind:
			return f.items.long, "[]"
		case mappingKind:
			return f.items, "[]"
		case scalarKind, tableKind, listKind:
		}
	case choiceKind:
		return f.long.below()
	}
	return nil, ""
}

// describe says what a value may be.
func (f Form) describe() string {
	switch f.kind {
	case mappingKind:
		return "keys, see below"
	case tableKind:
		return "names, each with " + f.items.describe()
	case listKind:
		return "a list: " + f.items.describe()
	case choiceKind:
		if f.long.kind == listKind {
			return f.scalar.describe() + ", or " + f.long.describe()
		}
		return f.scalar.describe() + ", or keys, see below"
	default:
		return f.scalar.describe()
	}
}

func (s Scalar) describe() string {
	switch {
	case s.Number && s.Min == s.Max:
		return fmt.Sprintf("`%d`", s.Min)
	case s.Number:
		return fmt.Sprintf("a number, %d to %d", s.Min, s.Max)
	case s.Enum != nil:
		return "`" + strings.Join(s.Enum, "`, `") + "`"
	default:
		return s.What
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
