package state

// IndexAll has everything indexed, however little it is.
func (h *History) IndexAll() *History {
	h.indexFrom = 0
	return h
}
