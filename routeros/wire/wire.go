// Package wire is the framing of the RouterOS API: words with a length prefix, sentences that end
// in an empty word (routeros-facts § 1.1).
//
// Both ends of a connection use it: the session in routeros/api for replies, the simulated router
// for requests. The reader is bounded: a length over its limits is refused before anything is
// allocated, since lengths arrive before any credential is checked. This package does not know what
// the words mean.
//
//	w := wire.NewWriter(conn)
//	w.Write("/system/identity/print")
//	w.Flush()
//	sentence, err := wire.NewReader(conn, wire.DefaultLimits()).Read()
package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Sentence is the words of one sentence, without the empty word that ends it. The first is the
// command or the kind of reply.
type Sentence []string

// Limits bound what a reader accepts.
type Limits struct {
	Word     int // bytes of one word
	Words    int // words of one sentence
	Sentence int // bytes of one sentence
}

// DefaultLimits are far above what RouterOS is known to send: script sources of many kilobytes pass
// (routeros-facts § 1.1), file contents end near 60 kB.
func DefaultLimits() Limits { return Limits{Word: 1 << 20, Words: 1 << 12, Sentence: 4 << 20} }

// LimitError says that a peer sent more than the limits allow, or bytes that are not valid framing.
type LimitError struct{ What string }

// Error implements error.
func (e *LimitError) Error() string {
	return "the peer does not speak the RouterOS API, or sends too much: " + e.What
}

// Reader reads sentences.
type Reader struct {
	r      *bufio.Reader
	limits Limits
	text   []byte // of the words so far of one sentence
	ends   []int  // of these words, in text
}

// NewReader returns a reader with limits. Its buffer is small, since a run holds hundreds of them.
func NewReader(r io.Reader, limits Limits) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 4<<10), limits: limits}
}

// Limit changes the limits from the next sentence on, such as after a login.
func (r *Reader) Limit(limits Limits) { r.limits = limits }

// Buffered returns how many bytes have been received but not yet read as sentences.
func (r *Reader) Buffered() int { return r.r.Buffered() }

// Read returns the next sentence; empty ones are skipped. The error is io.EOF only between two
// sentences, io.ErrUnexpectedEOF within one, and a *[LimitError] for what can't be framing.
func (r *Reader) Read() (Sentence, error) {
	r.text, r.ends = r.text[:0], r.ends[:0]
	for {
		n, err := r.readWord()
		switch {
		case errors.Is(err, io.EOF) && len(r.ends) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case n == 0 && len(r.ends) > 0:
			return r.sentence(), nil
		case n == 0:
			continue
		}
		if len(r.ends) == r.limits.Words || len(r.text) > r.limits.Sentence {
			return nil, &LimitError{fmt.Sprintf("a sentence of more than %d words or %d bytes", r.limits.Words, r.limits.Sentence)}
		}
		r.ends = append(r.ends, len(r.text))
	}
}

// sentence is what has been read, in one piece of memory.
func (r *Reader) sentence() Sentence {
	text, start := string(r.text), 0
	s := make(Sentence, len(r.ends))
	for i, end := range r.ends {
		s[i], start = text[start:end], end
	}
	return s
}

// readWord puts the next word behind the others and returns its length.
func (r *Reader) readWord() (int, error) {
	n, err := r.readLength()
	if err != nil {
		return 0, err
	}
	if n > int64(r.limits.Word) {
		return 0, &LimitError{fmt.Sprintf("a word of %d bytes, at most %d are accepted", n, r.limits.Word)}
	}
	start := len(r.text)
	r.text = slices.Grow(r.text, int(n))[:start+int(n)]
	if _, err := io.ReadFull(r.r, r.text[start:]); err != nil {
		return 0, unexpected(err)
	}
	return int(n), nil
}

// readLength reads the prefix: one to five bytes, the leading ones of the first telling how many.
// The longest form holds 32 bits, which an int of a 32-bit machine would take for a negative
// number.
func (r *Reader) readLength() (int64, error) {
	first, err := r.r.ReadByte()
	if err != nil {
		return 0, err
	}
	var more int
	n := int64(first)
	switch {
	case first < 0x80:
		return n, nil
	case first < 0xC0:
		more, n = 1, n&0x3F
	case first < 0xE0:
		more, n = 2, n&0x1F
	case first < 0xF0:
		more, n = 3, n&0x0F
	case first == 0xF0:
		more, n = 4, 0
	default:
		return 0, &LimitError{fmt.Sprintf("the reserved byte %#x where a length is expected", first)}
	}
	for range more {
		b, err := r.r.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		n = n<<8 | int64(b)
	}
	return n, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Writer writes sentences into a buffer, which Flush sends.
type Writer struct{ w *bufio.Writer }

// NewWriter returns a writer.
func NewWriter(w io.Writer) *Writer { return &Writer{bufio.NewWriterSize(w, 4<<10)} }

// Write buffers one sentence. An empty word would end it early and is refused, as is a word longer
// than the framing can say.
func (w *Writer) Write(words ...string) error {
	for _, word := range words {
		if word == "" || int64(len(word)) > 1<<32-1 {
			return fmt.Errorf("a word of %d bytes can't be framed", len(word))
		}
	}
	for _, word := range words {
		if _, err := w.w.Write(appendLength(w.w.AvailableBuffer(), len(word))); err != nil {
			return err
		}
		if _, err := w.w.WriteString(word); err != nil {
			return err
		}
	}
	return w.w.WriteByte(0)
}

func appendLength(b []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, byte(n))
	case n < 0x4000:
		return append(b, byte(n>>8)|0x80, byte(n))
	case n < 0x200000:
		return append(b, byte(n>>16)|0xC0, byte(n>>8), byte(n))
	case n < 0x10000000:
		return append(b, byte(n>>24)|0xE0, byte(n>>16), byte(n>>8), byte(n))
	default:
		return append(b, 0xF0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
}

// Flush sends what has been written.
func (w *Writer) Flush() error { return w.w.Flush() }
