package form

import "encoding/json"

// Schema returns the JSON Schema of a file of this form, indented, with a title. Editors complete
// and check files with it. Only the reader finds errors such as repeated names.
func (f Form) Schema(title string) []byte {
	s := f.schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = title
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // maps of strings, numbers and lists always marshal
	}
	return append(text, '\n')
}

type schema map[string]any

func (f Form) schema() schema {
	switch f.kind {
	case mappingKind:
		return f.mappingSchema()
	case tableKind:
		s := schema{"type": "object", "additionalProperties": f.items.schema(), "propertyNames": f.names.schema()}
		if f.least > 0 {
			s["minProperties"] = f.least
		}
		return s
	case listKind:
		s := schema{"type": "array", "items": f.items.schema()}
		if f.least > 0 {
			s["minItems"] = f.least
		}
		if f.most > 0 {
			s["maxItems"] = f.most
		}
		return s
	case choiceKind:
		return schema{"oneOf": []schema{f.scalar.schema(), f.long.schema()}}
	default:
		return f.scalar.schema()
	}
}

func (f Form) mappingSchema() schema {
	properties, required := schema{}, []string{}
	for _, k := range f.fields {
		p := k.Value.schema()
		if k.About != "" {
			p["description"] = k.About
			if k.Fallback != "" {
				p["description"] = k.About + " Default: " + k.Fallback + "."
			}
		}
		properties[k.Name] = p
		if k.Required {
			required = append(required, k.Name)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if f.one != nil {
		var either []schema
		for _, name := range f.one {
			either = append(either, schema{"required": []string{name}})
		}
		s["oneOf"] = either
	}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func (s Scalar) schema() schema {
	switch {
	case s.Any:
		return schema{"type": []string{"string", "number", "boolean"}}
	case s.Number:
		return schema{"type": "integer", "minimum": s.Min, "maximum": s.Max}
	case s.Enum != nil:
		return schema{"enum": s.Enum}
	case s.Pattern != "":
		return schema{"type": "string", "pattern": s.Pattern}
	default:
		return schema{"type": "string"}
	}
}
