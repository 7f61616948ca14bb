package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDocs runs what README, tutorial and how-tos tell people to type, and compares what comes out
// with what they print.
//
// In a block marked console, a line that begins with $ is a command, one that begins with > is
// typed at the simulated router that runs, and the others are what they print. … stands for any
// text in a line, and alone in a line for any lines. Names of changes, times and fingerprints
// differ from run to run. In a block marked sh every line is a command. `rosknock sim` runs on
// until the next one, or the end of the page. A plan in a block marked yaml is saved as NAME.yaml,
// tests of it as NAME-tests.yaml, and a file under the name in its first line (# NAME.yaml).
//
// A how-to speaks of routers that are not here. Its comment `<!-- test` says what the test does
// first ($ COMMAND), what it types in place of something (THIS = THAT), and which jump host is to be
// there (jump host: USER@HOST). A block after `<!-- not run: REASON -->` is not run.
func TestDocs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the pages are written for a POSIX shell")
	}
	for _, tool := range []string{"bash", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here", tool)
		}
	}
	howTos, err := filepath.Glob("../../docs/howto/*.md")
	if err != nil || len(howTos) < 8 {
		t.Fatalf("%d how-tos: %v", len(howTos), err)
	}
	for i, page := range append([]string{"../../README.md", "../../docs/quickstart.md", "../../docs/tutorial.md"}, howTos...) {
		t.Run(strings.TrimPrefix(page, "../../"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			r := newReader(t, string(text), i)
			for _, s := range typed(r.behind(r.moved(replaced(string(text))))) {
				r.do(s)
			}
		})
	}
}

// step is something that a page tells its reader to type, and what it says comes out.
type step struct {
	line    int
	prompt  byte // '$' or '>'
	command string
	want    []string
	checked bool // what comes out is shown
}

// typed returns the steps of a page.
func typed(page string) []step {
	var steps []step
	var file []string
	block, skip := "", false
	for i, line := range strings.Split(page, "\n") {
		fence, is := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case block == "" && strings.HasPrefix(line, "<!-- test"):
			block = "test "
		case block == "test ":
			if line == "-->" {
				block = ""
			} else if command, is := strings.CutPrefix(line, "$ "); is {
				steps = append(steps, step{line: i + 1, prompt: '$', command: command, want: []string{"…", "stop with Ctrl-C"}})
			}
		case block == "" && strings.HasPrefix(line, "<!-- not run: "):
			skip = true
		case is && block == "":
			block = fence + " "
			if skip {
				block = "skipped "
			}
			file = nil
		case is:
			if name := savedAs(strings.Join(file, "\n")); block == "yaml " && name != "" {
				steps = append(steps, step{line: i + 1, prompt: '$', command: "cat > " + name + " <<'EOF'\n" + strings.Join(file, "\n") + "\nEOF"})
			}
			block, skip = "", false
		case block == "yaml ":
			file = append(file, line)
		case block == "console " && (strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "> ")):
			steps = append(steps, step{line: i + 1, prompt: line[0], command: line[2:], checked: true})
		case block == "console ":
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		case block == "sh " && strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#"):
			steps = append(steps, step{line: i + 1, prompt: '$', command: line})
		}
	}
	return steps
}

// savedAs is the name under which a page's reader saves a file, or nothing for one that is only
// shown.
func savedAs(text string) string {
	if found := regexp.MustCompile(`\A# (\S+\.yaml)\n`).FindStringSubmatch(text); found != nil {
		return found[1]
	}
	if found := regexp.MustCompile(`(?m)^name: (\S+)$`).FindStringSubmatch(text); found != nil {
		return found[1] + ".yaml"
	}
	if found := regexp.MustCompile(`(?m)^plan: (\S+)\.yaml$`).FindStringSubmatch(text); found != nil {
		return found[1] + "-tests.yaml"
	}
	return ""
}

// replaced types one thing in place of another, as the page's comment says.
func replaced(page string) string {
	title, rest, is := strings.Cut(page, "<!-- test\n")
	if !is {
		return page
	}
	comment, rest, _ := strings.Cut(rest, "\n-->\n")
	for line := range strings.SplitSeq(comment, "\n") {
		if from, to, is := strings.Cut(line, " = "); is && !strings.HasPrefix(line, "$ ") {
			rest = strings.ReplaceAll(rest, strings.Trim(from, "`"), strings.Trim(to, "`"))
		}
	}
	return title + "<!-- test\n" + comment + "\n-->\n" + rest
}

// reader is somebody who follows a page in a fresh copy of the tree.
type reader struct {
	*testing.T
	dir    string
	home   string
	env    []string
	ports  map[string]string
	sim    *exec.Cmd
	keys   io.WriteCloser
	screen *screen
}

func newReader(t *testing.T, page string, nth int) *reader {
	r := &reader{T: t, dir: t.TempDir(), home: t.TempDir(), ports: freePorts(t, page, nth)}
	for _, name := range []string{"cmd", "routeros", "plans", "fixtures", "go.mod", "go.sum", "Makefile"} {
		if err := os.Symlink(absolute(t, "../../"+name), filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.env = append(os.Environ(), "HOME="+r.home, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "ROSKNOCK_STATE_DIR=", "ROSKNOCK_PASSWORD=", "COLUMNS=80", "NO_COLOR=1",
		"GOFLAGS=-trimpath -buildvcs=false", "READER="+r.home+"/environment")
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		r.env = append(r.env, name+"="+strings.TrimSpace(string(value)))
	}
	t.Cleanup(r.stop)
	return r
}

func absolute(t *testing.T, path string) string {
	found, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// freePorts finds ports that nobody uses for those of 127.0.0.1 that a page names, with as many
// digits, so that tables stay as wide. Pages that run side by side look in different places.
func freePorts(t *testing.T, page string, nth int) map[string]string {
	ports := map[string]string{}
	offset := os.Getpid()%130*3 + nth*400
	next := map[int]int{4: 4000 + offset, 5: 24000 + offset}
	for _, found := range regexp.MustCompile(`127\.0\.0\.1:(\d{4,5})`).FindAllStringSubmatch(page, -1) {
		first := found[1]
		if _, known := ports[first]; known || first == "51077" {
			continue
		}
		n := next[len(first)]
		for ; !free(n) || !free(n+1) || !free(n+2); n++ {
			if n > 65000 {
				t.Fatal("no free ports")
			}
		}
		// The routers of one --count follow each other.
		start, err := strconv.Atoi(first)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			ports[strconv.Itoa(start+i)] = strconv.Itoa(n + i)
		}
		next[len(first)] = n + 3
	}
	return ports
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)) //nolint:noctx // listening does not block
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// moved puts the free ports in place of those of a page, the one that sim takes by itself included.
func (r *reader) moved(page string) string {
	for from, to := range r.ports {
		page = strings.ReplaceAll(page, "127.0.0.1:"+from, "127.0.0.1:"+to)
	}
	if to, named := r.ports["8728"]; named {
		page = regexp.MustCompile(`(?m)^(\$ \S*rosknock sim )(.*)$`).ReplaceAllStringFunc(page, func(line string) string {
			if strings.Contains(line, "--listen") {
				return line
			}
			return line + " --listen 127.0.0.1:" + to
		})
	}
	return page
}

// behind starts an OpenSSH server and puts it in place of the jump host of a page, if there is one.
func (r *reader) behind(page string) string {
	r.Helper()
	found := regexp.MustCompile(`(?m)^jump host: (\S+)$`).FindStringSubmatch(page)
	if found == nil {
		return page
	}
	dir := filepath.Join(r.home, ".ssh")
	if err := os.Mkdir(dir, 0o700); err != nil {
		r.Fatal(err)
	}
	d := newSSHDaemon(r.T, dir, "gate")
	if err := os.Rename(filepath.Join(dir, "user"), filepath.Join(dir, "id_ed25519")); err != nil {
		r.Fatal(err)
	}
	return strings.ReplaceAll(page, found[1], d.hop)
}

func (r *reader) do(s step) {
	r.Helper()
	switch {
	case s.prompt == '>':
		if r.keys == nil {
			r.Fatalf("line %d: no router runs here", s.line)
		}
		r.screen.clear()
		if _, err := io.WriteString(r.keys, s.command+"\n"); err != nil {
			r.Fatal(err)
		}
		r.await(s)
	case strings.Contains(s.command, "rosknock sim "):
		r.stop()
		r.start(s)
	case s.command == "make test" || strings.HasPrefix(s.command, "make test "):
		// That is what runs this test.
		r.compare(s, r.run("make -n test"))
	default:
		r.compare(s, r.run(s.command))
	}
}

// run runs a command as a shell would that stays: what one exports, the next one has.
func (r *reader) run(command string) string {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Minute)
	defer cancel()
	c := r.shell(ctx, command)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		r.Fatalf("%s: %v\n%s", command, err, out.Bytes())
	}
	return out.String()
}

func (r *reader) shell(ctx context.Context, command string) *exec.Cmd {
	c := exec.CommandContext(ctx, "bash", "-c", "if [ -f $READER ]; then . $READER; fi; "+command+"\ncode=$?; export -p > $READER; exit $code") // #nosec G204 -- our own pages
	c.Dir, c.Env = r.dir, r.env
	return c
}

// start runs simulated routers in another terminal until they print what the page shows.
func (r *reader) start(s step) {
	r.Helper()
	c := r.shell(context.WithoutCancel(r.Context()), "exec "+s.command)
	keys, err := c.StdinPipe()
	if err != nil {
		r.Fatal(err)
	}
	r.screen = new(screen)
	c.Stdout, c.Stderr = r.screen, r.screen
	if err := c.Start(); err != nil {
		r.Fatal(err)
	}
	r.sim, r.keys = c, keys
	r.await(s)
}

// stop presses Ctrl-C.
func (r *reader) stop() {
	if r.sim == nil {
		return
	}
	if err := r.sim.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.Error(err)
	}
	_ = r.sim.Wait() // 130, as interrupted programs end
	r.sim, r.keys = nil, nil
}

// await waits until the running router has printed what the page shows.
func (r *reader) await(s step) {
	r.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if prints(r.screen.text(), s.want) {
			return
		}
		if time.Now().After(end) {
			r.compare(s, r.screen.text())
			return
		}
	}
}

func (r *reader) compare(s step, got string) {
	r.Helper()
	if s.checked && !prints(got, s.want) {
		r.Errorf("line %d: %s\nprints\n%s\nand not\n%s", s.line, s.command, got, strings.Join(s.want, "\n"))
	}
}

// prints tells whether a text is what a page prints.
func prints(got string, want []string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, line := range want {
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(unstable(line)), "…", ".*") + `\n`)
	}
	pattern.WriteString(`\z`)
	if got = strings.TrimRight(unstable(got), "\n"); got != "" {
		got += "\n"
	}
	return regexp.MustCompile(pattern.String()).MatchString(got)
}

// unstable takes out what differs from run to run.
func unstable(text string) string {
	for _, p := range []string{`\d{8}-\d{6}-[0-9a-f]{4}`, `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`} {
		text = regexp.MustCompile(p).ReplaceAllString(text, "WHEN")
	}
	return text
}

// screen is what a running program has printed.
type screen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements [io.Writer].
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Reset()
}

// TestHowTos: every command line of rosknock's on the other pages is one that this program
// understands.
func TestHowTos(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../../docs", func(file string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(file) != ".md" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, s := range typed(strings.ReplaceAll(string(text), "\\\n", " ")) {
			line := regexp.MustCompile(` #|;`).Split(s.command, 2)[0]
			if call, is := strings.CutPrefix(line, "rosknock "); is {
				found++
				if _, err := understood(shellWords(t, "rosknock "+call)); err != nil {
					t.Errorf("%s: %s: %v", file, line, err)
				}
			}
		}
		return nil
	})
	if err != nil || found < 40 {
		t.Errorf("%d command lines: %v", found, err)
	}
}
