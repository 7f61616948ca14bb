package state

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// The index says where in the journal the records of each router stand. It is a file beside the
// full segments: a line of JSON that says how far it goes, then entries of a fixed size, in the
// order of the routers. It can be thrown away: it is made anew when it is missing, or is not of
// this journal. What was appended since it was made is read from the journal.
type index struct {
	header indexHeader
	file   *os.File // nil where there is none; it is closed when nobody has the index any more
	first  int64    // where the entries begin in it
	count  int64    // of its entries
	rest   []entry  // of what it does not have, in the order of the routers
	kept   bool     // the folder can't be written: what is read stays in memory
}

const indexFormat = "rosknock.journal-index/2" // 1 went by addresses

// indexHeader is the first line of the file.
type indexHeader struct {
	Format  string `json:"format"`
	Entries int64  `json:"entries"`
	// Segment and Offset are how far the journal was read, in lines that had an end.
	Segment int   `json:"segment"`
	Offset  int64 `json:"offset"`
	// Last is the last record that was read, and Hash its hash. It tells whether the index is of
	// this journal, since the hash goes over all records before.
	Last place  `json:"last"`
	Hash string `json:"hash"`
}

// place is where a record stands.
type place struct {
	Segment uint32 `json:"segment"`
	Length  uint32 `json:"length"`
	Offset  int64  `json:"offset"`
}

// entry is one record of a router.
type entry struct {
	router uint64 // by routerNumber
	place
}

const entrySize = 24

func (a entry) compare(b entry) int {
	return cmp.Or(cmp.Compare(a.router, b.router), cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Offset, b.Offset))
}

func (a entry) bytes() (b [entrySize]byte) {
	binary.BigEndian.PutUint64(b[0:], a.router)
	binary.BigEndian.PutUint32(b[8:], a.Segment)
	binary.BigEndian.PutUint32(b[12:], a.Length)
	binary.BigEndian.PutUint64(b[16:], uint64(a.Offset))
	return b
}

// The journal is indexed when so much of it is not yet: few bytes are quicker read than written
// into a long index. While it is read from the beginning, so many entries are kept in memory at
// most.
const (
	unindexed   = 2 << 20
	mostEntries = 1 << 17
)

// Records returns the records of a router by its key, the oldest first. A line among them whose
// hash does not fit comes with a *[BrokenError]. No other router's are read, but for what was
// appended since the index was made. A journal that has no index yet is read once.
func (h *History) Records(key string) ([]Record, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fresh := h.index == nil
	if fresh {
		if err := h.enterAll(h.dir.readIndex()); err != nil {
			return nil, fmt.Errorf("the journal can't be read: %w", err)
		}
	}
	records, err := h.records(key)
	if errors.Is(err, errStale) { // the journal was changed by hand
		if err := h.enterAll(&index{}); err != nil {
			return nil, fmt.Errorf("the journal can't be read: %w", err)
		}
		records, err = h.records(key)
	}
	var broken *BrokenError
	if err != nil && !errors.As(err, &broken) {
		return nil, fmt.Errorf("the journal can't be read: %w", err)
	}
	return records, err
}

func (d Dir) index() string { return filepath.Join(d.segments(), "index") }

var errStale = errors.New("its index says of a line what does not stand there")

// records reads what the index says of a router.
func (h *History) records(key string) ([]Record, error) {
	found, err := h.index.find(routerNumber(key))
	if err != nil {
		return nil, err
	}
	var out []Record
	var broken *BrokenError
	reader := placeReader{history: h}
	defer reader.close()
	for _, e := range found {
		text, err := reader.read(e.place)
		if err != nil {
			return nil, err
		}
		var r Record
		if json.Unmarshal(text, &r) != nil || routerNumber(r.Key()) != e.router {
			return nil, errStale
		}
		if r.Key() != key { // of another router, which has the same number
			continue
		}
		if !sealed(text, r.Hash) && broken == nil {
			broken = h.broken(spot{reader.segment, e.Offset}, changed)
		}
		out = append(out, r)
	}
	if broken != nil {
		return out, broken
	}
	return out, nil
}

// routerNumber stands for a router's key. Two keys with one number cost reading a record too many,
// and nothing else.
func routerNumber(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:8])
}

// placeReader reads records, which stand in few segments.
type placeReader struct {
	history *History
	segment segment
	file    *os.File
}

func (p *placeReader) read(at place) ([]byte, error) {
	if p.file == nil || p.segment.number != int(at.Segment) {
		p.close()
		s, ok := p.history.numbered(int(at.Segment))
		if !ok {
			return nil, errStale
		}
		var err error
		if p.file, err = p.history.dir.open(s); err != nil {
			return nil, err
		}
		p.segment = s
	}
	if at.Offset < 0 || at.Offset+int64(at.Length) > p.segment.info.Size() {
		return nil, errStale
	}
	text := make([]byte, at.Length)
	_, err := p.file.ReadAt(text, at.Offset)
	return text, err
}

func (p *placeReader) close() {
	if p.file != nil {
		_ = p.file.Close()
		p.file = nil
	}
}

func (h *History) numbered(number int) (segment, bool) {
	for _, s := range h.segments {
		if s.number == number {
			return s, true
		}
	}
	return segment{}, false
}

// enterAll takes an index, when it is of this journal, and enters what the journal has beyond it.
func (h *History) enterAll(x *index) error {
	if !h.isOf(x.header) {
		x = &index{}
	}
	from := x.header
	var beyond int64
	var open []entry
	for _, s := range h.segments {
		if s.number < from.Segment {
			continue
		}
		offset := int64(0)
		if s.number == from.Segment {
			offset = from.Offset
		}
		last, err := h.enter(x, s, offset, &beyond)
		if err != nil {
			return err
		}
		open = append(open, last...)
	}
	slices.SortFunc(x.rest, entry.compare)
	if beyond > h.indexFrom {
		x.save(h.dir)
	}
	x.rest = append(x.rest, open...)
	slices.SortFunc(x.rest, entry.compare)
	h.index = x
	return nil
}

// enter reads a segment into the index. A record at its end without a line end, as a crash may
// leave it, comes apart: the index has only what stays as it is.
func (h *History) enter(x *index, s segment, from int64, beyond *int64) (open []entry, err error) {
	file, err := h.dir.open(s)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := newForward(file, from, s.info.Size())
	for lines.more() {
		at := place{uint32(s.number), uint32(len(lines.text)), lines.offset}
		r, ok := readMark(lines.text)
		e := entry{routerNumber(r.Key()), at}
		if !lines.ended {
			if ok && r.Key() != "" {
				open = append(open, e)
			}
			break
		}
		x.header.Segment, x.header.Offset = s.number, lines.next
		*beyond += int64(len(lines.text)) + 1
		if !ok {
			continue
		}
		x.header.Last, x.header.Hash = at, r.Hash
		if r.Key() != "" {
			x.rest = append(x.rest, e)
		}
		if len(x.rest) >= mostEntries && !x.kept {
			slices.SortFunc(x.rest, entry.compare)
			x.save(h.dir)
		}
	}
	return open, lines.err
}

// indexMark is what the index needs of a record.
type indexMark struct {
	Key     string `json:"key"`
	Address string `json:"address"`
	Hash    string `json:"hash"`
}

func readMark(text []byte) (Record, bool) {
	var m indexMark
	err := json.Unmarshal(text, &m)
	return Record{RouterKey: m.Key, Address: m.Address, Hash: m.Hash}, err == nil
}

// isOf reports whether an index is of this journal.
func (h *History) isOf(header indexHeader) bool {
	if header.Hash == "" {
		return false
	}
	reader := placeReader{history: h}
	defer reader.close()
	text, err := reader.read(header.Last)
	var l link
	return err == nil && json.Unmarshal(text, &l) == nil && l.Hash == header.Hash
}

// readIndex opens the index. One that is none is like one that is not there.
func (d Dir) readIndex() *index {
	file, err := openOwn(d.index(), os.O_RDONLY)
	if err != nil {
		return &index{}
	}
	x := index{file: file}
	info, err := file.Stat()
	if err == nil {
		line := newForward(file, 0, min(info.Size(), 4096))
		ok := line.more() && line.ended && json.Unmarshal(line.text, &x.header) == nil
		x.first, x.count = line.next, (info.Size()-line.next)/entrySize
		if ok && x.header.Format == indexFormat && x.first+x.header.Entries*entrySize == info.Size() {
			return &x
		}
	}
	_ = file.Close()
	return &index{}
}

// find returns the entries of a router, in the order of the journal.
func (x *index) find(router uint64) ([]entry, error) {
	out, err := x.inFile(router)
	at, _ := slices.BinarySearchFunc(x.rest, router, func(e entry, router uint64) int { return cmp.Compare(e.router, router) })
	for ; at < len(x.rest) && x.rest[at].router == router; at++ {
		out = append(out, x.rest[at])
	}
	return out, err
}

func (x *index) inFile(router uint64) ([]entry, error) {
	var out []entry
	var err error
	at := sort.Search(int(x.count), func(i int) bool {
		var b [entrySize]byte
		if err == nil {
			_, err = x.file.ReadAt(b[:], x.first+int64(i)*entrySize)
		}
		return readEntry(b[:]).router >= router
	})
	if err != nil || at == int(x.count) {
		return nil, err
	}
	rows := x.reader(int64(at))
	for i := int64(at); i < x.count; i++ {
		e, err := rows.entry()
		if err != nil || e.router != router {
			return out, err
		}
		out = append(out, e)
	}
	return out, nil
}

func readEntry(b []byte) entry {
	return entry{binary.BigEndian.Uint64(b[0:]), place{binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:]), int64(binary.BigEndian.Uint64(b[16:]))}}
}

// entryReader reads entries one after the other.
type entryReader struct{ from *bufio.Reader }

func (x *index) reader(at int64) entryReader {
	if x.file == nil {
		return entryReader{bufio.NewReader(strings.NewReader(""))}
	}
	return entryReader{bufio.NewReaderSize(io.NewSectionReader(x.file, x.first+at*entrySize, (x.count-at)*entrySize), 64<<10)}
}

func (r entryReader) entry() (entry, error) {
	var b [entrySize]byte
	_, err := io.ReadFull(r.from, b[:])
	return readEntry(b[:]), err
}

// save writes the index with what it does not have yet. Where that can't be, it stays in memory.
func (x *index) save(d Dir) {
	if x.kept = d.reading; x.kept {
		return
	}
	header := x.header
	header.Format, header.Entries = indexFormat, x.count+int64(len(x.rest))
	line, err := json.Marshal(header)
	if err == nil {
		err = os.MkdirAll(d.segments(), 0o700)
	}
	if err == nil {
		err = writeWholeWith(d.index(), func(w io.Writer) error {
			out := bufio.NewWriterSize(w, 64<<10)
			_, err := out.Write(append(line, '\n'))
			return errors.Join(err, x.merge(out), out.Flush())
		})
	}
	if err == nil {
		if saved := d.readIndex(); saved.header == header {
			if x.file != nil {
				_ = x.file.Close()
			}
			*x = *saved
			return
		}
	}
	x.kept = true
}

// merge writes the entries of the file and the others in one order.
func (x *index) merge(w io.Writer) error {
	put := func(e entry) error {
		b := e.bytes()
		_, err := w.Write(b[:])
		return err
	}
	rest, rows := x.rest, x.reader(0)
	for range x.count {
		e, err := rows.entry()
		for err == nil && len(rest) > 0 && rest[0].compare(e) < 0 {
			err, rest = put(rest[0]), rest[1:]
		}
		if err == nil {
			err = put(e)
		}
		if err != nil {
			return err
		}
	}
	for _, e := range rest {
		if err := put(e); err != nil {
			return err
		}
	}
	return nil
}
