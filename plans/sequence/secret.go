package sequence

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"unicode"
)

// leastBits is the least number of bits in a secret, as CheckSecret counts them. Sixteen random
// hexadecimal digits hold 64.
const leastBits = 50

// WeakSecretError says that a secret is long enough but could still be guessed, since it repeats
// itself or is in every list of passwords.
type WeakSecretError struct{}

// Error implements error. It tells nothing of the secret.
func (*WeakSecretError) Error() string {
	return "the secret of a rotating knock is easily guessed: it repeats, counts, or is made of common passwords; use a random one, such as the output of openssl rand -hex 32"
}

// CheckSecret refuses a secret that is too short, or too simple for its length: one character or
// word again and again, the alphabet, a row of the keyboard. It can't know what is random: a secret
// that passes may still be easy to guess for an attacker who knows the person.
func CheckSecret(secret []byte) error {
	switch {
	case len(secret) < LeastSecret:
		return &ShortSecretError{}
	case bits(secret) < leastBits:
		return &WeakSecretError{}
	}
	return nil
}

// IsWeak reports whether an error says that a secret is too simple.
func IsWeak(err error) bool {
	_, weak := errors.AsType[*WeakSecretError](err)
	return weak
}

// usual are common passwords and words: they count as seen before.
const usual = "qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm 1234567890 !@#$%^&*() password passwort passw0rd p@ssw0rd secret geheim admin administrator " +
	"changeme letmein welcome default mikrotik routeros rosknock knocking router winbox test example user login correct horse battery staple"

// pieceBits is the number of bits for a repeated piece, or for a row.
const pieceBits = 8

// bits estimates the entropy of a secret: each character counts as drawn from its kinds of
// characters. But a piece of three or more that occurred before, in the secret or among usual
// words, and a row such as 4567 or dcba, count little more than one character.
func bits(secret []byte) float64 {
	const enough = 512 // bytes are checked: more can't make it weaker
	secret = secret[:min(len(secret), enough)]
	text := bytes.ToLower(secret)
	each := math.Log2(alphabet(secret))
	total := 0.0
	for at := 0; at < len(text); {
		n := max(again(text, at), row(text, at))
		if n < 3 {
			total += each
			at++
			continue
		}
		total += min(pieceBits, float64(n)*each)
		at += n
	}
	return total
}

// again is how many characters from a place on came before, the longest such piece. It may reach
// into itself.
func again(text []byte, at int) int {
	longest := 0
	for from := range at {
		n := 0
		for at+n < len(text) && text[from+n] == text[at+n] {
			n++
		}
		longest = max(longest, n)
	}
	for n := longest + 1; at+n <= len(text) && strings.Contains(usual, string(text[at:at+n])); n++ {
		longest = n
	}
	return longest
}

// row is how many characters from a place on are one step apart, up, down or not at all.
func row(text []byte, at int) int {
	if at+1 >= len(text) {
		return 1
	}
	step := int(text[at+1]) - int(text[at])
	if step < -1 || step > 1 {
		return 1
	}
	n := 2
	for at+n < len(text) && int(text[at+n])-int(text[at+n-1]) == step {
		n++
	}
	return n
}

// alphabet is how many characters there are of the kinds that a text has.
func alphabet(text []byte) float64 {
	const hexDigits = "0123456789abcdef"
	if len(bytes.Trim(text, hexDigits)) == 0 || len(bytes.Trim(text, strings.ToUpper(hexDigits))) == 0 {
		if len(bytes.Trim(text, "0123456789")) == 0 {
			return 10
		}
		return 16
	}
	var lower, upper, digit, sign, other float64
	for _, c := range text {
		switch r := rune(c); {
		case c >= 0x80 || c < ' ':
			other = 160
		case unicode.IsLower(r):
			lower = 26
		case unicode.IsUpper(r):
			upper = 26
		case unicode.IsDigit(r):
			digit = 10
		default:
			sign = 33
		}
	}
	return max(2, lower+upper+digit+sign+other)
}
