package state

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// Known is what is remembered of routers so that another one in their place is noticed: the
// certificates that they have shown, as an SSH client remembers hosts, and their serial numbers.
// The file has a line for each thing: the router's key, then words: the pin (sha256:HEX), the
// serial number (serial:TEXT), and the address from whose line, which an older version wrote, the
// pin was taken over (from:HOST:PORT). Those older lines begin with an address. Lines that begin
// with # are comments.
//
// Its methods may be called by several goroutines. A nil one knows nothing.
type Known struct {
	path string

	mu    sync.Mutex
	known map[string]*knownRouter // by key, or address
	taken map[string]string       // who has taken over the pin of an address
	// read is which file was read, up to size and so many lines: of what others add only that is
	// read.
	read  os.FileInfo
	size  int64
	lines int
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

// Known reads what is remembered. A file that is not there is empty; a line that is none is an
// error, since nobody can say what it was meant to keep out, and so is a second pin or serial
// number of one router. All such lines are named.
func (d Dir) Known() (*Known, error) {
	k := &Known{path: filepath.Join(d.path, "known_routers")}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k, k.refresh()
}

// refresh reads what was added to the file, or all of it when it is another file now.
func (k *Known) refresh() error {
	file, err := os.Open(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		k.forget()
		return nil
	}
	if err != nil {
		return fmt.Errorf("the known routers can't be read: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("the known routers can't be read: %w", err)
	}
	if k.read == nil || !os.SameFile(k.read, info) || info.Size() < k.size {
		k.forget()
	}
	data, err := io.ReadAll(io.NewSectionReader(file, k.size, info.Size()-k.size))
	if err != nil {
		return fmt.Errorf("the known routers can't be read: %w", err)
	}
	var problems []error
	for line := range bytes.Lines(data) {
		k.lines++
		if what := k.line(string(line), k.lines); what != "" {
			problems = append(problems, fmt.Errorf("%s:%d: %s", k.path, k.lines, what))
		}
	}
	k.read, k.size = info, k.size+int64(len(data))
	return errors.Join(problems...)
}

func (k *Known) forget() {
	k.known, k.taken, k.read, k.size, k.lines = map[string]*knownRouter{}, map[string]string{}, nil, 0, 0
}

// line takes one line, and says what is wrong with it.
func (k *Known) line(text string, n int) string {
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
func (k *Known) Pin(key string) (pin, place string) {
	r := k.of(key)
	return k.placed(r.pin, r.pinLine)
}

// OlderPin is [Known.Pin] for a pin that an older version kept for an address and that no router
// has taken over yet.
func (k *Known) OlderPin(address string) (pin, place string) {
	if k == nil {
		return "", ""
	}
	k.mu.Lock()
	taken := k.taken[address] != ""
	k.mu.Unlock()
	if taken {
		return "", ""
	}
	return k.Pin(address)
}

// Serial is [Known.Pin] for a serial number.
func (k *Known) Serial(key string) (serial, place string) {
	r := k.of(key)
	return k.placed(r.serial, r.serialLine)
}

func (k *Known) of(key string) knownRouter {
	if k == nil {
		return knownRouter{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.known[key]; r != nil {
		return *r
	}
	return knownRouter{}
}

func (k *Known) placed(what string, line int) (string, string) {
	if what == "" {
		return "", ""
	}
	return what, fmt.Sprintf("%s:%d", k.path, line)
}

// AddPin remembers the pin of a router that is not known yet; from names the address whose older
// line is taken over with it, and may be "". When another run was quicker, what it remembered
// stays, and an error says so unless it is the same. Several programs may add at once.
func (k *Known) AddPin(key, pin, from string) error {
	pin = strings.ToLower(pin)
	if !pinForm.MatchString(pin) || strings.ContainsAny(from, " \t\r\n") {
		return fmt.Errorf("%s: %q can't be remembered as a pin", key, pin)
	}
	words := pin
	if from != "" {
		words += " " + fromWord + from
	}
	return k.learn(key, words, "shows two certificates", pin, func(r knownRouter) (string, int) { return r.pin, r.pinLine })
}

// AddSerial remembers the serial number of a router that is not known yet, as AddPin does.
func (k *Known) AddSerial(key, serial string) error {
	if !serialForm.MatchString(serial) {
		return fmt.Errorf("%s: %q can't be remembered as a serial number", key, serial)
	}
	return k.learn(key, serialWord+serial, "tells two serial numbers", serial, func(r knownRouter) (string, int) { return r.serial, r.serialLine })
}

// learn adds a line, unless there is one that says the same, or another thing.
func (k *Known) learn(key, words, two, now string, was func(knownRouter) (string, int)) error {
	if key == "" || strings.HasPrefix(key, "#") || strings.ContainsAny(key, " \t\r\n") {
		return fmt.Errorf("%q can't be remembered", key)
	}
	release, err := k.lock()
	if err != nil {
		return fmt.Errorf("what is known of %s can't be remembered: %w", key, err)
	}
	defer release()
	if err := k.refresh(); err != nil {
		return err
	}
	if r := k.known[key]; r != nil {
		switch before, line := was(*r); before {
		case "":
		case now:
			return nil
		default:
			return fmt.Errorf("%s %s at once: %s stands in %s:%d", key, two, before, k.path, line)
		}
	}
	file, err := os.OpenFile(k.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(file, "%s %s\n", key, words)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fmt.Errorf("what is known of %s can't be remembered: %w", key, err)
	}
	return k.refresh()
}

// lock keeps other goroutines and other programs from the file.
func (k *Known) lock() (release func(), err error) {
	k.mu.Lock()
	lock := flock.New(k.path + ".lock")
	if err := lock.Lock(); err != nil {
		k.mu.Unlock()
		return nil, err
	}
	return func() {
		_ = lock.Unlock()
		k.mu.Unlock()
	}, nil
}

// Forgotten is what was known of a router.
type Forgotten struct{ Pin, Serial string }

// Forget forgets the pin and the serial number of a router, and the pin that an older version kept
// for its address; "" stands for no address, since another router has it too.
func (k *Known) Forget(key, address string) (Forgotten, error) {
	failed := func(err error) (Forgotten, error) {
		return Forgotten{}, fmt.Errorf("what is known of %s can't be forgotten: %w", key, err)
	}
	release, err := k.lock()
	if err != nil {
		return failed(err)
	}
	defer release()
	if err := k.refresh(); err != nil {
		return Forgotten{}, err
	}
	var was Forgotten
	gone := []string{key}
	if r := k.known[key]; r != nil {
		was = Forgotten{r.pin, r.serial}
	}
	if r := k.known[address]; r != nil && (k.taken[address] == "" || k.taken[address] == key) {
		gone = append(gone, address)
		was.Pin = cmp.Or(was.Pin, r.pin)
	}
	for from, by := range k.taken { // else it would be an older pin again
		if by == key {
			gone = append(gone, from)
		}
	}
	data, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return was, nil
	}
	if err != nil {
		return failed(err)
	}
	var kept bytes.Buffer
	for line := range bytes.Lines(data) {
		if words := strings.Fields(string(line)); len(words) == 0 || !slices.Contains(gone, words[0]) {
			kept.Write(line)
		}
	}
	if kept.Len() == len(data) {
		return was, nil
	}
	if err := writeWhole(k.path, kept.Bytes()); err != nil {
		return failed(err)
	}
	return was, k.refresh()
}
