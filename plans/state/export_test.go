package state

import "slices"

// ReadSaved reads the bytes of a file of changes.
func ReadSaved(data []byte, find func(string) (Key, error)) (Saved, error) {
	return readSaved("changes.json", data, find)
}

// WithTrailer closes a text as a file of changes.
func WithTrailer(text []byte, k Key) []byte { return withTrailer(text, k) }

// WithoutTrailer is what stands before the trailer of a file of changes.
func WithoutTrailer(file []byte) []byte {
	t, _ := readTrailer(file)
	return append(slices.Clip(t.body), "\n}"...)
}

// IndexAll has everything indexed, however little it is.
func (h *History) IndexAll() *History {
	h.indexFrom = 0
	return h
}

// FileName is the name of a file for a key.
func FileName(key string) string { return fileName(key) }
