package state

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// Key tells whether saved changes are as they were saved, and from here: who does not have it can
// neither make such a file nor change one. The zero Key is none.
type Key struct {
	id     string
	secret []byte
}

// keyPurpose keeps the keys of saved changes apart from whatever else follows from the same secret.
const keyPurpose = "rosknock saved changes"

// NewKey makes the key that follows from a secret which several machines share. A person who
// has a file of changes can try secrets at leisure, so it has to be a strong one.
func NewKey(secret []byte) (Key, error) { return deriveKey(secret, keyPurpose+", named key") }

func deriveKey(secret []byte, purpose string) (Key, error) {
	id, err := hkdf.Key(sha256.New, secret, nil, purpose+": id", 8)
	if err != nil {
		return Key{}, err
	}
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, sha256.Size)
	return Key{hex.EncodeToString(id), key}, err
}

// ID is the name of the key in the files that are made with it; it gives nothing of the key away.
func (k Key) ID() string { return k.id }

func (k Key) sum(text []byte) []byte {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(text)
	return mac.Sum(nil)
}

// ChangesKey returns the state folder's own key for saved changes; it is made at the first use.
func (d Dir) ChangesKey() (Key, error) {
	if _, err := d.key(); err != nil {
		return Key{}, fmt.Errorf("the key of the state folder can't be used: %w", err)
	}
	return d.KnownChangesKey()
}

// KnownChangesKey is ChangesKey for who only reads: where no key was made yet, it is the zero Key.
// A folder that others can write, and a key that others can read, prove nothing, and are an error.
func (d Dir) KnownChangesKey() (Key, error) {
	if err := d.Exposed(); err != nil {
		return Key{}, err
	}
	name := filepath.Join(d.path, "key")
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, nil
	}
	if err == nil && othersRead(info.Mode()) {
		return Key{}, &ExposedError{fmt.Sprintf("the key %s can be read by others (mode %04o), who could make changes in your name: chmod 600 it; if somebody may have done so, take it away, and a new one is made", name, info.Mode().Perm())}
	}
	var secret []byte
	if err == nil {
		secret, err = readKey(name)
	}
	if err != nil {
		return Key{}, fmt.Errorf("the key of the state folder can't be used: %w", err)
	}
	return deriveKey(secret, keyPurpose)
}

// The trailer is the end of a file of changes, in this very form: a digest of all that stands
// before it, so that damage is told from forgery; which key it was; and what only that key gives
// for all that stands before. What is compared are the bytes of the file, so nothing hangs on how
// they are read.
const (
	trailerDigest = ",\n  \"digest\": \"sha256:%x\""
	trailerKey    = ",\n  \"key\": \"%s\""
	trailerMAC    = ",\n  \"mac\": \"hmac-sha256:%x\"\n}\n"
)

var trailerForm = regexp.MustCompile(`^,\n  "digest": "sha256:([0-9a-f]{64})",\n  "key": "([0-9a-f]{16})",\n  "mac": "hmac-sha256:([0-9a-f]{64})"\n\}\n$`)

// withTrailer closes a text that is a JSON object, indented.
func withTrailer(text []byte, k Key) []byte {
	out := bytes.TrimSuffix(text, []byte("\n}"))
	digest := sha256.Sum256(out)
	out = fmt.Appendf(out, trailerDigest, digest)
	out = fmt.Appendf(out, trailerKey, k.id)
	return fmt.Appendf(out, trailerMAC, k.sum(out))
}

// trailer is what stands at the end of a file.
type trailer struct {
	Digest string `json:"digest"`
	Key    string `json:"key"`
	MAC    string `json:"mac"`

	body, signed []byte
}

// readTrailer finds the trailer of a file; false where there is none.
func readTrailer(file []byte) (trailer, bool) {
	length := len(fmt.Sprintf(trailerDigest+trailerKey+trailerMAC, [sha256.Size]byte{}, "0123456789abcdef", [sha256.Size]byte{}))
	if len(file) < length {
		return trailer{}, false
	}
	body, end := file[:len(file)-length], file[len(file)-length:]
	words := trailerForm.FindSubmatch(end)
	if words == nil {
		return trailer{}, false
	}
	mac := len(fmt.Sprintf(trailerMAC, [sha256.Size]byte{}))
	return trailer{Digest: string(words[1]), Key: string(words[2]), MAC: string(words[3]), body: body, signed: file[:len(file)-mac]}, true
}

// undamaged reports whether the file is as some program has written it; anybody can see to that.
func (t trailer) undamaged() bool {
	digest := sha256.Sum256(t.body)
	return t.Digest == hex.EncodeToString(digest[:])
}

// by reports whether the file was made with a key.
func (t trailer) by(k Key) bool {
	mac, err := hex.DecodeString(t.MAC)
	return err == nil && k.secret != nil && hmac.Equal(mac, k.sum(t.signed))
}
