package state

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gofrs/flock"
)

// Pins are the certificates that routers have shown before, as an SSH client remembers hosts. The file has a line for each router: its
// address with the port, and the pin. Lines that begin with # are comments.
type Pins struct {
	path  string
	known map[string]pinLine
}

type pinLine struct {
	pin  string
	line int
}

var pinForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (d Dir) pins() string { return filepath.Join(d.path, "known_routers") }

// Pins reads the known pins. A file that is not there is empty; a line that is none is an error, since nobody can say what it was
// meant to keep out, and so is a second pin of one router. All such lines are named.
func (d Dir) Pins() (Pins, error) {
	p := Pins{path: d.pins(), known: map[string]pinLine{}}
	file, err := os.Open(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("the known pins can't be read: %w", err)
	}
	defer file.Close()
	var problems []error
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case len(words) != 2 || !pinForm.MatchString(strings.ToLower(words[1])):
			problems = append(problems, fmt.Errorf("%s:%d: this is not a router's address and its pin: mend the line or take it out", p.path, n))
		default:
			pin := strings.ToLower(words[1])
			if before, twice := p.known[words[0]]; twice && before.pin != pin {
				problems = append(problems, fmt.Errorf("%s:%d: the router has another pin in line %d: take one of them out", p.path, n, before.line))
			}
			p.known[words[0]] = pinLine{pin, n}
		}
	}
	return p, errors.Join(append(problems, lines.Err())...)
}

// Get returns the pin of a router and where it stands, file:line; "" for one that is not known.
func (p Pins) Get(address string) (pin, place string) {
	known, ok := p.known[address]
	if !ok {
		return "", ""
	}
	return known.pin, fmt.Sprintf("%s:%d", p.path, known.line)
}

// AddPin remembers the pin of a router that is not known yet. When another run was quicker, what it remembered stays, and an error says so
// unless it is the same. Several programs may add at once.
func (d Dir) AddPin(address, pin string) error {
	if strings.ContainsAny(address, " \t\r\n#") || !pinForm.MatchString(strings.ToLower(pin)) {
		return fmt.Errorf("%q with %q can't be remembered as a pin", address, pin)
	}
	lock := flock.New(d.pins() + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("the pin of %s can't be remembered: %w", address, err)
	}
	defer func() { _ = lock.Unlock() }()
	known, err := d.Pins()
	if err != nil {
		return err
	}
	if before, place := known.Get(address); before != "" {
		if before == strings.ToLower(pin) {
			return nil
		}
		return fmt.Errorf("%s shows two certificates at once: %s stands in %s", address, before, place)
	}
	file, err := os.OpenFile(d.pins(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("the pin of %s can't be remembered: %w", address, err)
	}
	_, err = fmt.Fprintf(file, "%s %s\n", address, strings.ToLower(pin))
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("the pin of %s can't be remembered: %w", address, err)
	}
	return nil
}
