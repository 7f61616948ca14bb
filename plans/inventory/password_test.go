package inventory_test

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/inventory"
)

// TestPasswordInInventory: a password that somebody wrote before a host does not come out in the
// message about it, nor in the line that is shown.
func TestPasswordInInventory(t *testing.T) {
	for _, line := range []string{
		`r1: {address: "admin:hunter2@192.0.2.1"}`, `r1: {address: admin:hun@ter2@192.0.2.1}`, `r1: {address: 192.0.2.1, location: "admin:hunter2@h"}`,
		`r1: {address: 192.0.2.1, transport: "admin:hunter2@h"}`, `"admin:hunter2@h": {address: 192.0.2.1}`,
	} {
		_, err := inventory.Read(inventory.File{Name: "i.yaml", Data: []byte("version: 1\nrouters:\n  " + line + "\n")})
		if err == nil || strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") || !strings.Contains(err.Error(), "i.yaml:3:") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
