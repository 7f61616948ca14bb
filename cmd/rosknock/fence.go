package main

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/rosknock/rosknock/routeros"
)

// fence stands before a terminal, behind everything that writes text. The writers have made
// visible what others say (view.Say, tables, pages). If one ever forgot to, no escape sequence,
// control character or mark of direction gets through all the same: only line ends, tabs and the
// program's own colours do.
type fence struct {
	to io.Writer

	mu   sync.Mutex
	half []byte // the beginning of a character whose rest has not come yet
}

// Write implements io.Writer.
func (f *fence) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := slices.Concat(f.half, p)
	text, f.half = wholeCharacters(text)
	if _, err := f.to.Write(fenced(text)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// wholeCharacters cuts off a character at the end that has only begun.
func wholeCharacters(text []byte) (whole, half []byte) {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if utf8.FullRune(text[i:]) {
				break
			}
			return text[:i], text[i:]
		}
	}
	return text, nil
}

// mostEscaped is how many characters a byte becomes at most, as \U0010ffff or less.
const mostEscaped = 10

// fenced returns a text with everything in it visible but line ends, tabs and colours.
func fenced(text []byte) []byte {
	var out []byte
	for len(text) > 0 {
		kept := ownColour(text)
		if text[0] == '\n' || text[0] == '\t' {
			kept = 1
		}
		if kept > 0 {
			out, text = append(out, text[:kept]...), text[kept:]
			continue
		}
		end := bytes.IndexAny(text[1:], "\n\t\x1b") + 1 // 0 where there is none
		if end == 0 {
			end = len(text)
		}
		out, text = append(out, routeros.Visible(string(text[:end]), mostEscaped*end)...), text[end:]
	}
	return out
}

// ownColour returns how long the colour is that a text begins with, as [view.Style] writes it:
// ESC [ one or two digits m; 0 where it begins otherwise.
func ownColour(text []byte) int {
	if !bytes.HasPrefix(text, []byte("\x1b[")) {
		return 0
	}
	digits := len(text) - 2 - len(bytes.TrimLeft(text[2:], "0123456789"))
	if end := 2 + digits; (digits == 1 || digits == 2) && end < len(text) && text[end] == 'm' {
		return end + 1
	}
	return 0
}
