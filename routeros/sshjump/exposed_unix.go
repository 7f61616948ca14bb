//go:build unix

package sshjump

import (
	"io/fs"
	"os"
	"syscall"
)

// exposed reports whether ssh would leave a key alone: it is ours, and others can do something with
// it. With a file of somebody else, they have to know themselves who may read it.
func exposed(info fs.FileInfo) bool {
	sys, ok := info.Sys().(*syscall.Stat_t)
	ours := !ok || int(sys.Uid) == os.Getuid()
	return ours && info.Mode().Perm()&0o077 != 0
}
