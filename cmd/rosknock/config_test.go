package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// loaded runs load for a command line, an environment and a settings file.
func loaded(t *testing.T, file string, environment map[string]string, args ...string) (settings, error) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, value := range environment {
		t.Setenv(key, value)
	}
	var got settings
	var failed error
	c := &cobra.Command{Use: "x", RunE: func(c *cobra.Command, _ []string) error {
		got, failed = loadSettings(c, env{getenv: os.Getenv})
		return nil
	}}
	globalFlags(c.PersistentFlags())
	c.SetArgs(append(args, "--config", name))
	c.SetErr(&bytes.Buffer{})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	return got, failed
}

// TestSettings: a flag weighs more than the environment, that more than the file, that more than
// the default.
func TestSettings(t *testing.T) {
	tests := []struct {
		name, file  string
		environment map[string]string
		args        []string
		want        time.Duration
	}{
		{"default", "", nil, nil, 10 * time.Second},
		{"file", "timeout: 30s\n", nil, nil, 30 * time.Second},
		{"environment over file", "timeout: 30s\n", map[string]string{"ROSKNOCK_TIMEOUT": "40s"}, nil, 40 * time.Second},
		{"flag over environment", "timeout: 30s\n", map[string]string{"ROSKNOCK_TIMEOUT": "40s"}, []string{"--timeout", "50s"}, 50 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := loaded(t, test.file, test.environment, test.args...)
			if err != nil || s.Timeout != test.want {
				t.Errorf("%s, %v, want %s", s.Timeout, err, test.want)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	tests := map[string]struct {
		file string
		args []string
		want string
		code exitCode
	}{
		"a typo":                  {"time-out: 5s\n", nil, "time-out", exitInvalid},
		"a number without unit":   {"timeout: 5\n", nil, `such as "5s"`, exitInvalid},
		"no YAML":                 {"timeout: [\n", nil, "yaml", exitInvalid},
		"an unknown transport":    {"transport: telnet\n", nil, "api-ssl, api", exitUsage},
		"an output of the future": {"", []string{"-o", "yaml"}, "text, json, jsonl, csv, markdown", exitUsage},
		"no time at all":          {"", []string{"--timeout", "0s"}, "more than 0", exitUsage},
		"half a pin":              {"", []string{"--tls-pin", "sha256:12"}, "64 hex digits", exitUsage},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := loaded(t, test.file, nil, test.args...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v, want %q", err, test.want)
			}
			if code, _ := codeOf(t.Context(), err); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
		})
	}
}

// TestEverySetting: each global flag is taken from the environment and from the settings file as
// from the command line, the nearer one goes first, and a wrong value is refused with its place, what
// is wrong with it, and what helps.
func TestEverySetting(t *testing.T) {
	type sample struct{ good, other, wrong string }
	pin := "sha256:" + strings.Repeat("ab", 32)
	samples := map[string]sample{
		"router":           {"a@192.0.2.1", "192.0.2.2", ""}, // TestHostsStayWhole
		"inventory":        {"a.yaml", "b.yaml", ""},         // any name may be a file
		"limit":            {"a,!b", "c", ""},                // which the inventory decides
		"var":              {"wan=ether1", "wan=ether2", "wan"},
		"at":               {"2026-11-21T04:15:00Z", "2026-11-22T04:15:00Z", "yesterday"},
		"forks":            {"3", "4", "3.7"},
		"retries":          {"2", "3", "many"},
		"router-timeout":   {"30s", "40s", "30"},
		"total-timeout":    {"30s", "40s", "-30s"},
		"user":             {"provision", "other", "me:secret"},
		"transport":        {"api", "api-ssl", "telnet"},
		"password-file":    {"p", "q", ""},
		"password-command": {"p", "q", ""},
		"tls-pin":          {pin, "sha256:" + strings.Repeat("cd", 32), "sha256:12"},
		"tls-ca":           {"p", "q", ""},
		"tls-insecure":     {"true", "false", "maybe"},
		"tls-accept-new":   {"true", "false", "2"},
		"ssh-jump":         {"a@192.0.2.1", "a@192.0.2.2", ""}, // the routers' own are read later
		"ssh-key":          {"p", "q", ""},
		"ssh-known-hosts":  {"p", "q", ""},
		"timeout":          {"30s", "40s", "5"},
		"output":           {"json", "csv", "yaml"},
		"color":            {"never", "always", "sometimes"},
		"state-dir":        {"p", "q", ""},
		"quiet":            {"true", "false", "maybe"},
		"verbose":          {"true", "false", "yes!"},
		"yes":              {"true", "false", "maybe"},
		"reveal":           {"true", "false", "maybe"},
		"notify":           {"slack+env:SLACK_URL", "run:tell", "pager+env:X"},
		"accept-risk":      {"exposure", "L20", "everything"},
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	globalFlags(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" {
			return
		}
		t.Run(f.Name, func(t *testing.T) {
			s, ok := samples[f.Name]
			if !ok {
				t.Fatal("no sample of this flag")
			}
			variable, line := environmentName(f.Name), func(value string) string {
				if f.Value.Type() == "string" || f.Value.Type() == "stringArray" {
					value = strconv.Quote(value)
				}
				return f.Name + ": " + value + "\n"
			}
			byFlag, err := loaded(t, "", nil, "--"+f.Name+"="+s.good)
			check(t, err)
			same := func(where string, got settings, err error) {
				t.Helper()
				got.said, got.typed, got.file = nil, nil, ""
				want := byFlag
				want.said, want.typed, want.file = nil, nil, ""
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("by %s: %+v, %v, want %+v", where, got, err, want)
				}
			}
			inFile, err := loaded(t, line(s.good), nil)
			same("the file", inFile, err)
			inFile, err = loaded(t, line(s.other), nil)
			if fmt.Sprint(inFile) == fmt.Sprint(byFlag) {
				t.Errorf("the file says something else: %v, %v", inFile, err)
			}
			quoted := s.good
			if f.Name == "var" {
				quoted = `"` + s.good + `"`
			}
			inEnv, err := loaded(t, line(s.other), map[string]string{variable: quoted})
			same("the environment, over the file", inEnv, err)
			typed, err := loaded(t, line(s.other), map[string]string{variable: s.other}, "--"+f.Name+"="+s.good)
			same("a flag, over both", typed, err)
			if s.wrong == "" {
				return
			}
			t.Setenv(variable, "")
			_, err = loaded(t, line(s.wrong), nil)
			refused(t, err, "config.yaml: "+f.Name)
			_, err = loaded(t, "", map[string]string{variable: s.wrong})
			refused(t, err, variable)
		})
	})
}

// refused wants an error that begins with its subject, and says more behind it.
func refused(t *testing.T, err error, subject string) {
	t.Helper()
	code, _ := codeOf(t.Context(), err)
	if err == nil || code != exitUsage && code != exitInvalid {
		t.Fatalf("%v, exit code %d", err, code)
	}
	before, after, ok := strings.Cut(err.Error(), subject)
	if !ok || strings.Contains(before, ": ") || len(strings.Fields(after)) < 4 {
		t.Errorf("%v, want subject %s, what is wrong, and what helps", err, subject)
	}
}

// TestManyValues: several values stand in the environment with commas between them, and in the file
// as a list.
func TestManyValues(t *testing.T) {
	want := []string{"a@192.0.2.1", "[2001:db8::1]:8729"}
	s, err := loaded(t, "", map[string]string{"ROSKNOCK_ROUTER": "a@192.0.2.1, [2001:db8::1]:8729", "ROSKNOCK_VAR": `"a=1,2",b=3`})
	if err != nil || !slices.Equal(s.routers, want) || s.vars["a"] != "1,2" || s.vars["b"] != "3" {
		t.Errorf("%q, %v, %v", s.routers, s.vars, err)
	}
	t.Setenv("ROSKNOCK_ROUTER", "")
	t.Setenv("ROSKNOCK_VAR", "")
	s, err = loaded(t, "router: [\"a@192.0.2.1\", \"[2001:db8::1]:8729\"]\nvar: [\"a=1,2\"]\n", nil)
	if err != nil || !slices.Equal(s.routers, want) || s.vars["a"] != "1,2" {
		t.Errorf("%q, %v, %v", s.routers, s.vars, err)
	}
}

// TestNearestRouters: routers of one source go before those of another; of one source they exclude
// each other.
func TestNearestRouters(t *testing.T) {
	fleet := map[string]string{"ROSKNOCK_INVENTORY": "fleet.yaml", "ROSKNOCK_LIMIT": "branches"}
	s, err := loaded(t, "", fleet, "-r", "192.0.2.1")
	if err != nil || len(s.inventories)+len(s.limits) > 0 || len(s.routers) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = loaded(t, "router: 192.0.2.1\n", fleet)
	if err != nil || !slices.Equal(s.inventories, []string{"fleet.yaml"}) || len(s.limits) != 1 || len(s.routers) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = loaded(t, "router: 192.0.2.1\ninventory: other.yaml\n", map[string]string{"ROSKNOCK_INVENTORY": ""})
	check(t, err)
	t.Setenv("ROSKNOCK_INVENTORY", "")
	if s, err = loaded(t, "router: 192.0.2.1\ninventory: other.yaml\n", nil); err == nil {
		_, err = access{env{}, s}.routersOf()
	}
	if err == nil || !strings.Contains(err.Error(), "config.yaml: router and ") {
		t.Error(err)
	}
}

// TestHostsStayWhole: names with dots, capitals and commas come through the settings as they are.
func TestHostsStayWhole(t *testing.T) {
	s, err := loaded(t, "", nil, "-r", "Op.Er@R1.example.net:8729", "-r", "[2001:db8::1]:8729", "-r", "192.0.2.1", "--user", "def")
	if err != nil {
		t.Fatal(err)
	}
	routers, err := access{env{}, s}.routersOf()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range routers {
		got = append(got, r.target.User+" "+r.target.HostPort())
	}
	if want := "Op.Er R1.example.net:8729|def [2001:db8::1]:8729|def 192.0.2.1:8729"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
}
