package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/rosknock/rosknock/plans/form"
)

// origin is where a setting was said. A higher one overrides a lower one.
type origin int

const (
	byDefault origin = iota
	inFolder         // by a file that lies in the working folder
	inFile           // by the settings file
	inEnvironment
	onLine // by a flag
)

// sources are the settings of the environment and of the settings file. Viper is used with private
// instances, and without key delimiter, so that host names with dots stay whole.
type sources struct {
	environment, file *viper.Viper
	name              string // of the file
}

const environmentPrefix = "ROSKNOCK"

// readSources reads the settings file and the environment. An unknown key of the file is an error.
func readSources(c *cobra.Command, e env) (sources, error) {
	private := func() *viper.Viper { return viper.NewWithOptions(viper.KeyDelimiter("\x00")) }
	s := sources{environment: private(), file: private()}
	s.environment.SetEnvPrefix(environmentPrefix)
	s.environment.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	s.environment.AutomaticEnv()
	s.file.SetConfigType("yaml")
	name, text, err := settingsFile(c, e)
	if err != nil {
		return s, invalid(err)
	}
	s.name = name
	if err := s.file.ReadConfig(bytes.NewReader(text)); err != nil {
		return s, invalid(fmt.Errorf("%s: %s", name, oneLine(err)))
	}
	return s, s.knownKeys()
}

// changesKey is the setting that only some commands have a flag for.
const changesKey = "changes-key"

// knownKeys refuses keys of the file that are no settings.
func (s sources) knownKeys() error {
	known := []string{changesKey}
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	globalFlags(all)
	all.VisitAll(func(f *pflag.Flag) {
		if f.Name != "config" { // a settings file names no other
			known = append(known, f.Name)
		}
	})
	for _, key := range slices.Sorted(slices.Values(s.file.AllKeys())) {
		if key, _, _ = strings.Cut(key, "\x00"); slices.Contains(known, key) {
			continue
		}
		remedy := "settings are named like the flags of every command"
		if near, ok := form.Nearest(key, known); ok {
			remedy = "did you mean " + near + "?"
		}
		return invalid(fmt.Errorf("%s: %s: there is no such setting: %s", s.name, key, remedy))
	}
	return nil
}

// fill gives each flag that was not typed the value that the environment or the file says, with the
// same checks as on the command line. It returns where each flag was said.
func (s sources) fill(flags *pflag.FlagSet) (map[string]origin, error) {
	said := map[string]origin{}
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	globalFlags(all)
	var problem error
	flags.VisitAll(func(f *pflag.Flag) {
		switch {
		case all.Lookup(f.Name) == nil && f.Name != changesKey, f.Name == "config", problem != nil:
			return
		case f.Changed:
			said[f.Name] = onLine
			return
		}
		from, subject := inEnvironment, environmentName(f.Name)
		texts, err := s.fromEnvironment(f)
		if texts == nil && err == nil {
			from, subject = inFile, s.name+": "+f.Name
			texts, err = s.fromFile(f)
		}
		for _, text := range texts {
			if err == nil {
				err = set(f, text)
			}
		}
		if texts != nil {
			said[f.Name] = from
		}
		if err != nil {
			problem = wrongSetting(from, subject, f, err)
		}
	})
	return said, problem
}

// environmentName is the variable of a flag.
func environmentName(flag string) string {
	return environmentPrefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// set gives a flag a value as if it was typed, and leaves it untyped.
func set(f *pflag.Flag, text string) error {
	if err := f.Value.Set(text); err != nil {
		return fmt.Errorf("%q is not %s", text, kindOf(f))
	}
	return nil
}

// wrongSetting names the place of a value that is refused, and what is expected there.
func wrongSetting(from origin, subject string, f *pflag.Flag, err error) error {
	err = fmt.Errorf("%s: %w; rosknock --help explains --%s", subject, err, f.Name)
	if from == inFile {
		return invalid(err)
	}
	return &codeError{code: exitUsage, err: err}
}

// kindOf says what a flag expects.
func kindOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	case "duration":
		return `a time with its unit, such as "30s" or "5m"`
	}
	return "such a value"
}

// fromEnvironment returns what the environment says of a flag; nil where it says nothing. Several
// values are separated by commas; one with a comma stands in double quotes.
func (s sources) fromEnvironment(f *pflag.Flag) ([]string, error) {
	text := s.environment.GetString(f.Name)
	switch {
	case text == "":
		return nil, nil
	case f.Value.Type() != "stringArray" || f.Name == "limit": // whose commas mean the same
		return []string{text}, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace = true
	values, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%q is no list: separate values by commas, and put one that has a comma in double quotes", text)
	}
	return values, nil
}

// fromFile returns what the settings file says of a flag; nil where it says nothing.
func (s sources) fromFile(f *pflag.Flag) ([]string, error) {
	value := s.file.Get(f.Name)
	many, isList := value.([]any)
	switch {
	case value == nil:
		return nil, nil
	case isList && f.Value.Type() != "stringArray":
		return nil, fmt.Errorf("one value is expected, and there are %d", len(many))
	case !isList:
		many = []any{value}
	}
	var out []string
	for _, one := range many {
		text, err := scalar(f, one)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// scalar is a value of the settings file as it would be typed.
func scalar(f *pflag.Flag, value any) (string, error) {
	text := strings.HasPrefix(f.Value.Type(), "string")
	switch v := value.(type) {
	case string:
		return v, nil
	case time.Time: // a text that YAML takes for a time
		return v.UTC().Format(time.RFC3339), nil
	case bool:
		if !text {
			return strconv.FormatBool(v), nil
		}
	case int:
		if f.Value.Type() == "duration" {
			return "", fmt.Errorf("%d needs a unit, such as \"%ds\"", v, v)
		}
		if !text {
			return strconv.Itoa(v), nil
		}
	case float64:
		if !text {
			return strconv.FormatFloat(v, 'g', -1, 64), nil
		}
	case map[string]any:
		return "", fmt.Errorf("a map is not expected here: write a list of texts, such as [\"NAME=VALUE\"]")
	}
	return "", fmt.Errorf("%v is not a text: write it in double quotes", value)
}
