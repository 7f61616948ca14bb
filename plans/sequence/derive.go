package sequence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/rosknock/rosknock/plans"
)

// Scope identifies the owner of a sequence: no two scopes share a sequence, even if they share the
// secret.
type Scope struct {
	Plan, Door string // their names
	// Router is the router's own name, so that a knock overheard at one router can't open another.
	Router string
	// User is the person, if each has a sequence of their own; empty if all share one.
	User string
}

// LeastSecret is the length in bytes that a secret has at least: 128 bits, if they are random.
const LeastSecret = 16

// ShortSecretError says that a secret is so short that it could be guessed from one overheard
// knock.
type ShortSecretError struct{}

// Error implements error. It reveals nothing of the secret.
func (*ShortSecretError) Error() string {
	return fmt.Sprintf("the secret of a rotating knock is shorter than %d bytes, and could be guessed: use a random one, such as the output of openssl rand -hex 32", LeastSecret)
}

// Labels keep what is computed for one purpose apart from any other, and from other versions of the
// same.
const (
	sequenceLabel = "rosknock sequence v1"
	tokenLabel    = "rosknock token v1"
)

// Derive computes the sequence of a window of time, see [Schedule], from a secret that both ends
// know. The same arguments always give the same sequence, which is sound in the sense of
// [Spec.Sound]. Without the secret, one sequence reveals nothing about another.
//
// The sequence is drawn as [Spec.Draw] draws one, from a stream of bytes: block b of try t is
//
//	HMAC-SHA-256(secret, fields ‖ t ‖ b)
//
// with t and b from 0 as 8 bytes each (RFC 2104, used as the pseudo-random function of a counter
// mode as in NIST SP 800-108). Each field is preceded by its length as 4 bytes, so that no two
// lists of fields are the same bytes: the label "rosknock sequence v1", the plan's, the door's and
// the router's name, the user's or nothing, the window as 8 bytes, the number of stages as 4, the
// first and the last port as 2 each, the protocols in alphabetic order with commas between, and the
// ports to avoid in ascending order as 2 bytes each. All numbers are big-endian, the window in
// two's complement. Omitted fields of the Spec count as their defaults. The ports to avoid are
// among the fields so that two ends which don't agree on them notice at once, and not in one window
// of many.
//
// From the stream, 4 bytes at a time make a number, and one of n choices is the number's remainder
// by n; numbers from the largest multiple of n on are skipped, so that no choice is favoured. For
// each stage a choice is made of the protocols, and then one of the ports (or the sizes from 64 to
// 1200), again until one suits.
func Derive(secret []byte, scope Scope, window int64, spec Spec) ([]plans.Stage, error) {
	d, err := spec.drawer()
	if err != nil {
		return nil, err
	}
	if err := scope.check(secret); err != nil {
		return nil, err
	}
	avoid := make([]byte, 0, 2*len(d.Avoid))
	for _, port := range d.Avoid {
		avoid = binary.BigEndian.AppendUint16(avoid, port)
	}
	prefix := fields([]byte(sequenceLabel), []byte(scope.Plan), []byte(scope.Door), []byte(scope.Router), []byte(scope.User),
		binary.BigEndian.AppendUint64(nil, uint64(window)), binary.BigEndian.AppendUint32(nil, uint32(d.Stages)),
		binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, d.Low), d.High), []byte(strings.Join(d.Protocols, ",")), avoid)
	mac := hmac.New(sha256.New, secret)
	return d.first(func(try int) io.Reader { return &stream{mac: mac, prefix: prefix, try: uint64(try)} })
}

// The sizes of a token in hex digits: 64 bits at least, and what HMAC-SHA-256 has at most.
const (
	ShortestToken = 16
	LongestToken  = 2 * sha256.Size
)

// Token computes the payload of one packet of a window's knock, for a stage counted from 1:
// lower-case hex digits, size of them, so that they can stand in a rule's content matcher as they
// are. It is the beginning of the hex form of
//
//	HMAC-SHA-256(secret, fields)
//
// whose fields, preceded by their lengths as in [Derive], are the label "rosknock token v1", the
// four names of the scope, the window, the stage and the size, 8 bytes each.
func Token(secret []byte, scope Scope, window int64, stage, size int) ([]byte, error) {
	if err := scope.check(secret); err != nil {
		return nil, err
	}
	if size < ShortestToken || size > LongestToken {
		return nil, fmt.Errorf("the number of hex digits of a token can't be %d: choose %d to %d", size, ShortestToken, LongestToken)
	}
	if stage < 1 || stage > MostStages {
		return nil, fmt.Errorf("there is no stage %d: stages count from 1 to %d", stage, MostStages)
	}
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write(fields([]byte(tokenLabel), []byte(scope.Plan), []byte(scope.Door), []byte(scope.Router), []byte(scope.User),
		number(uint64(window)), number(uint64(stage)), number(uint64(size))))
	return []byte(hex.EncodeToString(mac.Sum(nil)))[:size], nil
}

// check refuses arguments whose sequences could be guessed, or shared.
func (s Scope) check(secret []byte) error {
	if len(secret) < LeastSecret {
		return &ShortSecretError{}
	}
	if s.Plan == "" || s.Door == "" || s.Router == "" {
		return errors.New("a rotating knock belongs to a plan, a door and a router: name all three, otherwise several would share a sequence")
	}
	return nil
}

// fields joins fields, each preceded by its length.
func fields(list ...[]byte) []byte {
	var out []byte
	for _, f := range list {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(f))), f...)
	}
	return out
}

// stream is the bytes of one try: HMAC in counter mode. It never ends and never fails.
type stream struct {
	mac        hash.Hash
	prefix     []byte
	try, block uint64
	rest       []byte
}

// Read implements [io.Reader].
func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		s.mac.Reset()
		_, _ = s.mac.Write(s.prefix)
		_, _ = s.mac.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.try), s.block))
		s.rest = s.mac.Sum(nil)
		s.block++
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
