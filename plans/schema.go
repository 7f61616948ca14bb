package plans

import "encoding/json"

// Schema returns the JSON Schema of a plan file, made from the same description as the reader.
// Editors complete and check plans with it. Only the reader finds errors such as repeated names.
func Schema() []byte { return planForm().document("rosknock plan") }

func (f form) document(title string) []byte {
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

func (f form) schema() schema {
	switch f.kind {
	case mappingForm:
		return f.mappingSchema()
	case tableForm:
		s := schema{"type": "object", "additionalProperties": f.items.schema(), "propertyNames": f.names.schema()}
		if f.least > 0 {
			s["minProperties"] = f.least
		}
		return s
	case listForm:
		s := schema{"type": "array", "items": f.items.schema()}
		if f.least > 0 {
			s["minItems"] = f.least
		}
		if f.most > 0 {
			s["maxItems"] = f.most
		}
		return s
	case choiceForm:
		return schema{"oneOf": []schema{f.scalar.schema(), f.long.schema()}}
	default:
		return f.scalar.schema()
	}
}

func (f form) mappingSchema() schema {
	properties, required := schema{}, []string{}
	for _, k := range f.fields {
		p := k.value.schema()
		if k.about != "" {
			p["description"] = k.about
			if k.fallback != "" {
				p["description"] = k.about + " Default: " + k.fallback + "."
			}
		}
		properties[k.name] = p
		if k.required {
			required = append(required, k.name)
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

func (s scalar) schema() schema {
	switch {
	case s.any:
		return schema{"type": []string{"string", "number", "boolean"}}
	case s.number:
		return schema{"type": "integer", "minimum": s.min, "maximum": s.max}
	case s.enum != nil:
		return schema{"enum": s.enum}
	case s.pattern != "":
		return schema{"type": "string", "pattern": s.pattern}
	default:
		return schema{"type": "string"}
	}
}
