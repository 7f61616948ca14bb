package script

import (
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Path writes a menu in the form that RouterOS 6 requires and 7 accepts: /ip firewall filter.
func Path(m routeros.Menu) string {
	return "/" + strings.ReplaceAll(strings.TrimPrefix(string(m), "/"), "/", " ")
}

// Quoted writes a text in quotes, whether it needs them or not.
func Quoted(s string) string {
	text := routeros.Quote(s)
	if strings.HasPrefix(text, `"`) {
		return text
	}
	return `"` + text + `"`
}

// Assign writes an attribute as /export does: the console says yes and no where the API says true
// and false.
func Assign(name, value string) string {
	switch name {
	case "comment", "chain", "content", "list", "log-prefix":
	default:
		if value == "true" || value == "false" {
			value = YesNo(value == "true")
		}
	}
	return name + "=" + routeros.Quote(value)
}

// YesNo writes a truth value as the console does.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
