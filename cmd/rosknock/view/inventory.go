package view

import (
	"io"
	"iter"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/operate"
)

// Inventoried is a router of an inventory.
type Inventoried struct {
	Name, Site               string // the site is "" where there is none
	Address, User, Transport string
	Groups, Tags, Plans      []string
	Vars                     []string // names only: values may be parts of a knock
	SSHJump, Password        string   // how it is reached, and what kind of place its password is kept in
}

type jsonInventoried struct {
	Name      string   `json:"name"`
	Site      string   `json:"site,omitempty"`
	Address   string   `json:"address"`
	User      string   `json:"user"`
	Transport string   `json:"transport"`
	Groups    []string `json:"groups"`
	Tags      []string `json:"tags"`
	Plans     []string `json:"plans"`
	Vars      []string `json:"vars"`
	SSHJump   string   `json:"ssh-jump,omitempty"`
	Password  string   `json:"password,omitempty"`
}

// InventoryOf takes the routers of an inventory.
func InventoryOf(sink Sink) *Flow[Inventoried] {
	header := []string{"ROUTER", "SITE", "ADDRESS", "USER", "GROUPS", "TAGS", "PLANS"}
	return newFlow(sink, kind[Inventoried]{
		command: "inventory-list",
		json:    func(r Inventoried) any { return r.json() },
		header:  header,
		cells:   func(r Inventoried) [][]string { return [][]string{r.cells()} },
		text: lines[Inventoried, []string]{
			line: Inventoried.cells,
			all: func(w io.Writer, all iter.Seq[[]string]) error {
				return table{header: header, whole: []string{"ROUTER", "ADDRESS"}, kept: all}.text(w, sink.Width)
			},
		},
	})
}

func (r Inventoried) json() jsonInventoried {
	some := func(list []string) []string { return append([]string{}, list...) }
	return jsonInventoried{r.Name, r.Site, r.Address, r.User, r.Transport, some(r.Groups), some(r.Tags), some(r.Plans), some(r.Vars), r.SSHJump, r.Password}
}

func (r Inventoried) cells() []string {
	return []string{r.Name, r.Site, r.Address, r.User, strings.Join(r.Groups, " "), strings.Join(r.Tags, " "), strings.Join(r.Plans, " ")}
}

type jsonChecked struct {
	Name     string  `json:"name"`
	Address  string  `json:"address"`
	Reached  bool    `json:"reached"`
	Version  string  `json:"version"`
	Identity string  `json:"identity"`
	Board    string  `json:"board"`
	Serial   string  `json:"serial"`
	Seconds  float64 `json:"seconds"`
	Error    string  `json:"error"`
}

// ChecksOf takes routers that were asked what they are.
func ChecksOf(sink Sink) *Flow[operate.Result] {
	header := []string{"ROUTER", "ADDRESS", "VERSION", "IDENTITY", "BOARD", "TIME", "SERIAL", "PROBLEM"}
	return newFlow(sink, kind[operate.Result]{
		command: "inventory-check",
		json:    func(r operate.Result) any { return checkedJSON(r) },
		header:  header,
		cells:   func(r operate.Result) [][]string { return [][]string{checkedCells(r)} },
		text: lines[operate.Result, checkedLine]{
			line: func(r operate.Result) checkedLine {
				cells := checkedCells(r)
				for i, cell := range cells {
					cells[i] = string(short(cell))
				}
				return checkedLine{cells[:len(cells)-2], r.Snapshot != nil, why(r)}
			},
			all: func(w io.Writer, all iter.Seq[checkedLine]) error {
				return sink.checked(w, header[:len(header)-2], all)
			},
		},
	})
}

// checkedLine is what people see of a router that was asked what it is.
type checkedLine struct {
	Cells   []string
	Reached bool
	Why     string
}

func checkedJSON(r operate.Result) jsonChecked {
	out := jsonChecked{Name: r.Name, Address: r.Address, Reached: r.Snapshot != nil, Version: r.Version(), Identity: r.Identity(), Seconds: r.Took.Seconds()}
	if r.Err != nil {
		out.Error = reason(r.Err)
	}
	if r.Snapshot != nil {
		out.Board, out.Serial = r.Snapshot.Board, r.Snapshot.Serial
	}
	return out
}

func checkedCells(r operate.Result) []string {
	j, took := checkedJSON(r), ""
	if j.Reached {
		took = r.Took.Round(time.Millisecond).String()
	}
	return []string{j.Name, j.Address, j.Version, j.Identity, j.Board, took, j.Serial, j.Error}
}

// checked writes which routers answered, and what they are.
func (s Style) checked(w io.Writer, header []string, all iter.Seq[checkedLine]) error {
	t := table{header: header, whole: []string{"ROUTER", "ADDRESS", "VERSION"}, kept: func(yield func([]string) bool) {
		for l := range all {
			if !yield(l.Cells) {
				return
			}
		}
	}}
	if err := t.text(w, s.Width); err != nil {
		return err
	}
	routers, reached := 0, 0
	why := reasonWriter{w: w, Style: s}
	for l := range all {
		if routers++; l.Reached {
			reached++
		}
		why.write(l.Cells[0], l.Why)
	}
	why.end()
	Say(w, "\n%d of %s answered\n", reached, Plural(routers, "router"))
	return nil
}

// Accepted is a router of which what was remembered is forgotten.
type Accepted struct {
	Name, Site  string
	Pin, Serial string // what was known of it; "" for nothing
}

type jsonAccepted struct {
	Name   string `json:"name"`
	Site   string `json:"site,omitempty"`
	Pin    string `json:"tls-pin"`
	Serial string `json:"serial"`
}

// AcceptedOf takes routers of which what was remembered is forgotten.
func AcceptedOf(sink Sink) *Flow[Accepted] {
	header := []string{"ROUTER", "SITE", "FORGOTTEN SERIAL", "FORGOTTEN CERTIFICATE"}
	row := func(a Accepted) []string { return []string{a.Name, a.Site, a.Serial, a.Pin} }
	return newFlow(sink, kind[Accepted]{
		command: "inventory-accept",
		json:    func(a Accepted) any { return jsonAccepted(a) },
		header:  header,
		cells:   func(a Accepted) [][]string { return [][]string{row(a)} },
		text: lines[Accepted, []string]{
			line: func(a Accepted) []string {
				cells := row(a)
				if a.Pin == "" && a.Serial == "" {
					cells[2] = "nothing was known"
				}
				return cells
			},
			all: func(w io.Writer, all iter.Seq[[]string]) error {
				return table{header: header, whole: []string{"ROUTER", "FORGOTTEN SERIAL"}, kept: all}.text(w, sink.Width)
			},
		},
	})
}
