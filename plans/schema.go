package plans

// Schema returns the JSON Schema of a plan file, made from the same description as the reader.
// Editors complete and check plans with it. Only the reader finds errors such as repeated names.
func Schema() []byte { return planForm().Schema("rosknock plan") }

// Reference returns the plan file's keys as a Markdown document, from the same description as the
// reader and the schema.
func Reference() []byte {
	return planForm().Reference(`# The plan file

Generated from the description that reads it. A plan is YAML, read strictly: unknown keys, wrong values and names that come twice are
reported all at once, each with its line and column. A plan holds the knock: make it readable for yourself alone.
`)
}
