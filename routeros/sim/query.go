package sim

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// matches evaluates query words, without their question marks, on a row. The words work on a stack
// over an endless supply of true; the row matches when no false is left (routeros-facts § 1.5).
func matches(queries []string, row routeros.Attributes) bool {
	var s stack
	for _, q := range queries {
		if operations, ok := strings.CutPrefix(q, "#"); ok {
			s.operate(operations)
			continue
		}
		s = append(s, test(q, row))
	}
	for _, b := range s {
		if !b {
			return false
		}
	}
	return true
}

func test(q string, row routeros.Attributes) bool {
	if name, ok := strings.CutPrefix(q, "-"); ok {
		return !row.Has(strings.TrimSuffix(name, "=")) // some clients write every word with a value
	}
	operator := byte('=')
	if q != "" && strings.IndexByte("=<>", q[0]) >= 0 {
		operator, q = q[0], q[1:]
	}
	name, want, compares := strings.Cut(q, "=")
	have, ok := row.Lookup(name)
	if !compares || !ok {
		return ok && !compares
	}
	switch operator {
	case '<':
		return order(have, want) < 0
	case '>':
		return order(have, want) > 0
	}
	return have == want || have == "true" && want == "yes" || have == "false" && want == "no"
}

// order compares as numbers, addresses or times where both are such, else as bytes.
func order(a, b string) int {
	if x, err := strconv.ParseFloat(a, 64); err == nil {
		if y, err := strconv.ParseFloat(b, 64); err == nil {
			return cmp.Compare(x, y)
		}
	}
	if x, err := netip.ParseAddr(a); err == nil {
		if y, err := netip.ParseAddr(b); err == nil {
			return x.Compare(y)
		}
	}
	if x, err := routeros.ParseDuration(a); err == nil {
		if y, err := routeros.ParseDuration(b); err == nil {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(a, b)
}

type stack []bool

// operate executes one word of operators: an index copies that value, at the end of the word it
// replaces everything; ! & | work on the top; a dot copies the top, and ends an index.
func (s *stack) operate(word string) {
	for i := 0; i < len(word); {
		if word[i] >= '0' && word[i] <= '9' {
			i = s.pick(word, i)
			continue
		}
		switch word[i] {
		case '!':
			*s = append(*s, !s.pop())
		case '&':
			a, b := s.pop(), s.pop()
			*s = append(*s, a && b)
		case '|':
			a, b := s.pop(), s.pop()
			*s = append(*s, a || b)
		case '.':
			*s = append(*s, s.at(0))
		}
		i++
	}
}

func (s *stack) pop() bool {
	if len(*s) == 0 {
		return true
	}
	top := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return top
}

func (s stack) at(i int) bool { return i >= len(s) || s[len(s)-1-i] }

// pick reads the index at a position of the word and returns where the word goes on.
func (s *stack) pick(word string, i int) int {
	end := i
	for end < len(word) && word[end] >= '0' && word[end] <= '9' {
		end++
	}
	index, err := strconv.Atoi(word[i:end])
	value := err != nil || s.at(index)
	if end == len(word) {
		*s = stack{value}
		return end
	}
	*s = append(*s, value)
	if word[end] == '.' {
		end++
	}
	return end
}
