package api

import (
	"fmt"
	"strings"
	"sync"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/wire"
)

// defaultMemory bounds the memory of all commands under way: rows that have arrived and are not yet
// handed over. Beyond it the session ends with a *[wire.LimitError]. The memory of a row, measured
// by TestCost on a 64-bit machine, and the need of a large router:
//
//	                      in memory   counted    for                all of it counted
//	filter rule            1.2 kB      1.6 kB    100,000 rules      151 MiB
//	address-list entry     0.5 kB      0.7 kB    500,000 entries    339 MiB
//
// Both at once still fit. The heap may double for a while before the garbage of the reading is
// collected.
const defaultMemory = 512 << 20

// A stored sentence costs more than its bytes. A word becomes a string of its own, which the
// allocator rounds up by at most a quarter or 16 bytes, and two string headers in an attribute; a
// row has a place in a growing slice. The kind of reply and the tag count as words, although they
// are not stored. TestCost compares these numbers with the heap.
const (
	wordCost = 48
	rowCost  = 32
)

// costOf is what a sentence takes in memory for as long as its row is kept.
func costOf(sentence wire.Sentence) int64 {
	bytes := 0
	for _, word := range sentence {
		bytes += len(word)
	}
	return int64(bytes+bytes/4) + int64(len(sentence))*wordCost + rowCost
}

// Bounds of a router's text within a message for people.
const (
	mostText  = 256 // characters of one message
	mostTraps = 8   // messages of one command
	mostTold  = 512 // bytes of messages, after which no further one is added
)

// traps are the traps of a command: there may be several before one !done (routeros-facts § 1.2),
// or any number. The first few are kept and the others counted.
type traps struct {
	first TrapError // the message holds those that are reported
	told  int
	all   int
}

func (t *traps) add(sentence wire.Sentence) {
	t.all++
	if t.told == mostTraps || len(t.first.Message) > mostTold {
		return
	}
	row := parse(sentence)
	text := message(sentence, row)
	if t.told++; t.told == 1 {
		t.first = TrapError{Message: text, Category: brief(row.Get("category"), 16)}
		return
	}
	t.first.Message += "; " + text
}

// brief is a router's text as an error may quote it: on one line, visible, and with a limited
// number of characters.
func brief(text string, most int) string {
	return routeros.Visible(strings.TrimRight(text, "\r\n"), most)
}

// of returns the traps as the error of a command, or nil when there is none.
func (t *traps) of(command routeros.Command) error {
	if t.all == 0 {
		return nil
	}
	joined := t.first
	joined.Command = command.Redacted()
	if more := t.all - t.told; more > 0 {
		joined.Message += fmt.Sprintf("; and %d more", more)
	}
	return typedTrap(&joined)
}

func message(sentence wire.Sentence, row routeros.Attributes) string {
	text := row.Get("message")
	if text == "" {
		text = strings.Join(sentence[1:], " ")
	}
	return brief(text, mostText)
}

// feed is the unread rows of a listen. The session's reader never waits for the consumer.
type feed struct {
	mu    sync.Mutex
	rows  []unread
	fresh chan struct{} // holds one token while there are rows
}

// unread is a row with its share of the session's memory.
type unread struct {
	row  routeros.Attributes
	cost int64
}

// mostFeed bounds by how many rows a listener may fall behind; the session's memory bounds their
// size.
const mostFeed = 1 << 17

func (f *feed) put(u unread) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rows) == mostFeed {
		return &wire.LimitError{What: fmt.Sprintf("more than %d changes were left unread", mostFeed)}
	}
	f.rows = append(f.rows, u)
	select {
	case f.fresh <- struct{}{}:
	default:
	}
	return nil
}

func (f *feed) take() []unread {
	f.mu.Lock()
	defer f.mu.Unlock()
	rows := f.rows
	f.rows = nil
	return rows
}
