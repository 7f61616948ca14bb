package page

import (
	"bufio"
	"cmp"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

// Audit is a page about what was found on routers. What several of them have in common stands in it
// once, and each router by its name in the one [Kind] that it is of.
type Audit struct {
	Title   string
	Sources []Source // the files that were read
	Actor   string   // who ran it: user@host
	Tool    string   // such as "rosknock v1.2.3"
	Made    time.Time
	Took    time.Duration

	Answer  Answer
	Says    []string // sentences below the answer
	Counts  []Counts
	Routers int // all of them, also those that were not read

	Exposures []Exposure
	Findings  []Class
	Accepted  []Class
	Changes   Part // since an earlier audit
	Parts     []Part
	Unread    []Unread
	Kinds     []Kind
}

// Source is a file that was read.
type Source struct{ What, Name, Digest string }

// Answer is the page in a sentence.
type Answer struct {
	Text string
	// Mood is bad, doubtful or good; it decides the colour.
	Mood string
}

// Counts is a table of numbers.
type Counts struct {
	Title string
	Rows  []Number
}

// Number is a row of it. Mark is what it counts, as who or a severity: it decides the colour.
type Number struct{ Label, Mark, Value string }

// Exposure is something that somebody reaches.
type Exposure struct {
	Name, Port, Family string
	Kind               string // service, vpn, server or layer-2
	Who                string // as the filter chooses it: anyone, LAN
	To                 string // in words, with doubts
	Perhaps            bool   // there are doubts
	Beyond             bool   // more than is allowed reach it
	Accepted           string // the reason for which they may
	On                 On
}

// Class is what findings of one kind have in common.
type Class struct {
	ID, Severity, Title, Why, Remedy string
	Accepted                         string // the reason
	On                               string // how many routers
	Places                           []Place
}

// Place is where findings of a class are.
type Place struct {
	Place, What string
	On          On
}

// Part is a list of other things that were found.
type Part struct {
	Title, About string
	Items        []Item
}

// Item is one of them. Short names it where there is little room.
type Item struct {
	Text, Short string
	On          On
}

// On says on which routers something is: in words, and the numbers of their kinds, from 1.
type On struct {
	Text  string
	Kinds []int
}

// Unread are routers that could not be read, for one reason.
type Unread struct {
	Why     string
	Routers []string
}

// Kind are routers of which the same was found: numbers from 1 into Exposures, into the places of
// Findings and then of Accepted, and into the items of Changes and then of Parts.
type Kind struct {
	Routers                  []string
	Worst                    string // who reaches the most open of what is exposed, in words
	Who                      string // the same as the filter chooses it
	Perhaps                  bool
	Severity                 string // of the worst finding
	Exposures, Places, Items []int
}

// mostKinds is how many kinds one row links to. A kind always links to all its rows.
const mostKinds = 12

// auditPage is an audit as the template shows it.
type auditPage struct {
	Audit
	Policy            string
	Style             template.CSS
	Script            template.JS
	Date, Machine     string
	Duration          string
	Whos, Whats       []string // for the filter
	Severities        []string
	Findings          []classRow
	Accepted          []classRow
	Changes           partRows
	Parts             []partRows
	Exposures         []exposureRow
	Kinds             []kindRow
	ExposureN, PlaceN int
	Many              bool
}

type exposureRow struct {
	ID int
	Exposure
	On onRow
}

type classRow struct {
	Class
	Same []sameRow
}

// sameRow are the places of a class of which the same is said.
type sameRow struct {
	What   string
	Places []placeRow
}

type placeRow struct {
	ID int
	Place
	On onRow
}

type partRows struct {
	Part
	Items []itemRow
}

type itemRow struct {
	ID int
	Item
	On onRow
}

// onRow is [On] with no more links than there is room for.
type onRow struct {
	Text  string
	Kinds []int
	More  int
}

type kindRow struct {
	Kind
	N       int
	Summary string
	Links   []linkList
}

// linkList are links of a kind to its rows.
type linkList struct {
	Title string
	Links []link
}

type link struct{ ID, Text string }

// Audit writes the page of an audit. The same values always give the same bytes.
func (l Layout) Audit(w io.Writer, a Audit) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	if err := l.template.ExecuteTemplate(buffered, "audit", newAuditPage(visibleAudit(a))); err != nil {
		return err
	}
	return buffered.Flush()
}

func newAuditPage(a Audit) auditPage {
	sheet, code := style+auditStyle, common+auditScript
	p := auditPage{Audit: a, Style: sheet, Script: code, Policy: policy(sheet, code), Duration: duration(a.Took)}
	if !a.Made.IsZero() {
		p.Date, p.Machine = dates(a.Made)
	}
	for i, e := range a.Exposures {
		p.Exposures = append(p.Exposures, exposureRow{i + 1, e, e.On.row()})
		p.Whos, p.Whats = with(p.Whos, e.Who), with(p.Whats, e.Kind)
	}
	slices.Sort(p.Whats)
	p.Findings, p.Accepted = p.classes(a.Findings), p.classes(a.Accepted)
	for _, c := range a.Findings {
		p.Severities = with(p.Severities, c.Severity)
	}
	if len(a.Accepted) > 0 {
		p.Severities = append(p.Severities, "accepted")
	}
	n := 0
	p.Changes = rowsOf(a.Changes, &n)
	for _, part := range a.Parts {
		p.Parts = append(p.Parts, rowsOf(part, &n))
	}
	p.ExposureN = len(a.Exposures)
	p.kinds()
	p.Many = len(p.Kinds) > 50
	return p
}

// with adds a word that is not there yet.
func with(words []string, word string) []string {
	if slices.Contains(words, word) {
		return words
	}
	return append(words, word)
}

// classes numbers the places of classes on.
func (p *auditPage) classes(classes []Class) []classRow {
	var out []classRow
	for _, c := range classes {
		row := classRow{Class: c}
		at := map[string]int{}
		for _, place := range c.Places {
			i, known := at[place.What]
			if !known {
				i = len(row.Same)
				at[place.What], row.Same = i, append(row.Same, sameRow{What: place.What})
			}
			p.PlaceN++
			row.Same[i].Places = append(row.Same[i].Places, placeRow{p.PlaceN, place, place.On.row()})
		}
		out = append(out, row)
	}
	return out
}

func rowsOf(part Part, n *int) partRows {
	out := partRows{Part: part}
	for _, item := range part.Items {
		*n++
		out.Items = append(out.Items, itemRow{*n, item, item.On.row()})
	}
	return out
}

func (o On) row() onRow {
	if len(o.Kinds) > mostKinds {
		return onRow{Text: o.Text, More: len(o.Kinds)}
	}
	return onRow{Text: o.Text, Kinds: o.Kinds}
}

// kinds gives each kind the words of its rows.
func (p *auditPage) kinds() {
	places, items := map[int]string{}, map[int]string{}
	for _, c := range slices.Concat(p.Findings, p.Accepted) {
		for _, same := range c.Same {
			for _, place := range same.Places {
				places[place.ID] = c.ID + " " + place.Place.Place
			}
		}
	}
	for _, part := range append([]partRows{p.Changes}, p.Parts...) {
		for _, item := range part.Items {
			items[item.ID] = item.Short
		}
	}
	for i, k := range p.Audit.Kinds {
		row := kindRow{Kind: k, N: i + 1, Summary: number(len(k.Routers), "router")}
		for _, id := range k.Exposures {
			e := p.Exposures[id-1]
			row.link(e.Family+", reached by "+e.To, fmt.Sprintf("e%d", id), strings.TrimSuffix(e.Name+" "+e.Port, " -"))
		}
		for _, id := range k.Places {
			row.link("Findings", fmt.Sprintf("f%d", id), places[id])
		}
		for _, id := range k.Items {
			row.link("More", fmt.Sprintf("n%d", id), items[id])
		}
		p.Kinds = append(p.Kinds, row)
	}
}

// link adds a link to the list with a title.
func (k *kindRow) link(title, id, text string) {
	i := slices.IndexFunc(k.Links, func(l linkList) bool { return l.Title == title })
	if i < 0 {
		i, k.Links = len(k.Links), append(k.Links, linkList{Title: title})
	}
	k.Links[i].Links = append(k.Links[i].Links, link{id, text})
}

// Few are the first names of a kind, for its heading.
func (k kindRow) Few() string {
	const few = 2
	text := strings.Join(k.Routers[:min(len(k.Routers), few)], ", ")
	if more := len(k.Routers) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return cmp.Or(text, "router without a name")
}
