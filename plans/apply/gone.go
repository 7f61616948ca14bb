package apply

// GoneError says that the protection is not in place any more, though this run has not given it up.
// What was done so far may be gone with it, in whole or in part.
type GoneError struct{ What string }

// Error implements error.
func (e *GoneError) Error() string { return e.What }
