package sshjump

import "io/fs"

// exposed reports whether others can read a key: what Windows says of that is not in its mode.
func exposed(fs.FileInfo) bool { return false }
