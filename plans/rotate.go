package plans

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// The defaults of a rotating door.
const (
	defaultRotateStages  = 5
	defaultRotateEvery   = time.Hour
	defaultRotateOverlap = 10 * time.Minute
	longestWindow        = 7 * 24 * time.Hour
)

const day = 24 * time.Hour

// mostLaid is how many rules the stages of windows in advance may have, over both address families.
// A router evaluates all of a family for every new connection, and the undo has to fit into one
// script.
const mostLaid = 500

func portsScalar() form.Scalar {
	return form.Scalar{What: "a range of ports", Pattern: `^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$`, Check: func(text string) (string, string) {
		_, why, remedy := parsePortRange(text)
		return why, remedy
	}}
}

func parsePortRange(text string) (r routeros.PortRange, why, remedy string) {
	const write = "write 20000-60000"
	low, high, ok := strings.Cut(text, "-")
	if !ok {
		return r, "it is not a range", write
	}
	if r.First, why = parsePort(low); why != "" {
		return r, why, write
	}
	if r.Last, why = parsePort(high); why != "" {
		return r, why, write
	}
	if r.First < 1024 || int(r.Last)-int(r.First) < 5000 {
		return r, "it begins below 1024, or has fewer than 5000 ports to choose from", write
	}
	return r, "", ""
}

// rotate reads how the knock of a door changes with time.
func (rd *reader) rotate(door *yaml.Node) *Rotate {
	n := rd.Child(door, "rotate")
	if n == nil {
		return nil
	}
	for _, other := range []string{"wrong-knock", "decoys", "quarantine-for"} {
		given := rd.Child(door, other)
		if given == nil || other == "wrong-knock" && given.Value == Ignore.String() {
			continue
		}
		rd.Reject(given, "a rotating door has no "+other+": while two knocks are valid, a stage of one is out of order for the other", "leave it out")
	}
	r := &Rotate{Stages: defaultRotateStages, Ports: routeros.PortRange{First: 10000, Last: 60000}, Every: defaultRotateEvery, Overlap: defaultRotateOverlap}
	r.Secret, _ = ParseCredential(rd.Text(n, "secret"))
	r.User = rd.Text(n, "user")
	if form.HasKey(n, "users") && form.HasKey(n, "user") {
		rd.Reject(n, "the door has users, and a user of its own", "leave one of them out")
	}
	if v := rd.Child(n, "payload"); v != nil {
		r.Payload, _ = strconv.Atoi(v.Value)
	}
	if v := rd.Child(n, "stages"); v != nil {
		r.Stages, _ = strconv.Atoi(v.Value)
	}
	if v := rd.Child(n, "ports"); v != nil {
		r.Ports, _, _ = parsePortRange(v.Value)
	}
	every, overlap := rd.Child(n, "every"), rd.Child(n, "overlap")
	if every != nil {
		r.Every, _ = routeros.ParseDuration(every.Value)
	}
	if overlap != nil {
		r.Overlap, _ = routeros.ParseDuration(overlap.Value)
	}
	if every != nil && (r.Every%time.Minute != 0 || r.Every > longestWindow) {
		rd.Reject(every, "a window is whole minutes, and 7d at most", "write 1h")
	}
	if v := rd.Child(n, "ahead"); v != nil {
		r.Ahead = map[string]time.Duration{"1d": day, "7d": 7 * day}[v.Value]
		if r.Ahead > 0 && r.Every > 0 && (r.Ahead%r.Every != 0 || r.Provisioned() < 2) {
			rd.Reject(v, fmt.Sprintf("windows of %s don't fill %s, so they would not repeat at the same times", routeros.FormatDuration(r.Every), v.Value), "choose an every that divides it, such as 1h")
		}
	}
	if 2*r.Overlap >= r.Every {
		place := n
		if overlap != nil {
			place = overlap
		} else if every != nil {
			place = every
		}
		rd.Reject(place, "the overlap is half of a window or more", "make overlap shorter, or every longer")
	}
	return r
}

// people makes a door for each user of a rotating door. Names and lists have to stay apart from
// those of the other doors.
func (rd *reader) people(root *yaml.Node, p Plan) []Door {
	var out []Door
	names, lists := map[string]bool{}, map[string]bool{}
	for i, e := range rd.Entries(root, "doors") {
		users := rd.Entries(e.Value, "rotate", "users")
		if len(users) == 0 {
			out = append(out, p.Doors[i])
		}
		for _, u := range users {
			d := p.Doors[i]
			d.Name += "-" + u.Key.Value
			d.Trusted.List += "-" + u.Key.Value
			if d.Trusted.Networks != "" {
				d.Trusted.Networks += "-" + u.Key.Value
			}
			d.StageList += "-" + u.Key.Value
			if d.Rotate != nil {
				one := *d.Rotate
				one.User = u.Key.Value
				one.Secret, _ = ParseCredential(u.Value.Value)
				d.Rotate = &one
			}
			out = append(out, d)
		}
	}
	rd.laid(root, p, out)
	for _, d := range out {
		if names[d.Name] || lists[d.Trusted.List] && slices.ContainsFunc(out, func(o Door) bool { return o.Trusted.List == d.Trusted.List && o.Rotate != nil && o.Rotate.User != "" }) {
			rd.Note(root, fmt.Sprintf("two doors would be %s, with the list %s: that of a person, and another", d.Name, d.Trusted.List), "give one of them another name")
		}
		names[d.Name], lists[d.Trusted.List] = true, true
	}
	rd.apart(root, out)
	return out
}

// apart finds lists of networks that would be a list of another door because of the name of a
// person.
func (rd *reader) apart(root *yaml.Node, doors []Door) {
	for i, d := range doors {
		for n, o := range doors {
			person := d.Rotate != nil && d.Rotate.User != "" || o.Rotate != nil && o.Rotate.User != ""
			networks := d.Trusted.Networks
			if i != n && person && networks != "" && (networks == o.Trusted.List || networks == o.Trusted.Networks && n < i) {
				rd.Note(root, fmt.Sprintf("the list %q would be the list of networks of door %s and a list of door %s", networks, d.Name, o.Name), "give one of them another name")
			}
		}
	}
}

// laid refuses more stages than a router should evaluate.
func (rd *reader) laid(root *yaml.Node, p Plan, doors []Door) {
	rules := 0
	for _, d := range doors {
		if d.Rotate != nil {
			rules += d.Rotate.Provisioned() * d.Rotate.Stages * max(len(p.Firewall.Families), 1)
		}
	}
	if rules <= mostLaid {
		return
	}
	for _, e := range rd.Entries(root, "doors") {
		if v := rd.Child(e.Value, "rotate", "ahead"); v != nil {
			rd.Reject(v, fmt.Sprintf("%d rules would be installed, and %d are the most for a router", rules, mostLaid), "make every longer, or use ahead: 1d, fewer stages, fewer users or one address family")
			return
		}
	}
}

// Ahead returns for how long the plan's windows are installed in advance, the longest of its doors;
// 0 if none are.
func (p Plan) Ahead() time.Duration {
	var longest time.Duration
	for _, d := range p.Doors {
		if d.Rotate != nil {
			longest = max(longest, d.Rotate.Ahead)
		}
	}
	return longest
}

// Rotates reports whether a door of the plan rotates and its knock was not derived yet.
func (p Plan) Rotates() bool {
	for _, d := range p.Doors {
		if d.Rotate != nil && d.Window == 0 {
			return true
		}
	}
	return false
}
