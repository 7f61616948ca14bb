package foreign

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	errNoJSON     = errors.New("it is not what NetBox's /api/dcim/devices/ answers: an object with results, or a list of devices")
	errBrokenJSON = errors.New("it is not JSON, or was cut off")
)

// apiDevice is a device of the REST API. Every field may also be null or of another kind in some
// version, so they are looked at one by one.
type apiDevice map[string]json.RawMessage

// apiResult is one device as it stands in the file.
type apiResult struct {
	raw  json.RawMessage
	line int
}

// readNetBoxJSON reads an answer of /api/dcim/devices/, or a bare list of devices.
func readNetBoxJSON(c *collector, data []byte) error {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !json.Valid(data) {
		return errBrokenJSON
	}
	results, page, err := apiResults(data)
	if err != nil {
		return err
	}
	for i, result := range results {
		d := apiDevice(object(result.raw))
		if d == nil {
			c.skip(c.at(result.line), fmt.Sprintf("device %d", i+1), "it is not an object")
			continue
		}
		if err := c.device(c.apiDevice(d, c.at(result.line)), i+1); err != nil {
			return err
		}
	}
	if page != "" {
		c.skip(c.at(1), "other pages", fmt.Sprintf("this page holds only some of the devices (%d): ask NetBox with ?limit=0, or read every page", len(results)))
	}
	return nil
}

// apiResults returns the devices of a valid text, and where another page is, if there is one.
func apiResults(data []byte) (results []apiResult, page string, err error) {
	r := apiReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	found := false
	switch start, _ := r.decoder.Token(); start {
	case json.Delim('['):
		results, err = r.list()
		return results, "", err
	case json.Delim('{'):
		for r.decoder.More() {
			switch key, _ := r.decoder.Token(); key {
			case "results":
				if start, _ := r.decoder.Token(); start != json.Delim('[') {
					return nil, "", errNoJSON
				}
				found = true
				if results, err = r.list(); err != nil {
					return nil, "", err
				}
			case "next", "previous":
				page = cmp.Or(page, text(r.value()))
			default:
				r.value()
			}
		}
	}
	if !found {
		return nil, "", errNoJSON
	}
	return results, page, nil
}

// apiReader walks a text that is known to be valid, so that reading never fails.
type apiReader struct {
	data    []byte
	decoder *json.Decoder
	line    int // of offset at
	at      int
}

func (r *apiReader) value() json.RawMessage {
	var raw json.RawMessage
	_ = r.decoder.Decode(&raw) // the text is valid
	return raw
}

// list reads the rest of an array.
func (r *apiReader) list() ([]apiResult, error) {
	var out []apiResult
	for r.decoder.More() {
		raw := r.value()
		start := int(r.decoder.InputOffset()) - len(raw)
		r.line += bytes.Count(r.data[r.at:start], []byte("\n"))
		r.at = start
		out = append(out, apiResult{raw: raw, line: r.line})
		if len(out) > maxRouters {
			return nil, errTooMany
		}
	}
	_, _ = r.decoder.Token() // the closing bracket
	return out, nil
}

func (c *collector) apiDevice(d apiDevice, place string) device {
	kind := object(d["device_type"])
	out := device{
		place: place, name: text(d["name"]),
		status:       cmp.Or(text(object(d["status"])["value"]), text(d["status"])),
		manufacturer: cmp.Or(reference(kind["manufacturer"]), reference(d["manufacturer"])),
		platform:     reference(d["platform"]),
		site:         reference(d["site"]),
		role:         cmp.Or(reference(d["role"]), reference(d["device_role"])),
		note:         cmp.Or(text(d["description"]), text(d["comments"])),
		vars:         map[string]string{},
	}
	for _, field := range []string{"primary_ip", "primary_ip4", "primary_ip6"} {
		out.address = cmp.Or(out.address, text(object(d[field])["address"]), text(d[field]))
	}
	var tags []json.RawMessage
	if json.Unmarshal(d["tags"], &tags) == nil {
		for _, tag := range tags {
			out.tags = append(out.tags, reference(tag))
		}
	}
	for _, field := range []string{"location", "rack", "tenant", "platform"} {
		c.variable(out.vars, place, "", field, reference(d[field]))
	}
	c.variable(out.vars, place, "", "serial", text(d["serial"]))
	c.variable(out.vars, place, "", "model", cmp.Or(text(kind["slug"]), text(kind["model"])))
	c.customFields(out, object(d["custom_fields"]))
	return out
}

// customFields keeps those with a plain value.
func (c *collector) customFields(d device, fields map[string]json.RawMessage) {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		raw := bytes.TrimSpace(fields[name])
		switch _, taken := d.vars[strings.ToLower(name)]; {
		case string(raw) == "null":
		case isSecretName(name):
			c.secret(d.place, of("custom field", name))
		case raw[0] == '{' || raw[0] == '[':
			c.skip(d.place, of("custom field", name), "a list or object: only texts and numbers are taken over")
		case taken || name == "site" || name == "role":
			c.skip(d.place, of("custom field", name), "it has the name of a field of NetBox itself, which is kept instead")
		default:
			c.variable(d.vars, d.place, "custom field", name, text(raw))
		}
	}
}

// text returns a string, number or boolean as text, and nothing for anything else.
func text(raw json.RawMessage) string {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// object returns the fields of an object, and nothing for anything else.
func object(raw json.RawMessage) map[string]json.RawMessage {
	var out map[string]json.RawMessage
	if json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

// reference returns what a reference to another object is called: its slug where it has one.
func reference(raw json.RawMessage) string {
	o := object(raw)
	return cmp.Or(text(o["slug"]), text(o["name"]), text(o["display"]), text(raw))
}
