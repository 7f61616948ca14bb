package state

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Fingerprint tells whether a text is the same as another time, and nothing else. A plain digest of
// a plan would give its knock away to anybody who can try all ports. The key is made at the first
// use and stays in the state folder.
func (d Dir) Fingerprint(text []byte) (string, error) {
	key, err := d.key()
	if err != nil {
		return "", fmt.Errorf("the key of the state folder can't be used: %w", err)
	}
	sum := hmac.New(sha256.New, key)
	sum.Write(text)
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

func (d Dir) key() ([]byte, error) {
	name := filepath.Join(d.path, "key")
	lock := flock.New(name + ".lock")
	if err := lock.Lock(); err != nil {
		return nil, err
	}
	defer func() { _ = lock.Unlock() }()
	key, err := readKey(name)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, keyLength)
		rand.Read(key)
		return key, writeWhole(name, key)
	}
	return key, err
}

// keyLength is that of the state folder's key, in bytes.
const keyLength = 32

func readKey(name string) ([]byte, error) {
	key, err := os.ReadFile(name)
	if err == nil && len(key) != keyLength {
		return nil, fmt.Errorf("%s is no key: take it away, and a new one is made", name)
	}
	return key, err
}
