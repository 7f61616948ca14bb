package view

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/rosknock/rosknock/routeros"
)

// visible is text that may reach a terminal as it stands: what anybody else wrote has gone through
// [routeros.Visible], and its colours and line ends are the program's own. The compiler keeps it
// apart from text that has not.
type visible string

// How much of what others wrote is shown, in characters: of a name, and a cell of a table, and of
// a sentence, which may hold many names.
const (
	mostName = 256
	mostText = 8 << 10
)

// clean makes a text visible; short does so with what ought to be short.
func clean(text string) visible { return visible(routeros.Visible(text, mostText)) }
func short(text string) visible { return visible(routeros.Visible(text, mostName)) }

// joined makes texts visible and puts something between them.
func joined(texts []string, between visible) visible {
	return clean(strings.Join(texts, string(between)))
}

// Say writes to a terminal, or to a file that will be shown on one, as [fmt.Fprintf] does: every
// argument that is text is made visible. What the format says is the program's own, line ends
// included. It is the only way by which this program writes text for people.
func Say(w io.Writer, format string, args ...any) {
	fmt.Fprint(w, string(visiblef(format, args...)))
}

// Ask is [Say] for a question: it breaks lines at words, and the answer goes behind it.
func Ask(w io.Writer, width int, format string, args ...any) {
	fmt.Fprint(w, strings.TrimRight(string(wrap(visiblef(format, args...), width, 0)), "\n")+" ")
}

// Heading is [Say] in bold, between empty lines.
func Heading(w io.Writer, s Style, format string, args ...any) {
	Say(w, "\n%s\n", s.bold(visiblef(format, args...)))
}

// visiblef is [fmt.Sprintf] for [Say].
func visiblef(format string, args ...any) visible {
	shown := make([]any, len(args))
	for i, arg := range args {
		shown[i] = argument(arg)
	}
	return visible(fmt.Sprintf(format, shown...))
}

// argument makes an argument visible where it is text, or prints as text. What is a number, with
// a name or without, is the program's own.
func argument(arg any) any {
	if text, ok := arg.(visible); ok {
		return string(text)
	}
	kind := reflect.ValueOf(arg).Kind()
	if kind >= reflect.Bool && kind <= reflect.Complex128 {
		return arg
	}
	switch text := arg.(type) {
	case error:
		return string(clean(reason(text)))
	case fmt.Stringer:
		return string(clean(text.String()))
	}
	if kind == reflect.String {
		return string(clean(reflect.ValueOf(arg).String()))
	}
	return arg
}

// reason is an error as a sentence: where several are joined, one stands behind the other. Line
// ends that are in it otherwise are somebody else's, and stay to be escaped.
func reason(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	switch outer := err.(type) { //nolint:errorlint // each layer is looked at in its turn
	case interface{ Unwrap() []error }:
		var texts, reasons []string
		for _, inner := range outer.Unwrap() {
			texts, reasons = append(texts, inner.Error()), append(reasons, reason(inner))
			text = strings.Replace(text, inner.Error(), reason(inner), 1)
		}
		if strings.Join(texts, "\n") == err.Error() {
			return strings.Join(reasons, "; ")
		}
	case interface{ Unwrap() error }:
		if inner := outer.Unwrap(); inner != nil && inner.Error() != "" {
			text = strings.Replace(text, inner.Error(), reason(inner), 1)
		}
	}
	return text
}

// wrap breaks a text into lines of at most width columns, each with an indentation.
func wrap(text visible, width, indent int) visible {
	var words []visible
	for word := range strings.FieldsSeq(string(text)) {
		words = append(words, visible(word))
	}
	return wrapWords(words, width, indent)
}

// columns is how wide a text is on a terminal, without its colours.
func columns(text visible) int {
	n := utf8.RuneCountInString(string(text))
	for rest := string(text); ; {
		_, colour, found := strings.Cut(rest, "\x1b[")
		if !found {
			return n
		}
		code, after, _ := strings.Cut(colour, "m")
		n -= len("\x1b[m") + len(code)
		rest = after
	}
}

// wrapWords is [wrap] for words that may have blanks in them.
func wrapWords(words []visible, width, indent int) visible {
	var b strings.Builder
	column := 0
	for _, word := range words {
		n := columns(word)
		if column > 0 && column+1+n > width {
			b.WriteByte('\n')
			column = 0
		}
		if column == 0 {
			b.WriteString(strings.Repeat(" ", indent))
			column = indent
		} else {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(string(word))
		column += n
	}
	return visible(b.String())
}
