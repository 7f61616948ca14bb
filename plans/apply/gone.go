package apply

// GoneError says that what protected a router, or what was done under it, is not there any more.
type GoneError struct {
	What string
	// By is who holds safe mode instead; empty for nobody, or where there is no safe mode.
	By string
}

// Error implements error.
func (e *GoneError) Error() string { return e.What }
