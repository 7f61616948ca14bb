//go:build unix

package main

import (
	"os"
	"syscall"
)

// shutdownOut ends the outgoing half of a socket, which closing does not do when standard input is
// the same one. Other files are left alone.
func shutdownOut(file *os.File) {
	if c, err := file.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_WR) }) // ENOTSOCK for pipes and files
	}
}
