package foreign

import "strings"

// passwordsStay is said wherever a password is left out.
const passwordsStay = "passwords are not taken over: set ROSKNOCK_PASSWORD, password: command:… in the inventory, or a keyring"

// isSecretName reports whether a name of a column or variable says that its value is a password.
func isSecretName(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), " ", "_")
	if name == "pw" || strings.HasSuffix(name, "_pw") || name == "pin" {
		return true
	}
	for _, part := range secretParts() {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// secretParts are parts of names whose values are secrets. One too many only costs a message.
func secretParts() []string {
	return []string{"pass", "pwd", "secret", "token", "credential", "community", "psk", "vault", "kennwort", "losung",
		"private_key", "private-key", "privatekey", "api_key", "api-key", "apikey", "contrase", "senha", "heslo", "salasana"}
}

// isVault reports whether a value is a text that ansible-vault has encrypted.
func isVault(value string) bool { return strings.HasPrefix(strings.TrimSpace(value), "$ANSIBLE_VAULT") }

// isTemplate reports whether a value is filled in by Jinja.
func isTemplate(value string) bool {
	return strings.Contains(value, "{{") || strings.Contains(value, "{%")
}
