// Package notify tells people and programs that a run has ended, or that a list has changed.
//
// A [Message] holds names, counts and outcomes; it has no field for a knock, a password or the
// address of a router. A [Target] says where it goes and in which [Form]; [Post] sends it to a URL,
// and a [Queue] sends what happens meanwhile without ever holding up the one that reports it.
// Nothing in this package prints a URL, for a webhook's URL is a secret.
//
//	to, err := notify.Parse("slack+env:SLACK_URL")
//	err = notify.Post(ctx, client, url, to.Form, notify.Message{Command: "apply", Routers: 3})
package notify

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
)

// Form is how a message is written.
type Form string

// The forms. JSON is this program's own, for webhooks and programs; Mattermost and Rocket.Chat take
// Slack's.
const (
	JSON  Form = "json"
	Slack Form = "slack"
	Teams Form = "teams"
	Ntfy  Form = "ntfy"
)

// Forms are all forms.
func Forms() []Form { return []Form{JSON, Slack, Teams, Ntfy} }

// Target is where messages go: a URL that is kept somewhere, a URL as it was written, or a command
// line that reads them. One of the three is set.
type Target struct {
	Form  Form
	Place plans.Credential // where the URL is kept
	URL   string
	Run   string // a command line; it reads JSON
}

// Parse reads [FORM+]PLACE, where PLACE is env:NAME, file:PATH, command:LINE or keyring:NAME for
// where the URL is kept, the URL itself, or run:LINE for a command that is told; a command that begins
// with its path needs no run:. Its errors do not
// repeat the text, which may hold a secret.
func Parse(text string) (Target, error) {
	t := Target{Form: JSON}
	if form, rest, ok := strings.Cut(text, "+"); ok && !strings.ContainsAny(form, ":/.") {
		if t.Form, text = Form(form), rest; !slices.Contains(Forms(), t.Form) {
			return Target{}, fmt.Errorf("there is no form of this name: choose one of %s", joined(Forms()))
		}
	}
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") {
		text = "run:" + text
	}
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "http", "https":
		t.URL = text
		_, err := ParseURL(text)
		return t, err
	case "run":
		if t.Run = strings.TrimSpace(rest); t.Run == "" {
			return Target{}, errors.New("run: is followed by no command")
		}
		if t.Form != JSON {
			return Target{}, fmt.Errorf("a command reads %s: leave the form out", JSON)
		}
		return t, nil
	}
	place, err := plans.ParseCredential(text)
	if err != nil || place.Kind == plans.Ask {
		return Target{}, errors.New("say where its URL is kept, with env:NAME, file:PATH, command:LINE or keyring:NAME, or run:LINE for a command that is told; " +
			"slack+, teams+ or ntfy+ before it chooses the form")
	}
	t.Place = place
	return t, nil
}

// joined lists forms for a message.
func joined(forms []Form) string {
	var words []string
	for _, f := range forms {
		words = append(words, string(f))
	}
	return strings.Join(words, ", ")
}

// ParseURL reads the URL of a receiver: over TLS, or on this machine. Its errors do not repeat it.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("it is no URL such as https://HOST/PATH")
	case u.Scheme == "http" && !here(u.Hostname()):
		return nil, errors.New("its URL begins with http, so everybody on the way can read it: use https")
	}
	return u, nil
}

// here reports whether a host is this machine.
func here(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
