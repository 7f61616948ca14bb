package view

import (
	"io"
	"strings"
	"time"
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

// Inventory writes the routers of an inventory.
func Inventory(w io.Writer, format string, routers []Inventoried, s Style) error {
	if format == "json" {
		out := []jsonInventoried{}
		some := func(list []string) []string { return append([]string{}, list...) }
		for _, r := range routers {
			out = append(out, jsonInventoried{r.Name, r.Site, r.Address, r.User, r.Transport, some(r.Groups), some(r.Tags), some(r.Plans), some(r.Vars), r.SSHJump, r.Password})
		}
		return write(w, "inventory-list", out)
	}
	t := table{header: []string{"ROUTER", "SITE", "ADDRESS", "USER", "GROUPS", "TAGS", "PLANS"}, whole: []string{"ROUTER", "ADDRESS"}}
	for _, r := range routers {
		t.rows = append(t.rows, []string{r.Name, r.Site, r.Address, r.User, strings.Join(r.Groups, " "), strings.Join(r.Tags, " "), strings.Join(r.Plans, " ")})
	}
	return t.write(w, format, s.Width)
}

type jsonChecked struct {
	Name     string  `json:"name"`
	Address  string  `json:"address"`
	Reached  bool    `json:"reached"`
	Version  string  `json:"version"`
	Identity string  `json:"identity"`
	Board    string  `json:"board"`
	Seconds  float64 `json:"seconds"`
	Error    string  `json:"error"`
}

// Checked writes which routers answered, and what they are.
func Checked(w io.Writer, format string, routers []Router, s Style) error {
	t := table{header: []string{"ROUTER", "ADDRESS", "VERSION", "IDENTITY", "BOARD", "TIME"}, whole: []string{"ROUTER", "ADDRESS", "VERSION"}}
	if format != "text" {
		t.header = append(t.header, "PROBLEM")
	}
	out := []jsonChecked{}
	reached := 0
	for _, r := range routers {
		problem, board, took := "", "", ""
		if r.Err != nil {
			problem = reason(r.Err)
		}
		if r.Snapshot != nil {
			reached++
			board, took = r.Snapshot.Board, r.Took.Round(time.Millisecond).String()
		}
		out = append(out, jsonChecked{r.Name, r.Address, r.Snapshot != nil, r.Version(), r.Identity(), board, r.Took.Seconds(), problem})
		t.rows = append(t.rows, []string{r.Name, r.Address, r.Version(), r.Identity(), board, took, problem}[:len(t.header)])
	}
	if format == "json" {
		return write(w, "inventory-check", out)
	}
	if err := t.write(w, format, s.Width); err != nil || format != "text" {
		return err
	}
	writeReasons(w, routers, s)
	Say(w, "\n%d of %s answer\n", reached, Plural(len(routers), "router"))
	return nil
}
