package rsc

import "strings"

// lineWidth is the longest line that an export has, the closing backslash included, and indent is
// what begins a continued line. Only values that can't be broken make a line longer.
const (
	lineWidth = 79
	indent    = "    "
)

// wrap breaks a statement into lines as /export does: between words, behind the = of an attribute,
// and inside quotes where a value is longer than a line.
func wrap(statement string) string {
	w := wrapper{}
	words := fields(statement)
	for i, word := range words {
		w.word(word, i == len(words)-1)
	}
	return w.text.String()
}

type wrapper struct {
	text   strings.Builder
	column int
}

// word writes a word behind a blank. Unless it is the last one, room for " \" stays behind it.
func (w *wrapper) word(word string, last bool) {
	if w.column == 0 {
		w.write(word)
		return
	}
	room := lineWidth - 2
	if last {
		room = lineWidth
	}
	w.write(" ")
	if w.column+len(word) <= room {
		w.write(word)
		return
	}
	name, value, hasValue := cutWord(word)
	if !hasValue || w.column+len(name)+2 > lineWidth {
		w.newLine()
	}
	if !hasValue {
		w.write(word)
		return
	}
	if w.column+len(word) <= room {
		w.write(word)
		return
	}
	w.write(name + "=")
	w.value(value, room)
}

func (w *wrapper) write(s string) {
	w.text.WriteString(s)
	w.column += len(s)
}

func (w *wrapper) newLine() {
	w.text.WriteString("\\\n" + indent)
	w.column = len(indent)
}

// value writes what stands behind a = and is too long for the line: on a line of its own if it
// fits there, else broken here.
func (w *wrapper) value(value string, room int) {
	if len(indent)+len(value) <= room || !strings.HasPrefix(value, `"`) {
		w.newLine()
		w.write(value)
		return
	}
	for value != "" {
		unit := escapeUnit(value)
		value = value[len(unit):]
		if w.column+len(unit) > lineWidth-2 {
			w.newLine()
			// The reader drops a line's indentation, so a blank can't stand first.
			if unit == " " {
				unit = `\_`
			}
		}
		w.write(unit)
	}
}

// escapeUnit returns the bytes at the front of a quoted value that must not be split.
func escapeUnit(s string) string {
	switch {
	case s[0] != '\\' || len(s) == 1:
		return s[:1]
	case len(s) > 2 && isHex(s[1]) && isHex(s[2]):
		return s[:3]
	default:
		return s[:2]
	}
}
