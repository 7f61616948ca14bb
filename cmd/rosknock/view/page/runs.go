package page

import (
	"fmt"
	"strconv"
	"strings"
)

// Runs names routers in a line: r0001–r0997, r0999. Names that only count on are a run. It writes
// most runs at most; 0 for all.
func Runs(of []string, most int) string {
	var words []string
	left := 0
	for first := 0; first < len(of); {
		next := first + 1
		for next < len(of) && follows(of[next-1], of[next]) {
			next++
		}
		if next-first == 2 {
			next--
		}
		switch {
		case most > 0 && len(words) == most:
			left += next - first
		case next-first > 1:
			words = append(words, of[first]+"–"+of[next-1])
		default:
			words = append(words, of[first])
		}
		first = next
	}
	text := strings.Join(words, ", ")
	if left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text
}

// follows reports whether the second name is the first with the next number in its end.
func follows(a, b string) bool {
	head, number := numbered(a)
	other, after := numbered(b)
	if head != other || number == "" || len(number) > 18 {
		return false
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return false
	}
	return fmt.Sprintf("%0*d", len(number), n+1) == after
}

// numbered cuts a name before the digits at its end.
func numbered(name string) (head, number string) {
	head = strings.TrimRight(name, "0123456789")
	return head, name[len(head):]
}
