package sequence_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/sequence"
)

// TestWeakSecrets: what is long and holds little is refused, and the error tells nothing of it;
// what people draw is not.
func TestWeakSecrets(t *testing.T) {
	for _, secret := range []string{
		strings.Repeat("a", 16), strings.Repeat("a", 4000), strings.Repeat("\x00", 64), strings.Repeat("ab", 20), "aaaaaaaabbbbbbbb", "abcdefghijklmnop",
		"0123456789abcdef", "fedcba9876543210", "passwordpassword", "PasswordPassword1", "password12345678", "qwertyuiopasdfghjkl", "1234567890123456",
		"changemechangeme", "mikrotikmikrotik", "correcthorsebatterystaple", "admin-admin-admin-admin", "xyzxyzxyzxyzxyzxyzxyz", "11111111111111111112",
	} {
		if err := sequence.CheckSecret([]byte(secret)); !sequence.IsWeak(err) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	for _, secret := range []string{
		"alice-secret-0123456789abcdef", "3f9a1c77e0b2d458", "Tr0ub4dor&3-zebra", "maple lantern 7 orbit quince", "kWq2-Zp9x-Lm4v-Tt7",
	} {
		if err := sequence.CheckSecret([]byte(secret)); err != nil {
			t.Errorf("%q: %v", secret, err)
		}
	}
	if err := sequence.CheckSecret([]byte("short")); err == nil || sequence.IsWeak(err) {
		t.Error(err)
	}
}

// TestRandomSecrets: what a generator draws is never called weak, in any of the usual ways of
// writing it.
func TestRandomSecrets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := make([]byte, 16)
		stream := rapid.Uint64().Draw(t, "seed")
		for i := range raw { // splitmix64: rapid's own bytes tend to be few and small
			stream += 0x9e3779b97f4a7c15
			z := (stream ^ stream>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			raw[i] = byte(z ^ z>>31)
		}
		for _, text := range []string{string(raw), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), base64.StdEncoding.EncodeToString(raw)} {
			if err := sequence.CheckSecret([]byte(text)); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}
