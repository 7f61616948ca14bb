package state

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// longestFileName is how long a name that is made of a key gets, in bytes. File systems take 143
// (with encryption) to 255, and an ending comes behind it.
const longestFileName = 120

// fileName makes a file's name of a router's key. Two keys never get one name, also where a file
// system does not tell upper from lower case. The name has no separator, is none of the system's
// own (.., nul), and is bounded. What is no lower-case letter, digit, dot or dash becomes _XX; what
// would get too long ends in __ and the digest of the whole key, which nothing else has.
func fileName(key string) string {
	name := escaped(key, func(c byte) bool { return c >= 'a' && c <= 'z' })
	base, _, _ := strings.Cut(name, ".")
	switch {
	case name == "":
		return "__"
	case name[0] == '.' || isDevice(base):
		name = hexed(name[0]) + name[1:]
	}
	if rest, ok := strings.CutSuffix(name, "."); ok { // Windows drops it
		name = rest + hexed('.')
	}
	if len(name) <= longestFileName {
		return name
	}
	sum := sha256.Sum256([]byte(key))
	digest := "__" + hex.EncodeToString(sum[:])
	return name[:longestFileName-len(digest)] + digest
}

// isDevice reports whether Windows takes a name for a device, whatever its ending is.
func isDevice(base string) bool {
	if len(base) == 4 && base[3] >= '0' && base[3] <= '9' {
		return base[:3] == "com" || base[:3] == "lpt"
	}
	return slices.Contains([]string{"con", "prn", "aux", "nul"}, base)
}

// oldFileName is the name that older versions made of a router's address.
func oldFileName(address string) string {
	return escaped(address, func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' })
}

func escaped(text string, letter func(byte) bool) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if letter(c) || c >= '0' && c <= '9' || c == '.' || c == '-' {
			b.WriteByte(c)
		} else {
			b.WriteString(hexed(c))
		}
	}
	return b.String()
}

func hexed(c byte) string { return fmt.Sprintf("_%02x", c) }
