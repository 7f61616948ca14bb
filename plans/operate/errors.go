package operate

import "fmt"

// RefusedError is a refusal: nothing was sent, and the text says what can be done.
type RefusedError struct{ Err error }

// Error implements error.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// Refusef makes a [RefusedError].
func Refusef(format string, args ...any) error {
	return &RefusedError{fmt.Errorf(format, args...)}
}

// InvalidError says that an input is wrong: a plan, saved changes, a backup.
type InvalidError struct{ Err error }

// Error implements error.
func (e *InvalidError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *InvalidError) Unwrap() error { return e.Err }

func invalidf(format string, args ...any) error {
	return &InvalidError{fmt.Errorf(format, args...)}
}

// MovedError says that the router changed since the changes were saved.
type MovedError struct{ What string }

// Error implements error.
func (e *MovedError) Error() string { return e.What }

// plural counts things: 1 step, 2 steps.
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
