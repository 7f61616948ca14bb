package main

import (
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
	"github.com/rosknock/rosknock/plans/notify"
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

	// What follows takes more than one value, or a form of its own.
	routers     []string
	inventories []string
	limits      []string
	vars        map[string]string
	accept      []string
	notify      []notify.Target
	said        map[string]origin // where each flag was said
	file        string            // the settings file
	typed       map[string]bool   // the flags that were given
	alters      bool              // the command changes routers
	foreign     bool              // the saved changes were made elsewhere, which was accepted
	rosVersion  routeros.Version  // of an export, when it was given
	at          time.Time         // the time for which knocks are derived, when it was given
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

	sshKeys, sshKnownHosts []string
}

// display is how results are shown.
type display struct {
	Output  string `mapstructure:"output"`
	Color   string `mapstructure:"color"`
	Verbose bool   `mapstructure:"verbose"`
	Quiet   bool   `mapstructure:"quiet"`
	Reveal  bool   `mapstructure:"reveal"`
}

func globalFlags(f *pflag.FlagSet) {
	f.StringArrayP("router", "r", nil, "router to talk to, `[user@]host[:port]`, such as admin@192.0.2.1; may be repeated")
	f.StringArrayP("inventory", "i", nil, "`FILE` with the routers, an inventory; may be repeated; later files override earlier ones")
	f.StringArrayP("limit", "l", nil, "only routers that match a `PATTERN`: names, groups, tags, site:NAME, with * ? [a-z], !not, several with commas")
	f.StringArray("var", nil, "value of a variable in plans, `NAME=VALUE`; may be repeated")
	f.String("at", "", "the `TIME` for which knocks that rotate are derived, such as 2026-11-21T04:15:00Z; default: now")
	paceFlags(f)
	f.String("user", "admin", "user to log in as, where --router names none")
	f.String("transport", "api-ssl", "`KIND` of connection: api-ssl, or api for the API in clear")
	f.String("password-file", "", "read the password from a `FILE` that only you can read; an empty file means no password")
	f.String("password-command", "", "read the password from what a `COMMAND` prints")
	f.String("tls-pin", "", "`PIN` of the router's certificate: sha256: and its fingerprint in /certificate print")
	f.String("tls-ca", "", "`FILE` with the authorities that may sign routers' certificates, and renew them")
	f.Bool("tls-insecure", false, "skip the check of certificates that are not known here (a man in the middle can read the password)")
	f.Bool("tls-accept-new", false, "accept and remember certificates that are seen for the first time, without asking")
	f.String("ssh-jump", "", "go through SSH hosts, `[user@]host[:port]`, several with commas")
	f.StringArray("ssh-key", nil, "private key `FILE` for them; default: the agent, then ~/.ssh/id_ed25519, id_ecdsa, id_rsa")
	f.StringArray("ssh-known-hosts", nil, "`FILE` with their keys; default: ~/.ssh/known_hosts and the system's")
	f.Duration("timeout", 10*time.Second, "time for connecting, and for each answer")
	f.StringP("output", "o", "text", "`FORMAT` of the result: text, json, jsonl (a line for each router as it ends), csv or markdown; of changes and audits also html")
	f.String("color", "auto", "`WHEN` to use colors: auto, always or never; NO_COLOR counts as never")
	f.String("state-dir", "", "`DIR` for the journal, backups and locks; default: rosknock in the system's folder for state")
	f.String("config", "", "settings `FILE`; default: rosknock/config.yaml in the system's folder for settings")
	f.BoolP("quiet", "q", false, "show no progress and no remarks on standard error; errors, warnings, questions and results stay")
	f.BoolP("verbose", "v", false, "log every command, without secrets, to standard error")
	f.Bool("yes", false, "do it without asking; needed where there is no terminal to ask on")
	f.Bool("reveal", false, "show knock sequences")
	f.StringArray("notify", nil, "tell a `PLACE` how apply, remove, undo, rotate, diff, audit or trusted watch ended, and what the watch sees; "+
		"a URL, or better where it is kept (env:NAME, file:PATH, command:LINE, keyring:NAME), with slack+, teams+ or ntfy+ before it for their forms; or a command, run:LINE; may be repeated")
	f.StringArray("accept-risk", nil, "accept a risk by its `NAME`, which the refusal says; may be repeated")
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
	if e.memory != nil {
		e.memory.format, e.memory.silent = s.Output, s.Quiet
	}
	a := access{e, s}
	if err == nil {
		a.told(c)
	}
	return a, err
}

// format is how a command that needs no settings shows its result. Wrong settings of others do not
// stop it; a format that was typed has to be one.
func (e env) format(c *cobra.Command) (string, error) {
	a, err := load(c, e)
	if err != nil && c.Flags().Changed("output") {
		return "", err
	}
	if err != nil {
		return "text", nil //nolint:nilerr // nothing of them is needed
	}
	return a.Output, nil
}

// loadSettings reads the settings for a command: what was typed, then the environment, then the
// settings file, then the defaults.
func loadSettings(c *cobra.Command, e env) (settings, error) {
	from, err := readSources(c, e)
	if err != nil {
		return settings{}, err
	}
	said, err := from.fill(c.Flags())
	if err != nil {
		return settings{}, err
	}
	s := settings{said: said, file: from.name}
	if err := s.decode(c.Flags()); err != nil {
		return s, err
	}
	if err := s.read(c); err != nil {
		return s, err
	}
	s.settle(c)
	s.find(c)
	if s.said["quiet"] != s.said["verbose"] { // the nearer one goes first
		s.Quiet, s.Verbose = s.Quiet && s.said["quiet"] > s.said["verbose"] || s.Quiet && !s.Verbose, s.Verbose && s.said["verbose"] > s.said["quiet"] || s.Verbose && !s.Quiet
	}
	s.alters = changing(c, s.typed)
	return s, s.check(outputsOf(c))
}

// decode fills in the fields that are named after flags.
func (s *settings) decode(flags *pflag.FlagSet) error {
	v := viper.NewWithOptions(viper.KeyDelimiter("\x00"), viper.ExperimentalBindStruct())
	for _, field := range reflect.VisibleFields(reflect.TypeFor[settings]()) {
		name := field.Tag.Get("mapstructure")
		if f := flags.Lookup(name); f != nil && name != "" {
			if err := v.BindPFlag(name, f); err != nil {
				return err
			}
		}
	}
	return v.Unmarshal(s, viper.DecodeHook(mapstructure.StringToTimeDurationHookFunc()))
}

// read fills in what takes more than one value, or a form of its own.
func (s *settings) read(c *cobra.Command) (err error) {
	f := c.Flags()
	s.routers, _ = f.GetStringArray("router")
	s.accept, _ = f.GetStringArray("accept-risk")
	s.inventories, _ = f.GetStringArray("inventory")
	s.limits, _ = f.GetStringArray("limit")
	s.sshKeys, _ = f.GetStringArray("ssh-key")
	s.sshKnownHosts, _ = f.GetStringArray("ssh-known-hosts")
	s.typed = map[string]bool{}
	f.Visit(func(f *pflag.Flag) { s.typed[f.Name] = true })
	if text, _ := f.GetString("at"); text != "" {
		if s.at, err = time.Parse(time.RFC3339, text); err != nil {
			return usagef("%s %q: a time such as 2026-11-21T04:15:00Z is expected", s.subject("at"), text)
		}
	}
	if s.rosVersion, err = readVersion(c); err != nil {
		return err
	}
	if s.pace, err = readPace(f, *s); err != nil {
		return err
	}
	if s.vars, err = readVars(f, *s); err != nil {
		return err
	}
	s.notify, err = readNotify(c, *s)
	return err
}

// subject is how an error names a setting: as it was said.
func (s settings) subject(flag string) string {
	switch s.said[flag] {
	case inEnvironment:
		return environmentName(flag)
	case inFile:
		return s.file + ": " + flag
	case byDefault, inFolder, onLine:
	}
	return "--" + flag
}

// settle decides which routers are meant where several sources name some: those of the source that
// goes first. Commands that do their work without routers, and those that were given an export or a
// host instead, take only routers that were typed.
func (s *settings) settle(c *cobra.Command) {
	router, list := s.said["router"], s.said["inventory"]
	instead := offline(c) || slices.ContainsFunc([]string{"export", "assume", "host", "connect"}, func(name string) bool { return s.typed[name] })
	switch {
	case instead && max(router, list) < onLine:
		s.routers, s.inventories = nil, nil
	case router > list:
		s.inventories = nil
	case list > router:
		s.routers = nil
	}
	if (instead || len(s.routers) > 0) && len(s.inventories) == 0 && s.said["limit"] < onLine {
		s.limits = nil
	}
}

// offline reports whether a command needs no routers, as it was called.
func offline(c *cobra.Command) bool {
	switch c.CommandPath() {
	case "rosknock init", "rosknock lint", "rosknock render", "rosknock journal":
		return true
	case "rosknock knock":
		return c.Flags().NArg() > 1
	}
	return false
}

// outputsOf are the formats that a command's result comes in.
func outputsOf(c *cobra.Command) []string {
	outputs := []string{"text", "json", "jsonl", "csv", "markdown"}
	if c.Flags().Lookup("report") != nil { // a command that has a page
		outputs = append(outputs, "html")
	}
	return outputs
}

// readVars reads the values of --var.
func readVars(f *pflag.FlagSet, s settings) (map[string]string, error) {
	vars := map[string]string{}
	given, _ := f.GetStringArray("var")
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("%s %q: NAME=VALUE is expected", s.subject("var"), text)
		}
		if why := inventory.CheckVariable(name, value); why != "" {
			return nil, usagef("%s %s: %s", s.subject("var"), name, why)
		}
		vars[name] = value
	}
	return vars, nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

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
		{"transport", s.Transport, []string{"api-ssl", "api"}},
		{"output", s.Output, outputs},
		{"color", s.Color, []string{"auto", "always", "never"}},
	} {
		if !slices.Contains(choice.of, choice.value) {
			return usagef("%s %s: choose one of %s", s.subject(choice.flag), choice.value, strings.Join(choice.of, ", "))
		}
	}
	for _, name := range s.accept {
		if !slices.Contains(risks(), strings.ToLower(name)) {
			return usagef("%s %s: there is no such risk; choose one of %s, or an id of lint", s.subject("accept-risk"), name, strings.Join(namedRisks(), ", "))
		}
	}
	if name, _, secret := strings.Cut(s.User, ":"); secret {
		return usagef("%s %s:•••••: a password follows the colon: leave it out, give it by ROSKNOCK_PASSWORD or --password-file, and change it", s.subject("user"), name)
	}
	if s.Quiet && s.Verbose {
		return usagef("%s and %s exclude each other: leave one out", s.subject("quiet"), s.subject("verbose"))
	}
	if s.Timeout <= 0 {
		return usagef("%s %s: it must be more than 0", s.subject("timeout"), s.Timeout)
	}
	if s.TLSPin != "" && !inventory.IsPin(s.TLSPin) {
		return usagef("%s: a pin is sha256: and 64 hex digits", s.subject("tls-pin"))
	}
	return nil
}

// accepts reports whether a risk was accepted by its name.
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
