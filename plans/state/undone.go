package state

import "slices"

// Undoable lists the changes of a router that can still be rolled back, the newest first: those
// that were carried out, or whose end is not known, and that no undo has rolled back since.
func Undoable(records []Record, key string) []Record {
	var out []Record
	for _, r := range records {
		if r.Key() != key || r.Change == "" {
			continue
		}
		switch {
		case r.Event == Begin && r.Undoes == "":
			out = append(out, r)
		case r.Event == End && r.Undoes != "" && r.Outcome == "changed", r.Event == End && r.Undoes != "" && r.Outcome == "unchanged":
			out = slices.DeleteFunc(out, func(o Record) bool { return o.Change == r.Undoes })
		case r.Event == End && slices.Contains([]string{"reverted", "refused", "unchanged"}, r.Outcome):
			out = slices.DeleteFunc(out, func(o Record) bool { return o.Change == r.Change })
		case r.Event == End:
			for i := range out {
				if out[i].Change == r.Change {
					out[i] = r
				}
			}
		}
	}
	slices.Reverse(out)
	return out
}

// Unfinished lists the changes of a router that were begun after the last one that ended, and whose
// end is not known: the program was killed, or the machine. The newest comes first.
func Unfinished(records []Record, key string) []Record {
	undoable := Undoable(records, key)
	end := slices.IndexFunc(undoable, func(r Record) bool { return r.Event != Begin })
	if end < 0 {
		return undoable
	}
	return undoable[:end]
}
