package docs

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rosknock/rosknock/"

// layer says what a package may import.
type layer struct {
	ours   string // packages of this module
	theirs string // modules of other people
	impure bool   // may use sockets, files, the clock and logging
}

// layers is the architecture: what each package may import, and nothing else. Reading it from top to
// bottom is reading the program from the inside out.
func layers() map[string]layer {
	return map[string]layer{
		"routeros":            {},
		"routeros/rsc":        {ours: "routeros"},
		"routeros/wire":       {},
		"routeros/script":     {ours: "routeros"},
		"routeros/packet":     {ours: "routeros"},
		"routeros/packet/lab": {},
		"routeros/classes":    {ours: "routeros routeros/packet"},
		"routeros/api":        {ours: "routeros routeros/wire", theirs: "github.com/go-routeros/routeros/v3", impure: true},
		"routeros/jump":       {theirs: "golang.org/x/crypto", impure: true},
		"routeros/sim":        {ours: "routeros routeros/script routeros/wire routeros/packet", impure: true},
		"plans":               {ours: "routeros", theirs: "go.yaml.in/yaml/v3"},
		"plans/fleet/foreign": {theirs: "go.yaml.in/yaml/v3"},
		"plans/sequence":      {ours: "plans routeros"},
		"plans/compile":       {ours: "plans routeros routeros/classes routeros/packet"},
		"plans/diff":          {ours: "plans plans/compile routeros"},
		"plans/proof":         {ours: "plans plans/compile plans/diff routeros routeros/classes routeros/packet"},
		"plans/audit":         {ours: "plans plans/compile plans/sequence routeros routeros/classes routeros/packet"},
		"plans/lint":          {ours: "plans plans/audit plans/compile plans/sequence routeros"},
		"plans/remove":        {ours: "plans plans/compile plans/diff routeros"},
		"plans/undo":          {ours: "plans/diff routeros routeros/script"},
		"plans/render":        {ours: "plans plans/diff plans/undo routeros routeros/script"},
		"plans/recognise":     {ours: "plans plans/audit plans/compile plans/diff plans/proof routeros"},
		"plans/apply":         {ours: "plans/diff plans/undo routeros routeros/api", impure: true},
		"plans/state":         {ours: "plans/diff plans/remove routeros", theirs: "github.com/gofrs/flock", impure: true},
		"plans/trusted":       {ours: "routeros routeros/api", impure: true},
		"plans/fleet":         {impure: true},
		"plans/knock":         {ours: "plans routeros", theirs: "golang.org/x/net", impure: true},
		"fixtures":            {},
		"docs":                {},
		"cmd/rosknock/view":   {ours: "cmd/rosknock/view/page plans plans/apply plans/audit plans/diff plans/lint plans/proof plans/recognise plans/sequence plans/state plans/trusted routeros routeros/classes routeros/packet", theirs: "github.com/olekukonko/tablewriter github.com/prometheus/client_golang github.com/prometheus/common"},
		"cmd/rosknock":        {ours: "*", theirs: "github.com/spf13/cobra github.com/spf13/pflag github.com/spf13/viper github.com/go-viper/mapstructure/v2 golang.org/x/term github.com/schollz/progressbar/v3 github.com/zalando/go-keyring", impure: true},

		"cmd/rosknock/view/page": {},
	}
}

// outside lists what the pure packages keep away from. net/netip is values only.
func outside() []string {
	return []string{"net", "net/http", "os", "os/exec", "log", "log/slog", "crypto/rand", "math/rand", "math/rand/v2", "io/ioutil", "syscall"}
}

// TestLayers fails when an import points outward, when a pure package reaches for the world, or when a package
// is not in the map. It reads the sources rather than asking the go command, so that the test cache sees
// every change.
func TestLayers(t *testing.T) {
	eachFile(t, func(file string, imports []string, _ string) {
		may, known := layers()[path.Dir(file)]
		if !known {
			t.Errorf("%s: the package %s is not in the map of layers", file, path.Dir(file))
		}
		for _, imp := range imports {
			if !may.allows(imp) {
				t.Errorf("%s: %s must not import %s", file, path.Dir(file), imp)
			}
		}
	})
}

// TestNoClock fails when a pure package reads the clock or prints.
func TestNoClock(t *testing.T) {
	eachFile(t, func(file string, _ []string, source string) {
		if layers()[path.Dir(file)].impure {
			return
		}
		for _, word := range []string{"time.Now(", "time.Sleep(", "fmt.Print(", "fmt.Printf(", "fmt.Println("} {
			for line := range strings.SplitSeq(source, "\n") {
				code, _, _ := strings.Cut(line, "//")
				if strings.Contains(code, word) {
					t.Errorf("%s: %s in a pure package", file, word)
				}
			}
		}
	})
}

// TestTopLevel fails when something stands at the top of the project that does not belong there. What git does not track is
// nobody's business: the tutorial's files, notes, a folder for trying things out.
func TestTopLevel(t *testing.T) {
	allowed := append(sources(), "go.mod", "go.sum", "Makefile", "README.md", "LICENSE")
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, ".") && !slices.Contains(allowed, name) {
			t.Errorf("%s does not belong at the top", name)
		}
	}
}

// sources are the folders that hold the program and its pages.
func sources() []string { return []string{"cmd", "routeros", "plans", "fixtures", "docs"} }

// tracked are the names at the top of the project that git tracks. Without git, or in an archive of the sources, nobody can tell.
func tracked(t *testing.T) []string {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z")
	list.Dir = ".."
	output, err := list.Output()
	if err != nil {
		t.Skipf("what is part of the project can't be told without git: %v", err)
	}
	if len(output) == 0 {
		t.Skip("git tracks nothing here")
	}
	var names []string
	for file := range strings.SplitSeq(strings.TrimSuffix(string(output), "\x00"), "\x00") {
		name, _, _ := strings.Cut(file, "/")
		names = append(names, name)
	}
	return slices.Compact(names)
}

func eachFile(t *testing.T, check func(file string, imports []string, source string)) {
	t.Helper()
	root := os.DirFS("..")
	look := func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range parsed.Imports {
			imports = append(imports, strings.Trim(spec.Path.Value, `"`))
		}
		check(file, imports, string(source))
		return nil
	}
	for _, top := range sources() {
		if err := fs.WalkDir(root, top, look); err != nil {
			t.Fatal(err)
		}
	}
}

func (l layer) allows(imp string) bool {
	if ours, own := strings.CutPrefix(imp, module); own {
		return l.ours == "*" || slices.Contains(strings.Fields(l.ours), ours)
	}
	if !strings.Contains(imp, ".") {
		return l.impure || !slices.Contains(outside(), imp)
	}
	return slices.ContainsFunc(strings.Fields(l.theirs), func(m string) bool {
		return imp == m || strings.HasPrefix(imp, m+"/")
	})
}
