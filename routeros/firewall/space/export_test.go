package space

// InParts is [Space.Openings] for a search that is too wide, whatever its width.
func (s *Space) InParts(search Search) ([]Opening, bool) { return s.inParts(search) }
