package inventory

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// document is what messages call an inventory. A line for a router takes about 100 bytes.
func document() form.Document {
	return form.Document{What: "an inventory", Plural: "inventories", MaxBytes: 32 << 20, HideWhole: true,
		TooLarge: "the file is larger than 32 MiB", Empty: "the smallest inventory has a version and one router with an address"}
}

// Schema returns the JSON Schema of an inventory, made from the same description as the reader.
func Schema() []byte { return fileForm().Schema("rosknock inventory") }

// fileForm describes an inventory. The reader, the JSON Schema and the reference all come from it.
func fileForm() form.Form {
	return form.Mapping(
		form.Field{Name: "version", Required: true, About: "The version of the inventory format.", Value: form.Number("the version of the format", 1, 1)},
		form.Field{Name: "defaults", About: "What holds for every router.", Value: form.Mapping(commonFields()...)},
		form.Field{Name: "groups", About: "What holds for the routers of a group, by its name.",
			Value: form.Table(routerNameScalar(), form.Mapping(commonFields()...))},
		form.Field{Name: "routers", About: "The routers, by name.",
			Value: form.Table(routerNameScalar(), form.Mapping(routerFields()...))},
	)
}

func commonFields() []form.Field {
	return []form.Field{
		{Name: "plans", About: "Plan files, relative to this file. A plan on the command line goes before them.",
			Value: form.List(form.Of(pathScalar("a plan file"))).AtLeast(1)},
		{Name: "vars", About: "Variables for the plans, which use them as `${name}`.",
			Value: form.Table(form.VariableScalar(), form.Of(anyScalar()))},
		{Name: "tags", About: "Words to choose routers by.", Value: form.List(form.Of(routerNameScalar()))},
		{Name: "site", Fallback: "-", About: "The customer or place that it belongs to: what is remembered of a router goes by SITE/NAME, never by its address alone.",
			Value: form.Of(routerNameScalar())},
		{Name: "user", Fallback: "that of --user", About: "The user to log in as.", Value: form.Of(form.TextScalar("a user"))},
		{Name: "password", Fallback: "ROSKNOCK_PASSWORD, the keyring, or the question",
			About: "Where the password is kept: env:NAME, file:PATH, command:LINE, keyring:NAME or prompt. `${router}` stands for the router's name.",
			Value: form.Of(plans.CredentialScalar("the password")).Secret()},
		{Name: "transport", Fallback: "api-ssl", About: "The service to use.", Value: form.Of(form.Scalar{What: "a transport", Enum: []string{"api-ssl", "api"}})},
		{Name: "tls-ca", About: "File with the authorities that may sign certificates.", Value: form.Of(pathScalar("a file"))},
		{Name: "ssh-jump", About: "SSH hosts to go through: user@host:port, several with commas.", Value: form.Of(form.TextScalar("SSH hosts"))},
		{Name: "timeout", Fallback: "that of --timeout", About: "Time for connecting, and for each answer.", Value: form.Of(form.DurationScalar())},
	}
}

func routerFields() []form.Field {
	return append([]form.Field{
		{Name: "address", About: "Host, host:port or [v6]:port. Needed in one of the files.", Value: form.Of(hostScalar())},
		{Name: "groups", About: "The groups that it belongs to.", Value: form.List(form.Of(routerNameScalar()))},
		{Name: "tls-pin", About: "`sha256:HEX` of its certificate.", Value: form.Of(pinScalar())},
	}, commonFields()...)
}

// Reference returns the inventory's keys as a Markdown document, from the same description.
func Reference() []byte {
	return fileForm().Reference(`# The inventory

Generated from the description that reads it. An inventory is YAML, read as strictly as a plan. It holds no passwords: it says where they
are kept. Several files, each named with --inventory, are read as one: what a later file says goes before what an earlier one says.
A router's own word goes before its groups', and theirs before the defaults; two groups that say different things of a router are a
mistake, until the router says it itself. The tags, and the plans of several groups, add up.
`)
}

const (
	routerNamePattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`
	pinPattern        = `^sha256:[0-9A-Fa-f]{64}$`
)

var (
	routerName = regexp.MustCompile(routerNamePattern)
	pinText    = regexp.MustCompile(pinPattern)
)

// routerNameScalar is the alphabet of routers, groups and tags. It is safe in commands, file names
// and patterns.
func routerNameScalar() form.Scalar {
	return form.Scalar{What: "a name", Pattern: routerNamePattern, Check: func(text string) (string, string) {
		if routerName.MatchString(text) {
			return "", ""
		}
		return "names are made of letters, digits, dot, - and _, at most 63 of them, and begin with a letter or digit", ""
	}}
}

// hostScalar is host, host:port or [v6]:port.
func hostScalar() form.Scalar {
	return form.Scalar{What: "an address", Pattern: `^[^ /@]+$`, Check: func(text string) (string, string) {
		if why := CheckHost(text); why != "" {
			return why, "write host, host:port or [v6]:port"
		}
		return "", ""
	}}
}

// CheckHost says what is wrong with host, host:port or [v6]:port; "" when nothing is.
func CheckHost(text string) string {
	const none = "it is no host and no address"
	var host, port string
	var hasPort bool
	if rest, bracket := strings.CutPrefix(text, "["); bracket {
		address, behind, closed := strings.Cut(rest, "]")
		if a, err := netip.ParseAddr(address); !closed || err != nil || !a.Is6() {
			return none
		}
		if behind == "" {
			return ""
		}
		host = address
		if port, hasPort = strings.CutPrefix(behind, ":"); !hasPort {
			return none
		}
	} else if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
		return ""
	} else if host, port, hasPort = strings.Cut(text, ":"); strings.Contains(port, ":") {
		return none
	}
	if n, err := routeros.ParsePort(port); hasPort && (err != nil || n == 0) {
		return "the port is a number from 1 to 65535"
	}
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/@[]", r) || !unicode.IsPrint(r) }) {
		return none
	}
	return ""
}

func pinScalar() form.Scalar {
	return form.Scalar{What: "a pin", Pattern: pinPattern, Check: func(text string) (string, string) {
		if IsPin(text) {
			return "", ""
		}
		return "a pin is sha256: and 64 hex digits", ""
	}}
}

// IsPin reports whether a text is the pin of a certificate: sha256: and 64 hex digits.
func IsPin(text string) bool { return pinText.MatchString(text) }

func pathScalar(what string) form.Scalar {
	return form.Scalar{What: what, Pattern: `^[^\s].*$`, Check: checkPlain}
}

// anyScalar is the value of a variable: text, a number, true or false.
func anyScalar() form.Scalar {
	return form.Scalar{What: "a value", Any: true, Check: checkPlain}
}

func checkPlain(text string) (why, remedy string) {
	switch {
	case strings.TrimSpace(text) == "":
		return "it is empty", ""
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "it holds a character that can't be printed", ""
	}
	return "", ""
}

// CheckVariable says what is wrong with a variable that was given elsewhere than in an inventory;
// "" if it is valid.
func CheckVariable(name, value string) string {
	if why := form.CheckVariable(name); why != "" {
		return why
	}
	why, _ := checkPlain(value)
	return why
}
