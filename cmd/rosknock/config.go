package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// settings holds what flags, the environment (ROSKNOCK_…), the settings file and the defaults say.
// The first of them that says something wins.
type settings struct {
	login      `mapstructure:",squash"`
	display    `mapstructure:",squash"`
	StateDir   string `mapstructure:"state-dir"`
	ChangesKey string `mapstructure:"changes-key"`
	Yes        bool   `mapstructure:"yes"`

	// What follows comes from flags only.
	routers     []string
	inventories []string
	limits      []string
	vars        map[string]string
	accept      []string
	typed       map[string]bool  // the flags that were given
	foreign     bool             // the saved changes were made elsewhere, which was accepted
	rosVersion  routeros.Version // of an export, when it was given
	at          time.Time        // the time for which knocks are derived, when it was given
	pace        fleetFlags
}

// login is how routers are reached, where neither the command line nor the inventory says otherwise.
type login struct {
	User            string        `mapstructure:"user"`
	Transport       string        `mapstructure:"transport"`
	PasswordFile    string        `mapstructure:"password-file"`
	PasswordCommand string        `mapstructure:"password-command"`
	TLSPin          string        `mapstructure:"tls-pin"`
	TLSCA           string        `mapstructure:"tls-ca"`
	TLSInsecure     bool          `mapstructure:"tls-insecure"`
	TLSAcceptNew    bool          `mapstructure:"tls-accept-new"`
	SSHJump         string        `mapstructure:"ssh-jump"`
	Timeout         time.Duration `mapstructure:"timeout"`

	sshKeys, sshKnownHosts []string // from flags only
}

// display is how results are shown.
type display struct {
	Output  string `mapstructure:"output"`
	Color   string `mapstructure:"color"`
	Verbose bool   `mapstructure:"verbose"`
	Reveal  bool   `mapstructure:"reveal"`
}

func globalFlags(f *pflag.FlagSet) {
	f.StringArrayP("router", "r", nil, "router to talk to, `[user@]host[:port]`; may be repeated")
	f.StringArrayP("inventory", "i", nil, "`FILE` with the routers; may be repeated; later files override earlier ones")
	f.StringArrayP("limit", "l", nil, "only routers that match a `PATTERN`: names, groups, tags, site:NAME, with * ? [a-z], !not, several with commas")
	f.StringArray("var", nil, "value of a variable in plans, `NAME=VALUE`; may be repeated")
	f.String("at", "", "the `TIME` for which knocks that rotate are derived, such as 2026-11-21T04:15:00Z; default: now")
	paceFlags(f)
	f.String("user", "admin", "user to log in as, where --router names none")
	f.String("transport", "api-ssl", "`api-ssl`, or api for the API in clear")
	f.String("password-file", "", "read the password from a `FILE` that only you can read; an empty file means no password")
	f.String("password-command", "", "read the password from what a `COMMAND` prints")
	f.String("tls-pin", "", "`sha256:HEX` of the router's certificate, its fingerprint in /certificate print")
	f.String("tls-ca", "", "`FILE` with the authorities that may sign routers' certificates, and renew them")
	f.Bool("tls-insecure", false, "skip the check of certificates that are not known here (a man in the middle can read the password)")
	f.Bool("tls-accept-new", false, "accept and remember certificates that are seen for the first time, without asking")
	f.String("ssh-jump", "", "go through SSH hosts, `[user@]host[:port]`, several with commas")
	f.StringArray("ssh-key", nil, "private key `FILE` for them; default: the agent, then ~/.ssh/id_ed25519, id_ecdsa, id_rsa")
	f.StringArray("ssh-known-hosts", nil, "`FILE` with their keys; default: ~/.ssh/known_hosts and the system's")
	f.Duration("timeout", 10*time.Second, "time for connecting, and for each answer")
	f.StringP("output", "o", "text", "`text`, json, jsonl (a line for each router as it ends), csv or markdown; of changes also html")
	f.String("color", "auto", "`auto`, always or never; NO_COLOR counts as never")
	f.String("state-dir", "", "`DIR` for the journal, backups and locks; default: rosknock in the system's folder for state")
	f.String("config", "", "settings `FILE`; default: rosknock/config.yaml in the system's folder for settings")
	f.BoolP("verbose", "v", false, "log every command, without secrets, to standard error")
	f.Bool("yes", false, "do it without asking")
	f.Bool("reveal", false, "show knock sequences")
	f.StringArray("accept-risk", nil, "accept a risk by its `NAME`; may be repeated")
}

// withSettings is a command that needs the settings.
func withSettings(e env, do func(c *cobra.Command, e access, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		e, err := load(c, e)
		if err != nil {
			return err
		}
		return do(c, e, args)
	}
}

// load returns how a command reaches routers, by its flags and its surroundings.
func load(c *cobra.Command, e env) (access, error) {
	s, err := loadSettings(c, e)
	return access{e, s}, err
}

// loadSettings reads the settings for a command. Viper is used with a private instance, and
// without key delimiter, so that host names with dots stay whole. An unknown key is an error.
func loadSettings(c *cobra.Command, e env) (settings, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter("\x00"), viper.ExperimentalBindStruct())
	v.SetEnvPrefix("ROSKNOCK")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	v.SetConfigType("yaml")
	file, text, err := settingsFile(c, e)
	if err != nil {
		return settings{}, invalid(err)
	}
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		return settings{}, invalid(fmt.Errorf("%s: %w", file, err))
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[settings]()) {
		name := field.Tag.Get("mapstructure")
		if f := c.Flags().Lookup(name); f != nil && name != "" {
			if err := v.BindPFlag(name, f); err != nil {
				return settings{}, err
			}
		}
	}
	var s settings
	if err := v.UnmarshalExact(&s, viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(bareDuration, mapstructure.StringToTimeDurationHookFunc()))); err != nil {
		return settings{}, invalid(fmt.Errorf("%s: %s", file, oneLine(err)))
	}
	s.routers, _ = c.Flags().GetStringArray("router")
	s.accept, _ = c.Flags().GetStringArray("accept-risk")
	s.inventories, _ = c.Flags().GetStringArray("inventory")
	s.limits, _ = c.Flags().GetStringArray("limit")
	if text, _ := c.Flags().GetString("at"); text != "" {
		if s.at, err = time.Parse(time.RFC3339, text); err != nil {
			return s, usagef("--at %q: a time such as 2026-11-21T04:15:00Z is expected", text)
		}
	}
	if s.rosVersion, err = readVersion(c); err != nil {
		return s, err
	}
	s.sshKeys, _ = c.Flags().GetStringArray("ssh-key")
	s.sshKnownHosts, _ = c.Flags().GetStringArray("ssh-known-hosts")
	s.typed = map[string]bool{}
	c.Flags().Visit(func(f *pflag.Flag) { s.typed[f.Name] = true })
	if s.pace, err = readPace(c); err != nil {
		return s, err
	}
	if s.vars, err = readVars(c); err != nil {
		return s, err
	}
	return s, s.check(outputsOf(c))
}

// outputsOf are the formats that a command's result comes in.
func outputsOf(c *cobra.Command) []string {
	outputs := []string{"text", "json", "jsonl", "csv", "markdown"}
	if c.Flags().Lookup("report") != nil { // a command about changes
		outputs = append(outputs, "html")
	}
	return outputs
}

// readVars reads the values of --var.
func readVars(c *cobra.Command) (map[string]string, error) {
	vars := map[string]string{}
	given, _ := c.Flags().GetStringArray("var")
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--var %q: NAME=VALUE is expected", text)
		}
		if why := inventory.CheckVariable(name, value); why != "" {
			return nil, usagef("--var %s: %s", name, why)
		}
		vars[name] = value
	}
	return vars, nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// bareDuration refuses a number without a unit, which would be read as nanoseconds.
func bareDuration(from, to reflect.Type, v any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && from.Kind() != reflect.String && from != to {
		return nil, fmt.Errorf("%v needs a unit, such as \"%vs\"", v, v)
	}
	return v, nil
}

// settingsFile returns the settings file and its text; the one in the default place need not be
// there.
func settingsFile(c *cobra.Command, e env) (name string, text []byte, err error) {
	name, _ = c.Flags().GetString("config")
	if name == "" {
		name = e.getenv("ROSKNOCK_CONFIG")
	}
	named := name != ""
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "settings", nil, nil //nolint:nilerr // a system without a place for settings has none
		}
		name = filepath.Join(dir, "rosknock", "config.yaml")
	}
	text, err = os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return "settings", nil, nil
	}
	if err != nil {
		return name, nil, fmt.Errorf("settings: %w", err)
	}
	return name, text, nil
}

// check looks at what can be checked without a command; outputs are the formats that it has.
func (s settings) check(outputs []string) error {
	for _, choice := range []struct {
		flag, value string
		of          []string
	}{
		{"--transport", s.Transport, []string{"api-ssl", "api"}},
		{"--output", s.Output, outputs},
		{"--color", s.Color, []string{"auto", "always", "never"}},
	} {
		if !slices.Contains(choice.of, choice.value) {
			return usagef("%s %s: choose one of %s", choice.flag, choice.value, strings.Join(choice.of, ", "))
		}
	}
	for _, name := range s.accept {
		if !slices.Contains(risks(), strings.ToLower(name)) {
			return usagef("--accept-risk %s: there is no such risk; choose one of %s, or an id of lint", name, strings.Join(namedRisks(), ", "))
		}
	}
	if name, _, secret := strings.Cut(s.User, ":"); secret {
		return usagef("--user %s:•••••: a password follows the colon: leave it out, give it by ROSKNOCK_PASSWORD or --password-file, and change it", name)
	}
	if s.Timeout <= 0 {
		return usagef("--timeout %s: it must be more than 0", s.Timeout)
	}
	if s.TLSPin != "" && !inventory.IsPin(s.TLSPin) {
		return usagef("--tls-pin: a pin is sha256: and 64 hex digits")
	}
	return nil
}

// accepts reports whether a risk was accepted by its name on the command line.
func (s settings) accepts(risk string) bool {
	return slices.ContainsFunc(s.accept, func(name string) bool { return strings.EqualFold(name, risk) })
}

// namedRisks are the risks that are no findings of lint.
func namedRisks() []string {
	return append(proof.Risks(), apply.Unprotected, operate.ClockSkew, operate.ClockUnsynchronized, operate.ForeignChanges, planCommands)
}

// risks are the names that --accept-risk takes.
func risks() []string {
	names := namedRisks()
	for _, r := range lint.Rules() {
		names = append(names, strings.ToLower(r.ID))
	}
	return names
}
