package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// exportLines are the lines of an export by what stands there: a row as "MENU *ID", a menu, the list
// of an entry as "list NAME", a service by its name. Where something stands several times, it is the
// first line.
type exportLines map[string]int

func linesOf(e rsc.Export, version routeros.Version) exportLines {
	_, skipped := e.Snapshot(rsc.Options{Version: version})
	left := map[int]bool{}
	for _, s := range skipped {
		left[s.Line] = true
	}
	out := exportLines{}
	at := func(what string, line int) {
		if out[what] == 0 {
			out[what] = line
		}
	}
	rows := map[routeros.Menu]int{}
	for _, st := range e.Statements {
		at(string(st.Menu), st.Line)
		for _, a := range st.Attrs {
			if a.Name == "list" || a.Name == "address-list" {
				at("list "+a.Value, st.Line)
			}
		}
		switch {
		case st.Verb == "add" && !left[st.Line]:
			rows[st.Menu]++
			at(fmt.Sprintf("%s *%X", st.Menu, rows[st.Menu]), st.Line)
		case st.Menu == routeros.ServiceMenu:
			at(st.Target, st.Line)
		}
		at(string(st.Menu[strings.LastIndex(string(st.Menu), "/")+1:]), st.Line) // dns of /ip/dns
	}
	return out
}

// endID is the id of a row at the end of a place.
var endID = regexp.MustCompile(`\(?(\*[0-9A-F]+)\)?$`)

// of returns the line of a place, as an audit writes it: the row, or else its menu; 1 if neither is
// there.
func (l exportLines) of(place string) int {
	menu, _, _ := strings.Cut(place, " ")
	row := ""
	if m := endID.FindStringSubmatch(place); m != nil {
		row = menu + " " + m[1]
	}
	server, _, _ := strings.Cut(strings.TrimPrefix(place, "service "), ",")
	return cmp.Or(l[row], l[place], l[server], l[menu], 1)
}
