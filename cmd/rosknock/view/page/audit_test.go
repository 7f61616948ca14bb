package page_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
)

// smallAudit has everything that the page of an audit shows: two kinds of routers, and one that could
// not be read.
func smallAudit() page.Audit {
	on := func(text string, kinds ...int) page.On { return page.On{Text: text, Kinds: kinds} }
	return page.Audit{
		Title: "audit of 4 routers", Actor: "noc@bastion", Tool: "rosknock v1.2.3", Made: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), Took: 1234 * time.Millisecond,
		Sources: []page.Source{{What: "Inventory", Name: "fleet.yaml", Digest: "sha256:3f9a21c03f9a21c0"}, {What: "Accepted by", Name: "accept.yaml", Digest: "sha256:77aa21c03f9a21c0"}},
		Answer:  page.Answer{Text: "The check fails on 1 of 3 routers", Mood: "bad"}, Says: []string{"The check: nothing is reached by more than LAN. What was accepted does not count."}, Routers: 4,
		Counts: []page.Counts{{Title: "Routers", Rows: []page.Number{{Label: "read", Value: "3"}, {Label: "not read", Value: "1"}}}, {Title: "Findings", Rows: []page.Number{{Label: "warn", Mark: "warn", Value: "1 on 1"}}}},
		Exposures: []page.Exposure{
			{Name: "dns", Port: "udp/53", Family: "ipv4", Kind: "server", Who: "anyone", To: "anyone", Beyond: true, On: on("core-1", 1)},
			{Name: "snmp", Port: "udp/161", Family: "ipv4", Kind: "server", Who: "anyone", To: "perhaps anyone", Perhaps: true, Beyond: true, Accepted: "the old monitoring needs it", On: on("core-1", 1)},
			{Name: "ssh", Port: "tcp/22", Family: "ipv4", Kind: "service", Who: "LAN", To: "LAN", On: on("all 3", 1, 2)},
			{Name: "mac-ping", Port: "-", Family: "layer-2", Kind: "layer-2", Who: "neighbors", To: "neighbors", On: on("2: branch-2, branch-10", 2)},
		},
		Findings: []page.Class{
			{ID: "L20", Severity: "refuse", Title: "a port scan opens the door too easily", Why: "a scanner gets in by chance", Remedy: "use more stages", On: "on 2 routers", Places: []page.Place{
				{Place: "list admin", What: "one sweep opens it with a chance of 17 %", On: on("2: branch-2, branch-10", 2)}, {Place: "list ok", What: "one sweep opens it with a chance of 50 %", On: on("2: branch-2, branch-10", 2)}}},
			{ID: "L55", Severity: "warn", Title: "a server that strangers can abuse is reached by anyone", Why: "an open resolver takes part in attacks on others", Remedy: "drop udp/53", On: "on 1 router", Places: []page.Place{
				{Place: "dns, udp/53", What: "anyone reaches it over ipv4", On: on("core-1", 1)}}},
		},
		Accepted: []page.Class{{ID: "L55", Severity: "warn", Title: "a server that strangers can abuse is reached by anyone", Why: "forged packets", Remedy: "limit it", Accepted: "the old monitoring needs it", On: "on 1 router", Places: []page.Place{
			{Place: "snmp, udp/161", What: "anyone reaches it over ipv4", On: on("core-1", 1)}}}},
		Changes: page.Part{Title: "Since the earlier audit", Items: []page.Item{{Text: "dns udp/53 ipv4: was LAN, is anyone", Short: "changed: dns", On: on("core-1", 1)}}},
		Parts: []page.Part{
			{Title: "What is not known, and notes", About: "Take these for the worse until they are known.", Items: []page.Item{{Text: "no IPv6 rule and no IPv6 address", Short: "note", On: on("all 3", 1, 2)}}},
			{Title: "Knocks"},
		},
		Unread: []page.Unread{{Why: "192.0.2.4:8729: connection refused: enable the service api-ssl on the router", Routers: []string{"spare"}}},
		Kinds: []page.Kind{
			{Routers: []string{"core-1"}, Worst: "dns to anyone", Who: "anyone", Severity: "warn", Exposures: []int{1, 2, 3}, Places: []int{3, 4}, Items: []int{1, 2}},
			{Routers: []string{"branch-2", "branch-10"}, Worst: "mac-ping to neighbors", Who: "neighbors", Severity: "refuse", Exposures: []int{3, 4}, Places: []int{1, 2}, Items: []int{2}},
		},
	}
}

// auditEverywhere has a text in each place.
func auditEverywhere(text func() string) page.Audit {
	all := func() []string { return []string{text(), text()} }
	on := func() page.On { return page.On{Text: text(), Kinds: []int{1, 2}} }
	class := func() page.Class {
		return page.Class{ID: text(), Severity: text(), Title: text(), Why: text(), Remedy: text(), Accepted: text(), On: text(), Places: []page.Place{{Place: text(), What: text(), On: on()}}}
	}
	part := func() page.Part {
		return page.Part{Title: text(), About: text(), Items: []page.Item{{Text: text(), Short: text(), On: on()}}}
	}
	kind := page.Kind{Routers: all(), Worst: text(), Who: text(), Severity: text(), Exposures: []int{1}, Places: []int{1, 2}, Items: []int{1, 2}}
	return page.Audit{
		Title: text(), Sources: []page.Source{{What: text(), Name: text(), Digest: text()}}, Actor: text(), Tool: text(), Answer: page.Answer{Text: text(), Mood: text()}, Says: all(),
		Counts:    []page.Counts{{Title: text(), Rows: []page.Number{{Label: text(), Mark: text(), Value: text()}}}},
		Exposures: []page.Exposure{{Name: text(), Port: text(), Family: text(), Kind: text(), Who: text(), To: text(), Accepted: text(), On: on()}},
		Findings:  []page.Class{class()}, Accepted: []page.Class{class()}, Changes: part(), Parts: []page.Part{part()}, Unread: []page.Unread{{Why: text(), Routers: all()}}, Kinds: []page.Kind{kind, kind},
	}
}

// fleetAudit is a page of routers, each with answers of its own.
func fleetAudit(routers int) page.Audit {
	a := page.Audit{Title: "audit of a fleet", Routers: routers, Made: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)}
	var every []int
	for i := range routers {
		every = append(every, i+1)
	}
	for i := range 20 {
		a.Exposures = append(a.Exposures, page.Exposure{Name: fmt.Sprintf("service-%d", i), Port: fmt.Sprintf("tcp/%d", 8000+i), Family: "ipv4", Kind: "service", Who: "LAN", To: "LAN", On: page.On{Text: fmt.Sprintf("all %d", routers), Kinds: every}})
	}
	c := page.Class{ID: "L28", Severity: "warn", Title: "an entry never expires", Why: "addresses change hands", Remedy: "give it an address-list-timeout", On: fmt.Sprintf("on %d routers", routers)}
	for i := range routers {
		name := fmt.Sprintf("branch-%d", i+1)
		k := page.Kind{Routers: []string{name}, Worst: "service-0 to LAN", Who: "LAN", Severity: "warn"}
		for n := range 20 {
			k.Exposures = append(k.Exposures, n+1)
		}
		for n := range 3 {
			c.Places = append(c.Places, page.Place{Place: fmt.Sprintf("/ip/firewall/filter \"rule %d of %s\" (*%X)", n, name, n), What: "a source in the list x stays there until a reboot, or for ever", On: page.On{Text: name, Kinds: []int{i + 1}}})
			k.Places = append(k.Places, len(c.Places))
		}
		a.Kinds = append(a.Kinds, k)
	}
	a.Findings = []page.Class{c}
	return a
}

func writeAudit(t interface{ Fatal(...any) }, a page.Audit) []byte {
	l, err := page.NewLayout()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := l.Audit(&b, a); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAuditHostile(t *testing.T) {
	for _, hostile := range hostileTexts() {
		a := auditEverywhere(func() string { return hostile })
		written := writeAudit(t, a)
		if err := harmless(written, len(a.Kinds), files(t, scripts("audit")...)); err != nil {
			t.Errorf("%.40q: %v", hostile, err)
		}
		for _, bad := range []string{"\u202e", "\u2066", "\x00", "\x1b", "\u0085", "\r"} {
			if bytes.Contains(written, []byte(bad)) {
				t.Errorf("the page contains %q", bad)
			}
		}
	}
}

// TestAuditDeterminism: the same value gives the same bytes, and is left as it was.
func TestAuditDeterminism(t *testing.T) {
	a := auditEverywhere(func() string { return "a\x00b" })
	first := writeAudit(t, a)
	if !bytes.Equal(first, writeAudit(t, a)) {
		t.Error("the same value gave other bytes")
	}
	for _, s := range []string{a.Title, a.Exposures[0].To, a.Findings[0].Places[0].What, a.Parts[0].Items[0].Text, a.Kinds[0].Routers[0], a.Unread[0].Routers[1]} {
		if s != "a\x00b" {
			t.Errorf("the caller's value became %q", s)
		}
	}
	l, err := page.NewLayout()
	if err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("disk full")
	if err := l.Audit(failing{wrong}, a); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
}

// TestAuditOnce: the name of a router stands in its kind alone, and each row is led to by the kinds
// that have it.
func TestAuditOnce(t *testing.T) {
	a := fleetAudit(1000)
	doc := parse(t, writeAudit(t, a))
	rows := map[string]bool{}
	for _, element := range []string{"tr", "li"} {
		for _, n := range find(doc, element, nil) {
			if id := attribute(n, "id"); id != "" {
				rows[id] = false
			}
		}
	}
	for _, n := range find(doc, "a", nil) {
		if id := attribute(n, "href")[1:]; id[0] != 'k' && id != "results" {
			if _, there := rows[id]; !there {
				t.Fatalf("a link leads to %s, which is not there", id)
			}
			rows[id] = true
		}
	}
	for id, reached := range rows {
		if !reached {
			t.Errorf("no kind leads to %s", id)
		}
	}
	if len(rows) != 20+3000 {
		t.Errorf("%d rows", len(rows))
	}
	if n := len(writeAudit(t, a)); n > 2_000_000 {
		t.Errorf("1,000 routers of which none is as another take %d bytes", n)
	} else {
		t.Logf("1,000 routers of which none is as another take %d bytes", n)
	}
}
