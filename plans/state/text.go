package state

import (
	"encoding/json"
	"unicode/utf8"
)

// Text is a value of the router in JSON. Comments need not be UTF-8 (routeros-facts § 1.1), and
// JSON would lose such bytes: a text that is not is kept as {"base64": "…"}.
type Text string

type encoded struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(encoded{[]byte(t)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var e encoded
		err := json.Unmarshal(data, &e)
		*t = Text(e.Base64)
		return err
	}
	var s string
	err := json.Unmarshal(data, &s)
	*t = Text(s)
	return err
}
