package plans

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Masked returns the stage without its secret: tcp/•••••. The mask has one length for all.
func (s Stage) Masked() string { return s.Protocol + "/•••••" }

// Reveal returns the stage as it is written in a plan file: tcp/33333, or icmp/245 with the size.
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

// MostStages is the largest number of stages of a knock. Each is a rule that the router evaluates,
// 16 are more than anybody can guess, and computations about a knock grow much faster than its
// length.
const MostStages = 64

// ParseKnock reads a knock in short form: stages such as tcp/33333 with commas or blanks between,
// with or without brackets around them and the key "knock:" before, over any number of lines; what
// follows a # is a comment. An error counts the stages and never repeats one.
func ParseKnock(text string) ([]Stage, error) {
	var words []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words = append(words, strings.FieldsFunc(line, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })...)
	}
	joined := strings.TrimSpace(strings.TrimPrefix(strings.Join(words, " "), "knock:"))
	if inner, ok := strings.CutPrefix(joined, "["); ok {
		if joined, ok = strings.CutSuffix(inner, "]"); !ok {
			return nil, errors.New("the knock has an opening bracket and no closing one: write [tcp/…, udp/…]")
		}
	}
	var knock []Stage
	for i, word := range strings.Fields(joined) {
		s, why, remedy := parseStage(word)
		switch {
		case why != "" && remedy != "":
			return nil, fmt.Errorf("stage %d: %s: %s", i+1, why, remedy)
		case why != "":
			return nil, fmt.Errorf("stage %d: %s", i+1, why)
		}
		knock = append(knock, s)
	}
	if len(knock) > MostStages {
		return nil, fmt.Errorf("the knock has %d stages, and %d are the most", len(knock), MostStages)
	}
	if len(knock) == 0 {
		return nil, errors.New("there is no knock in it: write stages such as tcp/… and udp/… with commas between")
	}
	return knock, nil
}

// Digest returns the SHA-256 of the plan's canonical form, in hex: equal for two files that mean
// the same, whatever their comments and order of keys. It depends on the knock sequences, and a
// short sequence could be guessed from it: treat it like them.
func (p Plan) Digest() string {
	sum := sha256.Sum256(Write(p))
	return hex.EncodeToString(sum[:])
}
