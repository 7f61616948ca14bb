package plans

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Masked returns the stage without its secret: tcp/•••••. The mask has one length for all.
func (s Stage) Masked() string { return s.Protocol + "/•••••" }

// Reveal returns the stage as it stands in a plan file: tcp/33333, or icmp/245 with the size.
func (s Stage) Reveal() string {
	if s.Protocol == "icmp" {
		return fmt.Sprintf("icmp/%d", s.Size)
	}
	return fmt.Sprintf("%s/%d", s.Protocol, s.Port)
}

// String returns the stage masked, so that no log shows a sequence by accident.
func (s Stage) String() string { return s.Masked() }

// Format masks the stage under every verb, %d and %#v included, which would pass String by.
func (s Stage) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.Masked()) }

// Digest returns the SHA-256 of the plan's canonical form, in hex: equal for two files that mean
// the same, whatever their comments and order of keys. It depends on the knock sequences, and a
// short sequence could be guessed from it: treat it like them.
func (p Plan) Digest() string {
	sum := sha256.Sum256(Write(p))
	return hex.EncodeToString(sum[:])
}
