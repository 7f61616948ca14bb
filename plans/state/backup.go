package state

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Backup is what a change is about to touch, as it was before, and the steps of the change: all
// that is needed to take it back later. It holds knock sequences: the file is for its owner alone.
type Backup struct {
	Format string `json:"format"`
	// Change is the name of the change, by which undo and the journal know it.
	Change   string       `json:"change"`
	Time     time.Time    `json:"time"`
	Actor    string       `json:"actor"`
	Key      string       `json:"key"` // what the router is known by; older backups have none
	Router   string       `json:"router"`
	Address  string       `json:"address"`
	Identity string       `json:"identity"`
	Version  string       `json:"version"`
	Plan     string       `json:"plan"`
	Menus    []BackupMenu `json:"menus"`
	Steps    []SavedStep  `json:"steps"`
}

// BackupMenu is the static rows of one menu, in their order.
type BackupMenu struct {
	Path string            `json:"path"`
	Rows []map[string]Text `json:"rows"`
	// Lists are the address lists of which the rows are, where the menu was too large to be read
	// whole.
	Lists []string `json:"lists,omitempty"`
}

const backupFormat = "rosknock.backup/1"

// NewChange makes the name of a change: when it was made, and two random bytes.
func NewChange(at time.Time) string {
	var b [2]byte
	rand.Read(b[:])
	return at.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}

var changeName = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[0-9a-f]{4}$`)

// NewBackup makes a backup of the menus that a change set touches.
func NewBackup(before routeros.Snapshot, c change.ChangeSet) Backup {
	b := Backup{Format: backupFormat, Identity: before.Identity, Version: before.Version.String(), Steps: Steps(c)}
	var menus []routeros.Menu
	for _, step := range c.Steps {
		if !slices.Contains(menus, step.Menu) {
			menus = append(menus, step.Menu)
		}
	}
	for _, menu := range menus {
		b.Menus = append(b.Menus, backupMenu(before, menu, c))
	}
	return b
}

// backupMenu holds the rows of a menu; where that was not read whole, those of the lists that the
// steps touch.
func backupMenu(s routeros.Snapshot, menu routeros.Menu, c change.ChangeSet) BackupMenu {
	if _, partly := s.PartlyRead[menu]; !partly {
		return BackupMenu{Path: string(menu), Rows: backupRows(s, menu)}
	}
	lists := map[string]bool{}
	for _, step := range c.Steps {
		if list := cmp.Or(step.Set.Get("list"), step.Was.Get("list")); step.Menu == menu && list != "" {
			lists[list] = true
		}
	}
	for _, e := range s.Entries[menu] {
		if _, marked := e.Mark(); marked {
			lists[e.List] = true
		}
	}
	s.Entries = map[routeros.Menu][]routeros.ListEntry{
		menu: slices.DeleteFunc(slices.Clone(s.Entries[menu]), func(e routeros.ListEntry) bool { return !lists[e.List] }),
	}
	return BackupMenu{string(menu), backupRows(s, menu), slices.Sorted(maps.Keys(lists))}
}

func backupRows(s routeros.Snapshot, menu routeros.Menu) []map[string]Text {
	out := []map[string]Text{}
	add := func(id string, a routeros.Attributes) { out = append(out, attributes(a.With(".id", id))) }
	switch {
	case menu.IsRuleTable():
		for _, r := range s.Rules[menu] {
			if !r.Dynamic {
				add(r.ID, r.Attrs)
			}
		}
	case menu == routeros.ServiceMenu:
		for _, svc := range s.Services {
			if !svc.Dynamic && !svc.Connection {
				add(svc.ID, svc.Attributes().With("name", svc.Name))
			}
		}
	default:
		for _, e := range s.Entries[menu] {
			if !e.Dynamic {
				add(e.ID, e.Attributes())
			}
		}
	}
	return out
}

// Before returns the backup as a snapshot of the menus that it holds.
func (b Backup) Before() routeros.Snapshot {
	s := routeros.Snapshot{Identity: b.Identity, Rules: map[routeros.Menu][]routeros.Rule{}, Entries: map[routeros.Menu][]routeros.ListEntry{}, PartlyRead: map[routeros.Menu]routeros.ListReading{}}
	s.Version, _ = routeros.ParseVersion(b.Version)
	for _, m := range b.Menus {
		menu := routeros.Menu(m.Path)
		if menu.IsRuleTable() {
			s.Rules[menu] = []routeros.Rule{}
		} else if menu != routeros.ServiceMenu {
			s.Entries[menu] = []routeros.ListEntry{}
		}
		if m.Lists != nil {
			s.PartlyRead[menu] = routeros.ListReading{Lists: m.Lists, Unread: -1}
		}
		for _, row := range m.Rows {
			a := fromRow(row)
			switch {
			case menu.IsRuleTable():
				s.Rules[menu] = append(s.Rules[menu], routeros.ReadRule(a))
			case menu == routeros.ServiceMenu:
				s.Services = append(s.Services, routeros.ReadService(a))
			default:
				s.Entries[menu] = append(s.Entries[menu], routeros.ReadListEntry(a))
			}
		}
	}
	return s
}

// Changes returns the steps of the change.
func (b Backup) Changes() change.ChangeSet {
	var c change.ChangeSet
	for _, s := range b.Steps {
		c.Steps = append(c.Steps, change.Step{
			Op: change.Op(s.Op), Menu: routeros.Menu(s.Path), ID: s.ID, Slot: s.Slot, Before: s.Before, Set: fromRow(s.Set), Was: fromRow(s.Was),
		})
	}
	return c
}

func fromRow(row map[string]Text) routeros.Attributes {
	pairs := make([]routeros.Attribute, 0, len(row))
	for name, value := range row {
		pairs = append(pairs, routeros.Attribute{Name: name, Value: string(value)})
	}
	return routeros.SortAttributes(pairs)
}

// of is the key of the backup's router, which older backups know by its address.
func (b Backup) of() string { return cmp.Or(b.Key, b.Address) }

// mostBackups is how many backups of a router are kept. A door that rotates every hour makes one
// for each.
const mostBackups = 100

// SaveBackup keeps a backup, and throws the oldest of this router away when there are more than a
// hundred. It is on disk when SaveBackup returns.
func (d Dir) SaveBackup(b Backup) error {
	file := d.backup(b.of(), b.Change)
	data, err := json.MarshalIndent(b, "", " ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err == nil {
		err = writeWhole(file, append(data, '\n'))
	}
	if err == nil {
		err = prune(filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("the backup can't be written: %w; name another folder with --state-dir", err)
	}
	return nil
}

func (d Dir) backup(key, change string) string {
	return filepath.Join(d.path, "backups", fileName(key), change+".json")
}

// prune throws the oldest backups of a router away. Their names begin with the time.
func prune(dir string) error {
	entries, err := os.ReadDir(dir) // in the order of the names
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && changeName.MatchString(name) {
			names = append(names, e.Name())
		}
	}
	var problems []error
	for _, name := range names[:max(0, len(names)-mostBackups)] {
		problems = append(problems, os.Remove(filepath.Join(dir, name)))
	}
	return errors.Join(problems...)
}

// LoadBackup reads the backup of a change of a router by its key, see [Record.BackupKey].
func (d Dir) LoadBackup(key, change string) (Backup, error) {
	if !changeName.MatchString(change) {
		return Backup{}, fmt.Errorf("%q is not the name of a change: rosknock journal shows them, such as 20261121-041500-3fa9", change)
	}
	file := d.backup(key, change)
	data, err := os.ReadFile(file)
	if old := filepath.Join(d.path, "backups", oldFileName(key), change+".json"); errors.Is(err, fs.ErrNotExist) && old != file {
		file = old
		data, err = os.ReadFile(file)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Backup{}, fmt.Errorf("there is no backup of the change %s of %s in %s: it was made by another user, on another machine or with another --state-dir, or more than a hundred came after it", change, key, d.path)
	}
	if err != nil {
		return Backup{}, err
	}
	var b Backup
	if err := json.Unmarshal(data, &b); err != nil || b.Format != backupFormat {
		return Backup{}, fmt.Errorf("%s: this is no backup of rosknock", file)
	}
	if b.Change != change || b.of() != key {
		return Backup{}, fmt.Errorf("%s: this is the backup of the change %q of %q: put it back where it was", file, b.Change, b.of())
	}
	if err := b.check(); err != nil {
		return Backup{}, fmt.Errorf("%s: this backup can't be used, it was changed, or written by another version of rosknock: %w", file, err)
	}
	return b, nil
}

// writeWhole writes a file for its owner alone, whole or not at all.
func writeWhole(path string, data []byte) error {
	return writeWholeWith(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func writeWholeWith(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".rosknock-*") // mode 0600
	if err != nil {
		return err
	}
	if err = errors.Join(write(file), file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
