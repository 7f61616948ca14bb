package fleet

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is a number of routers, or a part of all.
type Share struct {
	Count   int
	Percent int // when it is more than zero
}

// ParseShare reads 5 or 10%. The least is 0 or 1.
func ParseShare(text string, least int) (Share, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || digits != strconv.Itoa(n) || n < least:
		return Share{}, fmt.Errorf("%q is not a number of routers: write 5 or 10%%", text)
	case percent && (n > 100 || n < 1):
		return Share{}, fmt.Errorf("%q: a part is 1%% to 100%%", text)
	case percent:
		return Share{Percent: n}, nil
	}
	return Share{Count: n}, nil
}

// String returns the share as it is written.
func (s Share) String() string {
	if s.Percent > 0 {
		return strconv.Itoa(s.Percent) + "%"
	}
	return strconv.Itoa(s.Count)
}

// of is the share of n routers, rounded down.
func (s Share) of(n int) int {
	if s.Percent > 0 {
		return n * s.Percent / 100
	}
	return s.Count
}

// Waves are the sizes of the waves. The last one repeats until no router is left.
type Waves []Share

// ParseWaves reads 1,10%,100%: one router, then a tenth of all, then the rest.
func ParseWaves(text string) (Waves, error) {
	var out Waves
	for part := range strings.SplitSeq(text, ",") {
		s, err := ParseShare(part, 1)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Sizes divides n routers. Each wave has one router at least, and together they have all.
func (w Waves) Sizes(n int) []int {
	if len(w) == 0 {
		w = Waves{{Percent: 100}}
	}
	var out []int
	for i := 0; n > 0; i++ {
		total := n
		for _, size := range out {
			total += size
		}
		size := min(max(w[min(i, len(w)-1)].of(total), 1), n)
		out = append(out, size)
		n -= size
	}
	return out
}

// Limit is how many failures are allowed. The zero value allows any number.
type Limit struct {
	Share
	set bool
}

// ParseLimit reads 3 or 5%; 0 allows none, and the empty text any number.
func ParseLimit(text string) (Limit, error) {
	if text == "" {
		return Limit{}, nil
	}
	s, err := ParseShare(text, 0)
	return Limit{s, true}, err
}

// Exceeded reports whether so many failures of n routers are too many.
func (l Limit) Exceeded(failed, n int) bool { return l.set && failed > l.of(n) }
