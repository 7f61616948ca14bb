package plans_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
)

func TestParseKnock(t *testing.T) {
	want := []plans.Stage{{Protocol: "tcp", Port: 33333}, {Protocol: "udp", Port: 222}, {Protocol: "icmp", Size: 245}}
	for _, text := range []string{
		"tcp/33333, udp/222, icmp/245",
		"[tcp/33333, udp/222, icmp/245]\n",
		"knock: [tcp/33333,udp/222,icmp/245]",
		"  knock: [ tcp/33333 udp/222\r\n icmp/245 ] # for tcp/1",
		"# the office\ntcp/33333\nudp/222 # second\n\nicmp/245",
	} {
		if got, err := plans.ParseKnock(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %d stages", text, err, len(got))
		}
	}
	for text, says := range map[string]string{
		"":                        "no knock",
		"# tcp/33333":             "no knock",
		"[]":                      "no knock",
		"[tcp/33333, udp/222":     "bracket",
		"tcp/33333 tcp/222]":      "stage 2",
		"tcp/33333 upd/222":       `stage 2: its protocol is unknown: did you mean "udp"?`,
		"tcp/33333, 33333":        "stage 2: it is not protocol/port",
		"tcp/033333":              "stage 1: a port is written without leading zeros",
		"tcp/99999":               "stage 1",
		"icmp/27":                 "stage 1",
		"knock: knock: tcp/33333": "stage 1",
	} {
		_, err := plans.ParseKnock(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "33333") || strings.Contains(err.Error(), "222") || strings.Contains(err.Error(), "99999") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
