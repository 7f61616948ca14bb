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
	Serial   string  `json:"serial"`
	Seconds  float64 `json:"seconds"`
	Error    string  `json:"error"`
}

// Checked writes which routers answered, and what they are.
func Checked(w io.Writer, format string, routers []Router, s Style) error {
	t := table{header: []string{"ROUTER", "ADDRESS", "VERSION", "IDENTITY", "BOARD", "TIME"}, whole: []string{"ROUTER", "ADDRESS", "VERSION"}}
	if format != "text" {
		t.header = append(t.header, "SERIAL", "PROBLEM")
	}
	out := []jsonChecked{}
	reached := 0
	for _, r := range routers {
		problem, board, serial, took := "", "", "", ""
		if r.Err != nil {
			problem = reason(r.Err)
		}
		if r.Snapshot != nil {
			reached++
			board, serial, took = r.Snapshot.Board, r.Snapshot.Serial, r.Took.Round(time.Millisecond).String()
		}
		out = append(out, jsonChecked{r.Name, r.Address, r.Snapshot != nil, r.Version(), r.Identity(), board, serial, r.Took.Seconds(), problem})
		t.rows = append(t.rows, []string{r.Name, r.Address, r.Version(), r.Identity(), board, took, serial, problem}[:len(t.header)])
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

// AcceptedTable writes what was forgotten of routers.
func AcceptedTable(w io.Writer, format string, routers []Accepted, s Style) error {
	t := table{header: []string{"ROUTER", "SITE", "FORGOTTEN SERIAL", "FORGOTTEN CERTIFICATE"}, whole: []string{"ROUTER", "FORGOTTEN SERIAL"}}
	out := []jsonAccepted{}
	for _, r := range routers {
		out = append(out, jsonAccepted(r))
		row := []string{r.Name, r.Site, r.Serial, r.Pin}
		if format == "text" && r.Pin == "" && r.Serial == "" {
			row[2] = "nothing was known"
		}
		t.rows = append(t.rows, row)
	}
	if format == "json" {
		return write(w, "inventory-accept", out)
	}
	return t.write(w, format, s.Width)
}
