package form

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rosknock/rosknock/routeros"
)

// Problem is one error in a file, with its place.
type Problem struct {
	File         string
	Line, Column int // from 1; columns count characters
	Message      string
	// Remedy says what to write instead; empty if the message is enough.
	Remedy string
	// Excerpt is the line of the file with a caret below the place. Text that may belong to a knock
	// sequence is masked in it.
	Excerpt string
}

// String returns the problem on one line: file:3:5: unknown key "stage-timout": did you mean
// "stage-timeout"?
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Remedy != "" {
		s += ": " + p.Remedy
	}
	return s
}

// Problems are all mistakes of a file, in order of place.
type Problems []Problem

// Error implements error: every problem with its excerpt.
func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
		if p.Excerpt != "" {
			b.WriteByte('\n')
			b.WriteString(p.Excerpt)
		}
	}
	return b.String()
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// excerptWidth is how many characters of a line an excerpt shows at most.
const excerptWidth = 100

// sequenceText matches text that looks like a stage of a knock anywhere, even in a file that is not
// YAML.
var sequenceText = regexp.MustCompile(`(?i)(tcp|udp|icmp)["']?\s*[/:,]?\s*["']?[0-9]+|(port|size)["']?\s*:\s*["']?[0-9]+`)

// excerpt prints a line with a caret below the column. With secret, every digit is masked.
func excerpt(line string, number, column int, secret bool) string {
	line = sequenceText.ReplaceAllStringFunc(strings.ToValidUTF8(line, "?"), maskDigits)
	if secret {
		line = maskDigits(line)
	}
	text := []rune(strings.Map(printable, maskPassword(line)))
	start := max(0, min(column-1-excerptWidth/2, len(text)-excerptWidth))
	end := min(len(text), start+excerptWidth)
	head := fmt.Sprintf("%5d | ", number)
	caret := strings.Repeat(" ", utf8.RuneCountInString(head)-2) + "| " +
		strings.Repeat(" ", max(0, column-1-start)) + "^"
	return strings.TrimRight(head+string(text[start:end]), " ") + "\n" + caret
}

// userPassword is a password between a user and a host, as in URLs: nothing here accepts one.
var userPassword = regexp.MustCompile(`([\w.*-]+):[^\s"',\[\]{}]+@`)

// maskPassword hides passwords of that form. The text keeps its length, so that a caret below it
// stays right.
func maskPassword(text string) string {
	return userPassword.ReplaceAllStringFunc(text, func(found string) string {
		user, rest, _ := strings.Cut(found, ":")
		return user + ":" + strings.Repeat("•", utf8.RuneCountInString(rest)-1) + "@"
	})
}

// printable replaces a tab by a blank, and an unprintable character by a sign, so that every
// character keeps its column.
func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case !routeros.IsVisible(r):
		return unicode.ReplacementChar
	}
	return r
}

var numberRun = regexp.MustCompile(`[0-9]{2,}`)

// maskNumbersOf masks in a text every number that also occurs in a file: messages quote keys and
// values, and those of a line with a knock can reach into the next line.
func maskNumbersOf(file, text string) string {
	if !numberRun.MatchString(text) {
		return text
	}
	known := numberRun.FindAllString(file, -1)
	return numberRun.ReplaceAllStringFunc(text, func(number string) string {
		if slices.Contains(known, number) {
			return maskDigits(number)
		}
		return number
	})
}

func maskDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '•'
		}
		return r
	}, s)
}

// Nearest returns the candidate closest to a word, if one is close enough to be what was meant.
func Nearest(word string, candidates []string) (string, bool) {
	const longest = 40
	best, found := "", false
	least := max(1, min(len(word), longest)/3) + 1
	if len(word) > longest {
		return "", false
	}
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), c); d < least {
			best, least, found = c, d, true
		}
	}
	return best, found
}

// distance is the number of letters to insert, remove, replace or swap with a neighbour.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(last[j]+change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
