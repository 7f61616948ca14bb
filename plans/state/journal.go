package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// Record is one line of the journal. Each carries the hash of the one before, so that a line that was changed, taken out or put in
// breaks the chain from there on. The hash is no signature: who can write the file can write all of it anew.
type Record struct {
	Seq  int64     `json:"seq"` // from 1
	Time time.Time `json:"time"`
	// Actor is who ran rosknock: user@host.
	Actor   string `json:"actor"`
	Command string `json:"command"`
	// Event is begin before the first command is sent, end when the outcome is known, run when a run over a fleet begins, and note for
	// what changes no router.
	Event    string `json:"event"`
	Router   string `json:"router,omitempty"`
	Address  string `json:"address,omitempty"`
	Identity string `json:"identity,omitempty"`
	Plan     string `json:"plan,omitempty"`
	// Change names the change, Undoes the one that it takes back.
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
	// Run names the run over a fleet that this belongs to. Its first record says how many routers it goes over.
	Run     string `json:"run,omitempty"`
	Routers int    `json:"routers,omitempty"`
	// Fingerprint is the plan's, by [Dir.Fingerprint].
	Fingerprint string `json:"fingerprint,omitempty"`
	// Installs says that nothing of the plan was on the router before. Touched is what was there before the plan and what the change makes of it:
	// from both follows what a removal of the plan has to put back, long after the backups are gone.
	Installs bool      `json:"installs,omitempty"`
	Touched  []Touched `json:"touched,omitempty"`
	Prev     string    `json:"prev"`
	Hash     string    `json:"hash"`
}

// The events of a record.
const (
	Begin = "begin"
	End   = "end"
	Note  = "note"

	RunBegin = "run"
)

func (d Dir) journal() string { return filepath.Join(d.path, "journal.ndjson") }

// Append adds a record at the end of the journal: its number and its hashes are set here. It is on disk when
// Append returns. Several programs may append at once.
func (d Dir) Append(r Record) error {
	if err := d.append(r); err != nil {
		return fmt.Errorf("the journal can't be written: %w; name another folder with --state-dir", err)
	}
	return nil
}

func (d Dir) append(r Record) error {
	lock := flock.New(d.journal() + ".lock")
	if err := lock.Lock(); err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	file, err := os.OpenFile(d.journal(), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	last, torn, err := lastRecord(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	r.Seq, r.Prev = last.Seq+1, last.Hash
	r.Time = r.Time.UTC().Truncate(time.Millisecond)
	r.Hash = r.sum()
	line, err := json.Marshal(r)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if torn { // a line that a crash cut short stays visible, and the chain goes on behind it
		line = append([]byte("\n"), line...)
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Sync(), file.Close())
}

// lastRecord finds the last whole record. torn says that the file does not end in a line end.
func lastRecord(file *os.File) (last Record, torn bool, err error) {
	const tail = 64 << 10 // longer than any record
	info, err := file.Stat()
	if err != nil {
		return Record{}, false, err
	}
	if _, err := file.Seek(max(0, info.Size()-tail), io.SeekStart); err != nil {
		return Record{}, false, err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return Record{}, false, err
	}
	torn = len(data) > 0 && data[len(data)-1] != '\n'
	lines := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	for _, line := range slices.Backward(lines) {
		if json.Unmarshal(line, &last) == nil && last.Hash != "" {
			return last, torn, nil
		}
	}
	return Record{}, torn, nil
}

// sum is the hash over a record and, by Prev, over all before it.
func (r Record) sum() string {
	r.Hash = ""
	line, err := json.Marshal(r)
	if err != nil { // a time beyond the year 9999: no hash fits it
		return ""
	}
	sum := sha256.Sum256(line)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// BrokenError says where the chain of the journal breaks.
type BrokenError struct {
	Line int
	What string
}

// Error implements error.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("journal line %d: %s", e.Line, e.What)
}

// Journal returns all records, the oldest first. When the chain is broken, the records that could be read come with a *[BrokenError]
// for the first break. A journal that is not there is empty.
func (d Dir) Journal() ([]Record, error) {
	data, err := os.ReadFile(d.journal())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the journal can't be read: %w", err)
	}
	var records []Record
	var broken error
	breaks := func(line int, what string) {
		if broken == nil {
			broken = &BrokenError{line, what}
		}
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			if len(data) > 0 {
				breaks(i+1, "it is no record: a crash cut it short, or somebody wrote it by hand")
			}
			continue
		}
		var before Record
		if len(records) > 0 {
			before = records[len(records)-1]
		}
		switch {
		case r.Hash != r.sum():
			breaks(i+1, "its hash does not fit: the line was changed")
		case r.Prev != before.Hash || r.Seq != before.Seq+1:
			breaks(i+1, "it does not follow the line before: a line was taken out, put in, or moved")
		}
		records = append(records, r)
	}
	return records, broken
}
