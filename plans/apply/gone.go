package apply

// GoneError says that the protection is not in place any more, though this run has not given it up,
// or that what was done under it is not there. What was done so far may be gone, in whole or in
// part.
type GoneError struct {
	What string
	// By is who holds safe mode instead; empty for nobody, or where there is no safe mode.
	By string
}

// Error implements error.
func (e *GoneError) Error() string { return e.What }
