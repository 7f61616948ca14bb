package state

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// checker collects what does not fit together in a file that was read: it may be cut off, edited by
// hand, or of another version. What is wrong with it is found here, before anything is worked out
// or sent by it.
type checker struct {
	problems []string
	// rows are the ids that are there, menu by menu, while the steps go on; gone are those that a
	// step has removed.
	rows, gone map[routeros.Menu]map[string]bool
	// whole says that rows are all there are: a step can name no other.
	whole bool
}

// mostProblems is how many are named. A file of something else has thousands.
const mostProblems = 10

var (
	rowID         = regexp.MustCompile(`^\*[0-9A-Fa-f]{1,8}$`)
	attributeName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

// table takes the rows of one menu.
func (c *checker) table(m BackupMenu) {
	menu := routeros.Menu(m.Path)
	if !c.menu(menu) {
		return
	}
	if c.rows[menu] != nil {
		c.say("the menu %s is there twice", menu)
		return
	}
	ids := map[string]bool{}
	for i, row := range m.Rows {
		id := string(row[".id"])
		switch {
		case !rowID.MatchString(id):
			c.say("row %d of %s has the id %q, which is none", i+1, menu, id)
		case ids[id]:
			c.say("the row %s of %s is there twice", id, menu)
		}
		ids[id] = true
		c.row(menu, fmt.Sprintf("row %d of %s", i+1, menu), fromRow(row))
	}
	c.rows[menu] = ids
}

func (c *checker) say(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) menu(m routeros.Menu) bool {
	if m == routeros.ServiceMenu || m == routeros.AddressList || m == routeros.AddressList6 || m.IsRuleTable() {
		return true
	}
	c.say("there is no menu %q that a change touches", m)
	return false
}

// row looks at what a row says, as far as it is worked with.
func (c *checker) row(menu routeros.Menu, what string, a routeros.Attributes) {
	switch {
	case menu.IsRuleTable():
		if a.Get("chain") == "" {
			c.say("%s is in no chain", what)
		}
	case menu == routeros.ServiceMenu:
		if _, err := routeros.ParsePort(a.Get("port")); err != nil || a.Get("name") == "" {
			c.say("%s is no service with a port", what)
		}
	case a.Get("list") == "" || a.Get("address") == "":
		c.say("%s is no entry of a list", what)
	}
}

// err returns all that was found, or nil.
func (c *checker) err() error {
	said := c.problems
	if len(said) == 0 {
		return nil
	}
	if more := len(said) - mostProblems; more > 0 {
		said = append(slices.Clone(said[:mostProblems]), fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(said, "; "))
}

// steps takes the steps in their order.
func (c *checker) steps(steps []SavedStep) {
	for i, s := range steps {
		menu, what := routeros.Menu(s.Path), fmt.Sprintf("step %d", i+1)
		switch {
		case !c.menu(menu):
			continue
		case c.rows[menu] == nil && c.whole:
			c.say("%s is for %s, of which there are no rows", what, menu)
			continue
		case c.rows[menu] == nil:
			c.rows[menu] = map[string]bool{}
		}
		for _, pairs := range []map[string]Text{s.Set, s.Was} {
			for name := range pairs {
				if !attributeName.MatchString(name) {
					c.say("%s has an attribute %q", what, name)
				}
			}
		}
		c.step(what, i, menu, s)
	}
}

func (c *checker) step(what string, i int, menu routeros.Menu, s SavedStep) {
	op := change.Op(s.Op)
	if op != change.Add {
		c.names(what, menu, s.ID)
	}
	if s.Before != "" {
		c.names(what, menu, s.Before)
	}
	if s.Before != "" && (!menu.IsRuleTable() || op != change.Add && op != change.Move) {
		c.say("%s has a place before %q, which only a rule has that is added or moved", what, s.Before)
	}
	service := menu == routeros.ServiceMenu
	switch op {
	case change.Add:
		switch {
		case s.ID != "":
			c.say("%s adds a row that has the id %q already", what, s.ID)
		case service:
			c.say("%s adds a service", what)
		default:
			c.row(menu, what, fromRow(s.Set))
		}
		c.rows[menu][fmt.Sprintf("+%d", i)] = true
	case change.Remove:
		if service {
			c.say("%s removes a service", what)
		}
		delete(c.rows[menu], s.ID)
		if c.gone[menu] == nil {
			c.gone[menu] = map[string]bool{}
		}
		c.gone[menu][s.ID] = true
	case change.Move:
		if !menu.IsRuleTable() || s.ID == s.Before {
			c.say("%s moves a row of %s before %q", what, menu, s.Before)
		}
	case change.Set:
		c.set(what, menu, s.Set)
	case change.Enable, change.Disable:
	default:
		c.say("%s is to %q, which nothing can do", what, s.Op)
	}
}

// names looks whether a step names a row that is there.
func (c *checker) names(what string, menu routeros.Menu, id string) {
	known := c.rows[menu][id] || !c.whole && rowID.MatchString(id)
	if !known || c.gone[menu][id] {
		c.say("%s names the row %q of %s, which is not there then", what, id, menu)
	}
}

// set looks at what a step writes into a service; of a rule the router knows best.
func (c *checker) set(what string, menu routeros.Menu, set map[string]Text) {
	if len(set) == 0 {
		c.say("%s sets nothing", what)
	}
	if menu != routeros.ServiceMenu {
		return
	}
	for name, value := range set {
		_, isPort := routeros.ParsePort(string(value))
		_, isBool := routeros.ParseBool(string(value))
		if name == "port" && isPort != nil || name == "disabled" && !isBool || !slices.Contains([]string{"port", "disabled", "address", "available-from"}, name) {
			c.say("%s sets %q of a service to %q", what, name, string(value))
		}
	}
}

// check says what does not fit together in a backup.
func (b Backup) check() error {
	c := newChecker()
	c.whole = true
	if _, ok := routeros.FindMark(routeros.Mark{Plan: b.Plan, Slot: "x"}.String()); !ok {
		c.say("%q is not the name of a plan", b.Plan)
	}
	if _, err := routeros.ParseVersion(b.Version); err != nil {
		c.say("%v", err)
	}
	for _, m := range b.Menus {
		c.table(m)
	}
	c.steps(b.Steps)
	return c.err()
}

func newChecker() *checker {
	return &checker{rows: map[routeros.Menu]map[string]bool{}, gone: map[routeros.Menu]map[string]bool{}}
}

// check says what does not fit together in saved changes.
func (s Saved) check() error {
	c := newChecker()
	named := map[string]bool{}
	for i, r := range s.Routers {
		switch {
		case r.Name == "" || r.Address == "" || r.Key == "":
			c.say("router %d has no name, no address or no key", i+1)
		case named[r.Name]:
			c.say("the router %q is there twice", r.Name)
		case r.States < 0:
			c.say("the number of proved states of the router %q is %d", r.Name, r.States)
		case r.Transport != "api" && r.Transport != "api-ssl":
			c.say("the router %q is reached by %q, which nothing can do", r.Name, r.Transport)
		case r.Pin != "" && !pinForm.MatchString(r.Pin):
			c.say("the router %q has the pin %q, which is none", r.Name, r.Pin)
		}
		named[r.Name] = true
		one := newChecker()
		one.steps(r.Steps)
		for _, problem := range one.problems {
			c.say("router %q: %s", r.Name, problem)
		}
	}
	return c.err()
}
