package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// Known is what is remembered of routers so that another one in their place is noticed: the
// certificates that they have shown, as an SSH client remembers hosts, and their serial numbers.
// The file has a line for each thing: the router's key, then words: the pin (sha256:HEX), the
// serial number (serial:TEXT), and the address from whose line, which an older version wrote, the
// pin was taken over (from:HOST:PORT). Those older lines begin with an address. Lines that begin
// with # are comments.
type Known struct {
	path  string
	known map[string]*knownRouter // by key, or address
	taken map[string]string       // who has taken over the pin of an address
}

type knownRouter struct {
	pin, serial         string
	pinLine, serialLine int
}

const (
	serialWord = "serial:"
	fromWord   = "from:"
)

var (
	pinForm    = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	serialForm = regexp.MustCompile(`^[!-~]{1,100}$`)
)

func (d Dir) known() string { return filepath.Join(d.path, "known_routers") }

// Known reads what is remembered. A file that is not there is empty; a line that is none is an
// error, since nobody can say what it was meant to keep out, and so is a second pin or serial
// number of one router. All such lines are named.
func (d Dir) Known() (Known, error) {
	k := Known{path: d.known(), known: map[string]*knownRouter{}, taken: map[string]string{}}
	file, err := os.Open(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, fmt.Errorf("the known routers can't be read: %w", err)
	}
	defer file.Close()
	var problems []error
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		if what := k.line(lines.Text(), n); what != "" {
			problems = append(problems, fmt.Errorf("%s:%d: %s", k.path, n, what))
		}
	}
	return k, errors.Join(append(problems, lines.Err())...)
}

// line takes one line, and says what is wrong with it.
func (k Known) line(text string, n int) string {
	words := strings.Fields(text)
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return ""
	}
	const none = "this is not a router and its pin or serial number: mend the line or take it out"
	if len(words) < 2 {
		return none
	}
	router := k.known[words[0]]
	if router == nil {
		router = &knownRouter{}
		k.known[words[0]] = router
	}
	for _, word := range words[1:] {
		serial, isSerial := strings.CutPrefix(word, serialWord)
		from, isFrom := strings.CutPrefix(word, fromWord)
		pin := strings.ToLower(word)
		switch {
		case isSerial && serialForm.MatchString(serial):
			if router.serial != "" && router.serial != serial {
				return fmt.Sprintf("the router has another serial number in line %d: take one of them out", router.serialLine)
			}
			router.serial, router.serialLine = serial, n
		case isFrom && from != "":
			k.taken[from] = words[0]
		case pinForm.MatchString(pin):
			if router.pin != "" && router.pin != pin {
				return fmt.Sprintf("the router has another pin in line %d: take one of them out", router.pinLine)
			}
			router.pin, router.pinLine = pin, n
		default:
			return none
		}
	}
	return ""
}

// Pin returns the pin of a router by its key and where it stands, file:line; "" for one that is not
// known.
func (k Known) Pin(key string) (pin, place string) {
	if r := k.known[key]; r != nil && r.pin != "" {
		return r.pin, fmt.Sprintf("%s:%d", k.path, r.pinLine)
	}
	return "", ""
}

// OlderPin is [Known.Pin] for a pin that an older version kept for an address and that no router
// has taken over yet.
func (k Known) OlderPin(address string) (pin, place string) {
	if k.taken[address] != "" {
		return "", ""
	}
	return k.Pin(address)
}

// Serial is [Known.Pin] for a serial number.
func (k Known) Serial(key string) (serial, place string) {
	if r := k.known[key]; r != nil && r.serial != "" {
		return r.serial, fmt.Sprintf("%s:%d", k.path, r.serialLine)
	}
	return "", ""
}

// AddPin remembers the pin of a router that is not known yet, from names the address whose older
// line is taken over with it. When another run was quicker, what it remembered stays, and an error
// says so unless it is the same. Several programs may add at once.
func (d Dir) AddPin(key, pin, from string) error {
	pin = strings.ToLower(pin)
	if !pinForm.MatchString(pin) || strings.ContainsAny(from, " \t\r\n") {
		return fmt.Errorf("%s: %q can't be remembered as a pin", key, pin)
	}
	words := pin
	if from != "" {
		words += " " + fromWord + from
	}
	return d.learn(key, words, func(k Known) (string, error) {
		before, place := k.Pin(key)
		if before != "" && before != pin {
			return before, fmt.Errorf("%s shows two certificates at once: %s stands in %s", key, before, place)
		}
		return before, nil
	})
}

// AddSerial remembers the serial number of a router that is not known yet, as AddPin does.
func (d Dir) AddSerial(key, serial string) error {
	if !serialForm.MatchString(serial) {
		return fmt.Errorf("%s: %q can't be remembered as a serial number", key, serial)
	}
	return d.learn(key, serialWord+serial, func(k Known) (string, error) {
		before, place := k.Serial(key)
		if before != "" && before != serial {
			return before, fmt.Errorf("%s tells two serial numbers at once: %s stands in %s", key, before, place)
		}
		return before, nil
	})
}

// learn adds a line, unless there is one that says the same, or another thing.
func (d Dir) learn(key, words string, there func(Known) (string, error)) error {
	if key == "" || strings.HasPrefix(key, "#") || strings.ContainsAny(key, " \t\r\n") {
		return fmt.Errorf("%q can't be remembered", key)
	}
	failed := func(err error) error { return fmt.Errorf("what is known of %s can't be remembered: %w", key, err) }
	lock := flock.New(d.known() + ".lock")
	if err := lock.Lock(); err != nil {
		return failed(err)
	}
	defer func() { _ = lock.Unlock() }()
	known, err := d.Known()
	if err != nil {
		return err
	}
	if before, err := there(known); before != "" || err != nil {
		return err
	}
	file, err := os.OpenFile(d.known(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintf(file, "%s %s\n", key, words)
	if err = errors.Join(err, file.Close()); err != nil {
		return failed(err)
	}
	return nil
}

// Forget forgets the pin and the serial number of a router, and the pin that an older version kept
// for its address; "" stands for no address, since another router has it too. forgot is what was
// known.
func (d Dir) Forget(key, address string) (forgot Known, err error) {
	lock := flock.New(d.known() + ".lock")
	if err := lock.Lock(); err != nil {
		return Known{}, fmt.Errorf("what is known of %s can't be forgotten: %w", key, err)
	}
	defer func() { _ = lock.Unlock() }()
	known, err := d.Known()
	if err != nil {
		return known, err
	}
	gone := []string{key}
	if address != "" && (known.taken[address] == "" || known.taken[address] == key) {
		gone = append(gone, address)
	}
	for from, by := range known.taken { // else it would be an older pin again
		if by == key {
			gone = append(gone, from)
		}
	}
	data, err := os.ReadFile(d.known())
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	var kept bytes.Buffer
	for line := range bytes.Lines(data) {
		if words := strings.Fields(string(line)); len(words) == 0 || !slices.Contains(gone, words[0]) {
			kept.Write(line)
		}
	}
	if err == nil && kept.Len() < len(data) {
		err = writeWhole(d.known(), kept.Bytes())
	}
	if err != nil {
		return known, fmt.Errorf("what is known of %s can't be forgotten: %w", key, err)
	}
	return known, nil
}
