package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
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
