package docs

import (
	"go/ast"
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

// layers is the architecture: what each package may import, and nothing else. Reading it from top
// to bottom is reading the program from the inside out.
func layers() map[string]layer {
	return map[string]layer{
		"routeros":                {},
		"routeros/rsc":            {ours: "routeros routeros/firewall"},
		"routeros/wire":           {},
		"routeros/script":         {ours: "routeros"},
		"routeros/bootstrap":      {ours: "routeros routeros/script"},
		"routeros/firewall":       {ours: "routeros"},
		"routeros/firewall/lab":   {},
		"routeros/firewall/space": {ours: "routeros routeros/firewall"},
		"routeros/api":            {ours: "routeros routeros/wire", theirs: "github.com/go-routeros/routeros/v3", impure: true},
		"routeros/sshjump":        {ours: "routeros", theirs: "golang.org/x/crypto", impure: true},
		"routeros/sim":            {ours: "routeros routeros/script routeros/wire routeros/firewall", impure: true},
		"routeros/sim/simtest":    {ours: "routeros routeros/sim", impure: true},
		"plans/form":              {ours: "routeros", theirs: "go.yaml.in/yaml/v3"},
		"plans":                   {ours: "plans/form routeros", theirs: "go.yaml.in/yaml/v3"},
		"plans/inventory":         {ours: "plans plans/form routeros", theirs: "go.yaml.in/yaml/v3"},
		"plans/inventory/foreign": {ours: "routeros", theirs: "go.yaml.in/yaml/v3"},
		"plans/sequence":          {ours: "plans routeros"},
		"plans/change":            {ours: "routeros routeros/firewall"},
		"plans/change/changetest": {ours: "plans/change routeros"},
		"plans/traffic":           {ours: "plans routeros routeros/firewall routeros/firewall/space"},
		"plans/compile":           {ours: "plans plans/change plans/form plans/traffic routeros routeros/firewall routeros/firewall/space"},
		"plans/diff":              {ours: "plans plans/change plans/compile routeros"},
		"plans/proof":             {ours: "plans plans/change plans/compile plans/diff plans/traffic routeros routeros/firewall routeros/firewall/space"},
		"plans/audit":             {ours: "plans plans/sequence plans/traffic routeros routeros/firewall routeros/firewall/space"},
		"plans/lint":              {ours: "plans plans/audit plans/form plans/sequence routeros routeros/firewall"},
		"plans/expect":            {ours: "plans plans/audit plans/form plans/traffic routeros routeros/firewall routeros/firewall/space", theirs: "go.yaml.in/yaml/v3"},
		"plans/starter":           {ours: "plans plans/audit plans/change plans/compile plans/diff plans/form plans/proof plans/traffic routeros routeros/firewall routeros/firewall/space"},
		"plans/decide":            {ours: "plans plans/change plans/compile plans/diff plans/lint plans/proof routeros"},
		"plans/remove":            {ours: "plans plans/change plans/compile plans/diff routeros"},
		"plans/undo":              {ours: "plans/change routeros routeros/script"},
		"plans/render":            {ours: "plans plans/change plans/undo routeros routeros/script", theirs: "github.com/boombuler/barcode"},
		"plans/discover":          {ours: "plans plans/audit plans/change plans/compile plans/diff plans/proof routeros routeros/firewall"},
		"plans/apply":             {ours: "plans/change plans/undo routeros routeros/api", impure: true},
		"plans/state":             {ours: "plans/change plans/remove routeros", theirs: "github.com/gofrs/flock", impure: true},
		"plans/trusted":           {ours: "routeros routeros/api", impure: true},
		"plans/fleet":             {impure: true},
		"plans/notify":            {ours: "plans routeros", impure: true},
		"plans/knock":             {ours: "plans routeros", theirs: "golang.org/x/net", impure: true},
		"plans/operate":           {ours: "plans plans/apply plans/change plans/compile plans/decide plans/diff plans/discover plans/fleet plans/inventory plans/lint plans/proof plans/remove plans/sequence plans/state plans/trusted plans/undo routeros routeros/api", impure: true},
		"fixtures":                {},
		"docs":                    {},
		"cmd/rosknock/view":       {ours: "cmd/rosknock/view/page plans plans/apply plans/audit plans/change plans/discover plans/expect plans/form plans/inventory plans/lint plans/operate plans/proof plans/sequence plans/state plans/trusted routeros routeros/firewall/space routeros/firewall", theirs: "github.com/olekukonko/tablewriter github.com/prometheus/client_golang github.com/prometheus/common"},
		"cmd/rosknock":            {ours: "*", theirs: "github.com/spf13/cobra github.com/spf13/pflag github.com/spf13/viper github.com/go-viper/mapstructure/v2 golang.org/x/term github.com/schollz/progressbar/v3 github.com/zalando/go-keyring", impure: true},

		"cmd/rosknock/view/page": {ours: "routeros"},
	}
}

// outside lists what the pure packages keep away from. net/netip is values only.
func outside() []string {
	return []string{"net", "net/http", "os", "os/exec", "log", "log/slog", "crypto/rand", "math/rand", "math/rand/v2", "io/ioutil", "syscall"}
}

// TestLayers fails when an import points outward, when a pure package reaches for the world, or
// when a package is not in the map. It reads the sources rather than asking the go command, so that
// the test cache sees every change.
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

// TestFormats fails when a text that is made at run time is used as a format: a percent sign in a
// comment, a name or an address would garble it. A format is a constant, or the parameter format of
// a function whose callers are held to the same.
func TestFormats(t *testing.T) {
	set := token.NewFileSet()
	forwards, constants, files := map[string]int{}, map[string]bool{}, map[string][]*ast.File{}
	for name, at := range map[string]int{"Sprintf": 0, "Errorf": 0, "Printf": 0, "Fprintf": 1, "Appendf": 1} {
		forwards["fmt."+name] = at // where the format stands
	}
	eachFile(t, func(file string, _ []string, source string) {
		parsed, err := parser.ParseFile(set, file, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		dir := path.Dir(file)
		files[dir] = append(files[dir], parsed)
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				note(forwards, dir, n.Name, n.Type)
			case *ast.AssignStmt:
				if f, ok := n.Rhs[0].(*ast.FuncLit); ok {
					note(forwards, dir, n.Lhs[0], f.Type)
				}
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && n.Tok == token.CONST {
						constants[v.Names[0].Name] = true
					}
				}
			}
			return true
		})
	})
	for dir, in := range files {
		for _, file := range in {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				at, forwards := forwards[called(dir, call.Fun)]
				if forwards && at < len(call.Args) && !constant(call.Args[at], constants) {
					t.Errorf("%s: a format is made at run time", set.Position(call.Pos()))
				}
				return true
			})
		}
	}
}

// note keeps where a function of a package that has a parameter format, and arguments after it,
// wants the format.
func note(forwards map[string]int, dir string, name ast.Expr, f *ast.FuncType) {
	at := 0
	for i, field := range f.Params.List {
		_, variadic := f.Params.List[len(f.Params.List)-1].Type.(*ast.Ellipsis)
		for _, parameter := range field.Names {
			if parameter.Name == "format" && variadic && i == len(f.Params.List)-2 {
				forwards[called(dir, name)] = at
			}
			at++
		}
	}
}

// called is the name of a function: of a package, or a method of whichever type in it.
func called(dir string, f ast.Expr) string {
	switch f := f.(type) {
	case *ast.Ident:
		return dir + "." + f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok && x.Name == "fmt" {
			return "fmt." + f.Sel.Name
		}
		return dir + "." + f.Sel.Name
	}
	return ""
}

// constant reports whether an expression is made of literals, constants, and the format of the
// function that it stands in.
func constant(e ast.Expr, constants map[string]bool) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "format" || constants[e.Name]
	case *ast.BinaryExpr:
		return constant(e.X, constants) && constant(e.Y, constants)
	}
	return false
}

// TestTopLevel fails when something stands at the top of the project that does not belong there.
// What git does not track is nobody's business: the tutorial's files, notes, a folder for trying
// things out.
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

// tracked are the names at the top of the project that git tracks. Without git, or in an archive of
// the sources, nobody can tell.
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
