package plans

import (
	"fmt"
	"strings"
)

// Reference returns the plan file's keys as a Markdown document, from the same description as the
// reader and the schema.
func Reference() []byte {
	var b strings.Builder
	b.WriteString(`# The plan file

Generated from the description that reads it. A plan is YAML, read strictly: unknown keys, wrong values and names that come twice are
reported all at once, each with its line and column. A plan holds the knock: make it readable for yourself alone.
`)
	planForm().reference(&b, "")
	return []byte(b.String())
}

// reference writes a table of a mapping's keys, and then the tables of the mappings below it.
func (f form) reference(b *strings.Builder, path string) {
	if path == "" {
		b.WriteString("\n## At the top\n")
	} else {
		fmt.Fprintf(b, "\n## %s\n", path)
	}
	b.WriteString("\n| key | value | meaning |\n| --- | --- | --- |\n")
	for _, k := range f.fields {
		about := k.about
		if k.required {
			about += " **Required.**"
		} else if k.fallback != "" {
			about += " Default: `" + k.fallback + "`."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", k.name, cell(k.value.describe()), cell(about))
	}
	for _, k := range f.fields {
		if below, where := k.value.below(); below != nil {
			below.reference(b, strings.TrimPrefix(path+"."+k.name+where, "."))
		}
	}
}

// below returns the mapping inside a form, and the continuation of its path.
func (f form) below() (*form, string) {
	switch f.kind {
	case mappingForm:
		return &f, ""
	case tableForm:
		if f.items.kind == mappingForm {
			return f.items, ".NAME"
		}
	case listForm:
		switch f.items.kind {
		case choiceForm:
			return f.items.long, "[]"
		case mappingForm:
			return f.items, "[]"
		case scalarForm, tableForm, listForm:
		}
	case choiceForm:
		return f.long.below()
	}
	return nil, ""
}

// describe says what a value may be.
func (f form) describe() string {
	switch f.kind {
	case mappingForm:
		return "keys, see below"
	case tableForm:
		return "names, each with " + f.items.describe()
	case listForm:
		return "a list: " + f.items.describe()
	case choiceForm:
		if f.long.kind == listForm {
			return f.scalar.describe() + ", or " + f.long.describe()
		}
		return f.scalar.describe() + ", or keys, see below"
	default:
		return f.scalar.describe()
	}
}

func (s scalar) describe() string {
	switch {
	case s.number && s.min == s.max:
		return fmt.Sprintf("`%d`", s.min)
	case s.number:
		return fmt.Sprintf("a number, %d to %d", s.min, s.max)
	case s.enum != nil:
		return "`" + strings.Join(s.enum, "`, `") + "`"
	default:
		return s.what
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
