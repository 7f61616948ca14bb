package docs

import (
	"bytes"
	"os"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/plans/inventory"
)

// TestGenerated fails when a generated page is not what the code says. ROSKNOCK_UPDATE=1 writes it
// anew.
func TestGenerated(t *testing.T) {
	for name, want := range map[string][]byte{"plan.md": plans.Reference(), "inventory.md": inventory.Reference(), "tests.md": expect.Reference()} {
		if os.Getenv("ROSKNOCK_UPDATE") != "" {
			if err := os.WriteFile(name, want, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is out of date (%v): run ROSKNOCK_UPDATE=1 go test ./docs", name, err)
		}
	}
}
