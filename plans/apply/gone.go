package apply

// GoneError says that the protection is not in place any more, though this run has not released it,
// or that steps done under it are missing. The steps so far may be gone, in whole or in part.
type GoneError struct {
	What string
	// By is who holds safe mode instead; empty if nobody does, or if there is no safe mode.
	By string
}

// Error implements error.
func (e *GoneError) Error() string { return e.What }
