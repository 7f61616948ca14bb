package foreign

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ranged is the first range of a host pattern: web[01:50], leaf[a:f], core[0:10:2].
var ranged = regexp.MustCompile(`^([^\[\]]*)\[([0-9]*|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]+))?\]`)

// portSuffix is the port behind a host pattern, which is one of SSH.
var portSuffix = regexp.MustCompile(`^(.*[^:]):([0-9]+)$`)

var (
	errRange   = errors.New("its range is not begin:end or begin:end:step with begin before end and both of one length")
	errLarge   = errors.New("its ranges stand for more than 100,000 hosts")
	errRanges  = errors.New("the ranges of this file stand for more than 1,000,000 hosts")
	errWork    = errors.New("too many variables for the hosts of its range: put them into the variables of a group")
	errPattern = errors.New("it is not a host name")
)

// expand returns the hosts of a pattern, and whether a port followed it.
func (inv *inventory) expand(pattern string) (hosts []string, port bool, err error) {
	pattern, port = cutPort(pattern)
	total, err := countRange(pattern, 1)
	if err != nil {
		return nil, port, err
	}
	if inv.expanded += total; total > 1 && inv.expanded > maxExpanded {
		return nil, port, errRanges
	}
	if pattern == "" || len(pattern) > 1024 || strings.ContainsAny(pattern, "=\"'{}\\ \t") {
		return nil, port, errPattern
	}
	return expandRange("", pattern, nil), port, nil
}

// maxWork is how many variables the hosts of all ranges may get: each host has its own.
const maxWork = 5_000_000

// afford reports whether the hosts of a pattern may get that many variables each.
func (inv *inventory) afford(hosts, vars int) bool {
	if hosts > 1 {
		inv.work += hosts * vars
	}
	return inv.work <= maxWork
}

// cutPort cuts host:port, [address]:port and the brackets of [address].
func cutPort(pattern string) (string, bool) {
	if isIP(pattern) {
		return pattern, false
	}
	port := false
	if m := portSuffix.FindStringSubmatch(pattern); m != nil {
		pattern, port = m[1], true
	}
	if inner := strings.TrimSuffix(strings.TrimPrefix(pattern, "["), "]"); len(inner) == len(pattern)-2 && isIP(inner) {
		return inner, port
	}
	return pattern, port
}

// bounds is a range that has been read.
type bounds struct {
	head, tail        string
	first, last, step int
	width             int  // digits with leading zeros, or 0
	letters           bool // positions in the alphabet, lower case first
}

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// size is how many hosts a range stands for.
func (b bounds) size() int { return (b.last-b.first)/b.step + 1 }

func (b bounds) at(i int) string {
	n := b.first + i*b.step
	if b.letters {
		return alphabet[n : n+1]
	}
	return fmt.Sprintf("%0*d", b.width, n)
}

// countRange multiplies the sizes of all ranges of a pattern.
func countRange(pattern string, before int) (int, error) {
	b, ok, err := firstRange(pattern)
	if err != nil || !ok {
		return before, err
	}
	if b.size() > maxRange || before*b.size() > maxRange {
		return 0, errLarge
	}
	return countRange(b.tail, before*b.size())
}

// firstRange reads the first range of a pattern. ok is false when there is none.
func firstRange(pattern string) (b bounds, ok bool, err error) {
	m := ranged.FindStringSubmatch(pattern)
	if m == nil {
		if strings.ContainsAny(pattern, "[]") {
			return b, false, errRange
		}
		return b, false, nil
	}
	b = bounds{head: m[1], tail: pattern[len(m[0]):], step: 1}
	if m[4] != "" {
		if b.step, err = strconv.Atoi(m[4]); err != nil || b.step == 0 {
			return b, false, errRange
		}
	}
	first, last := m[2], m[3]
	if first == "" {
		first = "0"
	}
	if b.letters = isLetter(first); b.letters != isLetter(last) {
		return b, false, errRange
	}
	if b.letters {
		b.first, b.last = letterIndex(first[0]), letterIndex(last[0])
	} else if b.first, b.last, err = numbers(first, last); err != nil {
		return b, false, err
	}
	if len(first) > 1 && first[0] == '0' {
		if b.width = len(first); b.width != len(last) {
			return b, false, errRange
		}
	}
	if b.first > b.last {
		return b, false, errRange
	}
	return b, true, nil
}

func letterIndex(b byte) int { return strings.IndexByte(alphabet, b) }

func numbers(first, last string) (int, int, error) {
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(last)
	if errA != nil || errB != nil {
		return 0, 0, errRange
	}
	return a, b, nil
}

func isLetter(s string) bool { return len(s) == 1 && letterIndex(s[0]) >= 0 }

// expandRange appends all names of a pattern. Its size has been checked.
func expandRange(done, pattern string, out []string) []string {
	b, ok, _ := firstRange(pattern)
	if !ok {
		return append(out, done+pattern)
	}
	for i := range b.size() {
		out = expandRange(done+b.head+b.at(i), b.tail, out)
	}
	return out
}
