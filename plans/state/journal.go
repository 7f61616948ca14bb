package state

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofrs/flock"
)

// Record is one line of the journal. Each carries the hash of the one before, so that a line that
// was changed, taken out or put in breaks the chain from there on. The hash is no signature: who
// can write the file can write all of it anew.
type Record struct {
	Seq  int64     `json:"seq"` // from 1
	Time time.Time `json:"time"`
	// Actor is who ran rosknock: user@host.
	Actor   string `json:"actor"`
	Command string `json:"command"`
	// Event is begin before the first command is sent, end when the outcome is known, run when a
	// run over a fleet begins, run-end when it ends, note for what changes no router, and take-over
	// ([TakeOver]).
	Event string `json:"event"`
	// Router is the router's name, Address how it was reached: host:port. RouterKey is what it is
	// known by; see [Record.Key].
	RouterKey string `json:"key,omitempty"`
	Router    string `json:"router,omitempty"`
	Address   string `json:"address,omitempty"`
	Identity  string `json:"identity,omitempty"`
	Plan      string `json:"plan,omitempty"`
	// Source is the address whose trust was given or taken, Door where, as PLAN/DOOR, and For how
	// long ("ever" has no end). Act names what was done, as Change names a change; it can't be
	// undone.
	Act    string `json:"act,omitempty"`
	Source string `json:"source,omitempty"`
	Door   string `json:"door,omitempty"`
	For    string `json:"for,omitempty"`
	// Change names the change, Undoes the one that it rolls back.
	Change     string   `json:"change,omitempty"`
	Undoes     string   `json:"undoes,omitempty"`
	Protection string   `json:"protection,omitempty"`
	Steps      int      `json:"steps,omitempty"`
	Done       int      `json:"done,omitempty"`
	Outcome    string   `json:"outcome,omitempty"`
	Accepted   []string `json:"accepted-risks,omitempty"`
	// Before and After are digests of the router's snapshots.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Error  string `json:"error,omitempty"`
	// Run names the run over a fleet that this belongs to. Its first record says how many routers
	// it goes over, its last how many of them had which outcome.
	Run      string         `json:"run,omitempty"`
	Routers  int            `json:"routers,omitempty"`
	Outcomes map[string]int `json:"outcomes,omitempty"`
	// Fingerprint is the plan's, by [Dir.Fingerprint].
	Fingerprint string `json:"fingerprint,omitempty"`
	// Installs says that nothing of the plan was on the router before. Touched is what was there
	// before the plan and what the change makes of it: from both follows what a removal of the plan
	// has to put back, long after the backups are gone.
	Installs bool      `json:"installs,omitempty"`
	Touched  []Touched `json:"touched,omitempty"`
	// TakenBy is the key of the router that takes over the older records of an address.
	TakenBy string `json:"taken-by,omitempty"`
	// older says that it was written of an address, and taken over.
	older bool
	Prev  string `json:"prev"`
	Hash  string `json:"hash"` // the last field: see seal
}

// Key is what the journal knows a router by, SITE/NAME. It means nothing to this package but that
// two records with one key are about one router. Records that are older than keys go by the
// address, which has no slash.
func (r Record) Key() string { return cmp.Or(r.RouterKey, r.Address) }

// The events of a record.
const (
	Begin = "begin"
	End   = "end"
	Note  = "note"

	RunBegin = "run"
	RunEnd   = "run-end"
)

// How long the texts of a record may be, in bytes: a router tells its identity and what failed, and
// both may be of any length. What a removal has to put back (Touched) is kept whole.
const (
	longestName  = 256
	longestError = 4096
)

// bounded is the record with its texts no longer than the journal keeps them, as JSON can hold
// them.
func (r Record) bounded() Record {
	for _, name := range []*string{&r.Actor, &r.Command, &r.Router, &r.Identity, &r.Plan, &r.Source, &r.Door, &r.For} {
		*name = cutTo(*name, longestName)
	}
	r.TakenBy = strings.ToValidUTF8(r.TakenBy, "\uFFFD")
	r.RouterKey, r.Address = strings.ToValidUTF8(r.RouterKey, "\uFFFD"), strings.ToValidUTF8(r.Address, "\uFFFD")
	r.Error = cutTo(r.Error, longestError)
	accepted := r.Accepted
	r.Accepted = nil
	for _, risk := range accepted {
		r.Accepted = append(r.Accepted, cutTo(risk, longestName))
	}
	return r
}

// cutTo cuts a text at the end of a character, and says by … that it did.
func cutTo(text string, longest int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= longest {
		return text
	}
	at := longest - len("…")
	for !utf8.RuneStart(text[at]) {
		at--
	}
	return text[:at] + "…"
}

// longestSegment is from what size on, in bytes, the journal goes on in another file.
const longestSegment = 8 << 20

// Append adds a record at the end of the journal: its number and its hashes are set here, and texts
// that are longer than the journal keeps them are cut. It is on disk when Append returns. Several
// programs may append at once.
func (d Dir) Append(r Record) error {
	if err := d.append(r); err != nil {
		return fmt.Errorf("the journal can't be written: %w; name another folder with --state-dir", err)
	}
	return nil
}

func (d Dir) append(r Record) error {
	lock := flock.New(d.current() + ".lock")
	if err := lock.Lock(); err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	file, err := openOwn(d.current(), os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return err
	}
	last, end, err := d.last(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	r = r.bounded()
	r.Seq, r.Prev = last.Seq+1, last.Hash
	r.Time = r.Time.UTC().Truncate(time.Millisecond)
	line, err := seal(r)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if end.size > 0 && (end.size+int64(len(line)) > longestSegment || month(r.Time) > month(last.Time)) {
		if file, end, err = d.roll(file, end, month(last.Time)); err != nil {
			return err
		}
	}
	if end.torn { // a line that a crash cut short stays visible, and the chain goes on behind it
		line = append([]byte("\n"), line...)
	}
	if _, err = file.Write(append(line, '\n')); err != nil {
		_ = file.Truncate(end.size) // half a line helps nobody; where this fails too, the next record says so
	}
	return errors.Join(err, file.Sync(), file.Close())
}

// current is the segment of the journal that is written. The full ones are in the folder of
// [Dir.segments].
func (d Dir) current() string { return filepath.Join(d.path, "journal.ndjson") }

// ending is where a file ends, and whether a line does there.
type ending struct {
	size int64
	torn bool
}

// last finds the last record of the journal, in the segment that is written or else in those
// before.
func (d Dir) last(file *os.File) (Record, ending, error) {
	info, err := file.Stat()
	if err != nil {
		return Record{}, ending{}, err
	}
	end := ending{size: info.Size()}
	if end.size > 0 {
		var b [1]byte
		if _, err := file.ReadAt(b[:], end.size-1); err != nil {
			return Record{}, end, err
		}
		end.torn = b[0] != '\n'
	}
	if last, err := lastRecord(file, end.size); err != nil || last.Hash != "" {
		return last, end, err
	}
	full, err := d.full()
	for i := len(full) - 1; i >= 0 && err == nil; i-- {
		var last Record
		if last, err = full[i].last(); last.Hash != "" {
			return last, end, err
		}
	}
	return Record{}, end, err
}

// lastRecord finds the last whole record of a segment, however long its line is.
func lastRecord(file io.ReaderAt, size int64) (Record, error) {
	lines := newBackward(file, size)
	for lines.next() {
		var r Record
		if json.Unmarshal(lines.text, &r) == nil && r.Hash != "" {
			return r, nil
		}
	}
	return Record{}, lines.err
}

// roll closes the segment that was written and begins the next. Where the system does not let go of
// the file, it is written on.
func (d Dir) roll(file *os.File, end ending, month string) (*os.File, ending, error) {
	full, err := d.full()
	if end.torn {
		_, torn := file.WriteString("\n")
		err = errors.Join(err, torn, file.Sync())
		end.size, end.torn = end.size+1, false
	}
	if err = errors.Join(err, file.Close(), os.MkdirAll(d.segments(), 0o700)); err != nil {
		return nil, end, err
	}
	number := 1
	if len(full) > 0 {
		number = full[len(full)-1].number + 1
	}
	if os.Rename(d.current(), filepath.Join(d.segments(), segmentName(number, month))) == nil {
		end = ending{}
	}
	file, err = openOwn(d.current(), os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err == nil {
		syncFolder(d.path)
		syncFolder(d.segments())
	}
	return file, end, err
}

// syncFolder puts on disk which files a folder has, where the system can.
func syncFolder(path string) {
	if folder, err := os.Open(path); err == nil {
		_ = folder.Sync()
		_ = folder.Close()
	}
}

func month(at time.Time) string { return at.UTC().Format("2006-01") }

// openOwn opens a file that is for its owner alone. What others could have put there is refused, as
// ssh does. A file that is exchanged at that moment, as one is when a segment is full, is opened
// anew.
func openOwn(path string, flags int) (*os.File, error) {
	for range 100 {
		file, err := openOnce(path, flags)
		if !errors.Is(err, errExchanged) {
			return file, err
		}
	}
	return nil, fmt.Errorf("%s %w each time it was opened: something else writes there; try again when that is stopped", path, errExchanged)
}

var errExchanged = errors.New("was exchanged")

func openOnce(path string, flags int) (*os.File, error) {
	before, err := os.Lstat(path)
	if err == nil && !before.Mode().IsRegular() {
		return nil, &ExposedError{fmt.Sprintf("%s is %s: put a plain file there, or take it away", path, kindOf(before.Mode()))}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	opened, err := file.Stat()
	switch {
	case err != nil:
	case before != nil && !os.SameFile(before, opened):
		err = errExchanged
	case flags&os.O_RDWR != 0 && othersWrite(opened.Mode()):
		err = &ExposedError{fmt.Sprintf("%s can be written by others (mode %04o): chmod 600 it, and look at it with rosknock journal --verify", path, opened.Mode().Perm())}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a folder"
	}
	return "no plain file"
}

// seal puts a record into a line with its hash: over the record, and by Prev over all before it. It
// is taken over the line as it stands there with an empty hash.
func seal(r Record) ([]byte, error) {
	r.Hash = ""
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	hash := digest(line)
	return append(append(bytes.TrimSuffix(line, []byte(`"}`)), hash...), `"}`...), nil
}

// sealed reports whether a line has the hash that it says.
func sealed(line []byte, hash string) bool {
	open, ok := bytes.CutSuffix(line, []byte(hash+`"}`))
	return ok && hash != "" && bytes.HasSuffix(open, []byte(`"hash":"`)) && digest(open, []byte(`"}`)) == hash
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// BrokenError says where the chain of the journal breaks.
type BrokenError struct {
	File string // of the journal's full segments; "" for the one that is written
	Line int
	What string
}

// Error implements error.
func (e *BrokenError) Error() string {
	file := ""
	if e.File != "" {
		file = " of " + e.File
	}
	return fmt.Sprintf("journal line %d%s: %s", e.Line, file, cmp.Or(e.What, "it is no record"))
}

// Journal returns all records, the oldest first. When the chain is broken, the records that could
// be read come with a *[BrokenError] for the first break. A journal that is not there is empty.
func (d Dir) Journal() ([]Record, error) {
	h, err := d.History()
	if err != nil {
		return nil, err
	}
	return h.All()
}
