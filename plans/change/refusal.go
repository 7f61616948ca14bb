package change

// RefusalError says why a plan can't be applied to this router. Exit code 4.
type RefusalError struct {
	// Risk is the name under which the refusal is known, such as lose-session.
	Risk string
	// What is wrong, and what the operator can do about it.
	What, Remedy string
}

// Error implements error: what, then the remedy.
func (e *RefusalError) Error() string {
	if e.Remedy == "" {
		return e.What
	}
	return e.What + ": " + e.Remedy
}
