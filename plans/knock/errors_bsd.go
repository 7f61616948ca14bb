//go:build unix && !linux

package knock

import "syscall"

// isolated is always false here: only Linux has a separate number for it; elsewhere it is
// EHOSTUNREACH.
func isolated(syscall.Errno) bool { return false }
