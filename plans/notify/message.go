package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Message is what is told: that a run has ended, or what happened meanwhile.
type Message struct {
	Command string // its words, such as "trusted watch"
	Run     string // its name in the journal, where it has one
	DryRun  bool   // it only looked
	Plans   []string
	Routers int
	// Outcomes counts routers by what became of them.
	Outcomes map[string]int
	// Failed names routers that failed, the first few; MoreFailed is how many more there are.
	Failed     []string
	MoreFailed int
	// Ended is set when the run has ended.
	Ended *End
	Begun time.Time
	// Events happened meanwhile, and Dropped more, which were not told for want of time.
	Events  []Event
	Dropped int
}

// End is how a run ended.
type End struct {
	Code    int    // the exit code
	Meaning string // of the code, in words
	At      time.Time
}

// Event is something that happened, as one line for people and as a JSON object.
type Event struct {
	Text string
	JSON json.RawMessage
}

// bad reports whether somebody should look.
func (m Message) bad() bool { return m.Ended != nil && m.Ended.Code != 0 }

// Title is the message in a few words, in ASCII.
func (m Message) Title() string {
	title := "rosknock " + m.Command
	switch {
	case m.Ended == nil:
		return title
	case m.bad():
		return fmt.Sprintf("%s: exit code %d", title, m.Ended.Code)
	}
	return title + ": done"
}

// mostText is the longest text in bytes: what ntfy takes for a message and not for a file is 4096.
const mostText = 3000

// Text is the message for people, a few lines.
func (m Message) Text() string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if m.Routers > 0 {
		var counts []string
		for _, outcome := range slices.Sorted(maps.Keys(m.Outcomes)) {
			counts = append(counts, fmt.Sprintf("%d %s", m.Outcomes[outcome], outcome))
		}
		of := "routers"
		if m.Routers == 1 {
			of = "router"
		}
		say("%d %s: %s", m.Routers, of, strings.Join(counts, ", "))
	}
	if len(m.Failed) > 0 {
		failed := strings.Join(m.Failed, ", ")
		if m.MoreFailed > 0 {
			failed += fmt.Sprintf(" and %d more", m.MoreFailed)
		}
		say("look at: %s", failed)
	}
	if len(m.Plans) > 0 {
		say("plan: %s", strings.Join(m.Plans, ", "))
	}
	if m.Run != "" {
		say("run: %s", m.Run)
	}
	if m.DryRun {
		say("dry run: nothing was sent")
	}
	for _, e := range m.Events {
		say("%s", e.Text)
	}
	if m.Dropped > 0 {
		say("and %d more, which were not told in time", m.Dropped)
	}
	if m.Ended != nil {
		say("exit code %d: %s; took %s", m.Ended.Code, m.Ended.Meaning, m.Ended.At.Sub(m.Begun).Round(time.Second))
	}
	return cut(strings.Join(lines, "\n"), mostText)
}

// cut shortens a text to so many bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}

// jsonMessage is a message in this program's own form.
type jsonMessage struct {
	Format     string            `json:"format"`
	Command    string            `json:"command"`
	Text       string            `json:"text"`
	Run        string            `json:"run,omitempty"`
	DryRun     bool              `json:"dryRun,omitempty"`
	Plans      []string          `json:"plans,omitempty"`
	Routers    int               `json:"routers"`
	Outcomes   map[string]int    `json:"outcomes,omitempty"`
	Failed     []string          `json:"failed,omitempty"`
	MoreFailed int               `json:"moreFailed,omitempty"`
	Events     []json.RawMessage `json:"events,omitempty"`
	Dropped    int               `json:"dropped,omitempty"`
	Exit       *int              `json:"exit,omitempty"`
	Meaning    string            `json:"meaning,omitempty"`
	Begun      time.Time         `json:"begun"`
	Ended      *time.Time        `json:"ended,omitempty"`
}

// encode writes a message in a form: the body, and what its headers say.
func encode(form Form, m Message) (body []byte, header map[string]string, err error) {
	header = map[string]string{"Content-Type": "application/json"}
	var document any
	switch form {
	case Ntfy:
		header = map[string]string{"Content-Type": "text/plain; charset=utf-8", "Title": m.Title(), "Priority": "default", "Tags": "white_check_mark"}
		switch {
		case m.bad():
			header["Priority"], header["Tags"] = "high", "warning"
		case m.Ended == nil:
			header["Tags"] = "door"
		}
		return []byte(m.Text()), header, nil
	case Slack:
		document = map[string]string{"text": slackText("*"+m.Title()+"*", m.Text())}
	case Teams:
		document = teamsCard(m)
	default:
		document = ownForm(m)
	}
	body, err = json.Marshal(document)
	return body, header, err
}

func ownForm(m Message) jsonMessage {
	out := jsonMessage{Format: "rosknock.notify/1", Command: m.Command, Text: m.Text(), Run: m.Run, DryRun: m.DryRun, Plans: m.Plans, Routers: m.Routers,
		Outcomes: m.Outcomes, Failed: m.Failed, MoreFailed: m.MoreFailed, Dropped: m.Dropped, Begun: m.Begun.UTC()}
	for _, e := range m.Events {
		out.Events = append(out.Events, e.JSON)
	}
	if m.Ended != nil {
		at := m.Ended.At.UTC()
		out.Exit, out.Meaning, out.Ended = &m.Ended.Code, m.Ended.Meaning, &at
	}
	return out
}

// slackText is a text whose characters mean nothing to Slack: a <!channel> in a name would call
// everybody. Slack asks for these three to be escaped, and for no others.
func slackText(title, text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(title + "\n" + text)
}

// teamsCard is a message as the Workflows of Teams take it: one Adaptive Card. Its texts are runs,
// in which nothing is Markdown.
func teamsCard(m Message) any {
	type object = map[string]any
	line := func(text string, bold bool) object {
		run := object{"type": "TextRun", "text": text}
		if bold {
			run["weight"] = "Bolder"
		}
		return object{"type": "RichTextBlock", "inlines": []any{run}}
	}
	body := []any{line(m.Title(), true)}
	for text := range strings.SplitSeq(m.Text(), "\n") {
		if text != "" {
			body = append(body, line(text, false))
		}
	}
	card := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.2", "body": body}
	return object{"type": "message", "attachments": []any{
		object{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card},
	}}
}

// Own is the message in this program's own form, on one line.
func Own(m Message) ([]byte, error) {
	body, _, err := encode(JSON, m)
	return append(body, '\n'), err
}
