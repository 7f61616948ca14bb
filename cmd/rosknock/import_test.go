package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
)

// stageNumber finds the port or size of a rule that fills a list of a knock.
var stageNumber = regexp.MustCompile(`address-list=(\S+) .*(?:dst-port|packet-size)=([0-9]+)`)

// TestImportTellsNothing: in no format anything is said of the ports and sizes of a knock, not by
// the names of lists and the comments that people give their rules either; and the plan's file is
// for its owner alone.
func TestImportTellsNothing(t *testing.T) {
	wild, err := fs.Glob(os.DirFS("../../fixtures/routers"), "wild/*.rsc")
	if err != nil || len(wild) < 10 {
		t.Fatal(wild, err)
	}
	dir := t.TempDir()
	for _, name := range wild {
		text, err := fixtures.Router(name)
		if err != nil {
			t.Fatal(err)
		}
		var secrets []string
		for line := range strings.Lines(string(text)) {
			m := stageNumber.FindStringSubmatch(line)
			if m != nil && m[2] != "2" && !strings.Contains(strings.ToLower(m[1]), "blacklist") {
				secrets = append(secrets, m[2])
				text = bytes.Replace(text, []byte(line), []byte(strings.TrimRight(line, "\n")+" comment=\"knock on "+m[2]+"\"\n"), 1)
			}
		}
		export, plan := filepath.Join(dir, "router.rsc"), filepath.Join(dir, filepath.Base(name)+".yaml")
		if err := os.WriteFile(export, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for i, args := range [][]string{{}, {"-o", "json"}, {"-o", "csv"}, {"-o", "markdown"}, {"--out", plan}, {"--out", plan}} {
			var said bytes.Buffer
			e := env{streams: streams{out: &said, err: &said, width: 100}, now: time.Now, getenv: func(string) string { return "" }}
			code := run(t.Context(), e, append([]string{"import", "--export", export, "--state-dir", filepath.Join(dir, "state")}, args...))
			_, written := os.Stat(plan)
			if want := map[bool]int{true: 1}[i == 5 && written == nil]; code != want {
				t.Errorf("%s %v: exit code %d, not %d:\n%s", name, args, code, want, said.String())
			}
			text := strings.ReplaceAll(strings.ReplaceAll(said.String(), filepath.Base(name), ""), dir, "")
			for _, number := range regexp.MustCompile(`\b[0-9]+\b`).FindAllString(text, -1) {
				if slices.Contains(secrets, number) {
					t.Errorf("%s %v tells %s:\n%s", name, args, number, said.String())
					break
				}
			}
		}
		if info, err := os.Stat(plan); err == nil && info.Mode().Perm() != 0o600 {
			t.Error(fmt.Sprint(plan, " has the mode ", info.Mode()))
		}
	}
}
