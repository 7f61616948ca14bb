package state

// IndexAll has everything indexed, however little it is.
func (h *History) IndexAll() *History {
	h.indexFrom = 0
	return h
}

// FileName is the name of a file for a key.
func FileName(key string) string { return fileName(key) }
