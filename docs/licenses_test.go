package docs

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLicenses fails when docs/licenses.md does not hold the licence of a module that is linked into
// the program on one of its platforms. ROSKNOCK_UPDATE=1 writes it anew. Archives and packages carry
// the page.
func TestLicenses(t *testing.T) {
	want := licences(t)
	if os.Getenv("ROSKNOCK_UPDATE") != "" {
		if err := os.WriteFile("licenses.md", want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("licenses.md"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("licenses.md is out of date (%v): run ROSKNOCK_UPDATE=1 go test ./docs", err)
	}
}

// licences is the page: each module with its version, and the text of its licence.
func licences(t *testing.T) []byte {
	t.Helper()
	modules := map[string]string{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		maps.Copy(modules, linked(t, system))
	}
	if len(modules) < 20 {
		t.Fatalf("only %d modules are linked in: %v", len(modules), modules)
	}
	var page bytes.Buffer
	page.WriteString("# Licences of what is linked in\n\n")
	page.WriteString("The program holds Go's standard library and these modules. Generated from their files; the licence of\nrosknock itself is in [LICENSE](../LICENSE).\n")
	for _, module := range slices.Sorted(maps.Keys(modules)) {
		files, err := filepath.Glob(filepath.Join(modules[module], "*"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&page, "\n## %s\n", module)
		found := 0
		for _, file := range files {
			if name := filepath.Base(file); !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "NOTICE") && !strings.HasPrefix(name, "COPYING") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found++
			fmt.Fprintf(&page, "\n```text\n%s\n```\n", strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
		}
		if found == 0 {
			t.Errorf("%s has no licence", module)
		}
	}
	return page.Bytes()
}

// linked returns the modules of the program on a system, with the folder of each.
func linked(t *testing.T, system string) map[string]string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/rosknock")
	list.Dir = ".."
	list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{"Go's standard library": strings.TrimSpace(string(root))}
	for line := range strings.Lines(string(out)) {
		if module, dir, is := strings.Cut(strings.TrimSpace(line), "\t"); is {
			modules[module] = dir
		}
	}
	return modules
}
