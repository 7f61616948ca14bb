package plans

import (
	"fmt"
	"strings"

	"github.com/rosknock/rosknock/plans/form"
)

// Credential says where a secret is kept. It never holds the secret itself.
type Credential struct {
	Kind CredentialKind
	// Value is the name of a variable of the environment, a file, a command line, or the name in
	// the keyring.
	Value string
}

// CredentialKind says what kind of place a secret is kept in.
type CredentialKind string

// The places where secrets are kept. Ask has no value.
const (
	FromEnv     CredentialKind = "env"
	FromFile    CredentialKind = "file"
	FromCommand CredentialKind = "command"
	FromKeyring CredentialKind = "keyring"
	Ask         CredentialKind = "prompt"
)

// String returns the credential as it is written.
func (c Credential) String() string {
	if c.Kind == Ask || c.Kind == "" {
		return string(c.Kind)
	}
	return string(c.Kind) + ":" + c.Value
}

// ParseCredential reads env:NAME, file:PATH, command:LINE, keyring:NAME or prompt. Its errors do
// not repeat the text: a password that was written there by mistake must not get into a log.
func ParseCredential(text string) (Credential, error) {
	kind, value, _ := strings.Cut(text, ":")
	c := Credential{CredentialKind(kind), strings.TrimSpace(value)}
	switch c.Kind {
	case Ask:
		if text == string(Ask) {
			return c, nil
		}
	case FromEnv, FromFile, FromCommand, FromKeyring:
		if c.Value != "" {
			return c, nil
		}
		return Credential{}, fmt.Errorf("nothing follows %s", kind+":")
	}
	return Credential{}, errLiteral
}

var errLiteral = fmt.Errorf("a secret must not be written here: say where it is kept")

// CredentialScalar is a credential in a file. of says what is kept there: "the password". What is
// written is never quoted in a message.
func CredentialScalar(of string) form.Scalar {
	return form.Scalar{What: "a place where " + of + " is kept", Secret: true, Pattern: `^(prompt|(env|file|command|keyring): *[^ ].*)$`,
		Check: func(text string) (string, string) {
			if _, err := ParseCredential(text); err != nil {
				return err.Error(), "write env:NAME, file:PATH, command:LINE, keyring:NAME or prompt"
			}
			return "", ""
		}}
}
