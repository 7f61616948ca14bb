package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// check is a condition under which a script stops, and its message.
type check struct{ unless, what string }

// checks are the conditions before the first step. A script can't compute a digest. So in each
// chain that the steps touch, it counts the static rules, the rules with each comment, and the
// rules with the plan's mark. And it checks every row that a step names, the interface lists that
// new rules need, and the services.
func (w *writer) checks(plan string) ([]check, error) {
	var out []check
	for _, menu := range w.touched() {
		switch {
		case menu.IsRuleTable():
			out = append(out, w.marks(menu, plan))
			for _, chain := range w.chains(menu) {
				out = append(out, w.chain(menu, chain)...)
			}
		case menu != routeros.ServiceMenu:
			out = append(out, w.marks(menu, plan))
		}
	}
	named, err := w.named()
	if err != nil {
		return nil, err
	}
	out = slices.Concat(out, named, w.lists(), w.services())
	var once []check
	for _, c := range out {
		if !slices.ContainsFunc(once, func(o check) bool { return o.unless == c.unless }) {
			once = append(once, c)
		}
	}
	return once, nil
}

// touched lists the menus of the steps.
func (t track) touched() []routeros.Menu {
	var menus []routeros.Menu
	for _, step := range t.steps {
		if !slices.Contains(menus, step.Menu) {
			menus = append(menus, step.Menu)
		}
	}
	return menus
}

// marks counts the plan's own rows. The pattern writes the bracket without a backslash, which
// strings and patterns would each interpret in their own way.
func (t track) marks(menu routeros.Menu, plan string) check {
	n := 0
	for _, r := range change.Rows(t.states[0], menu) {
		if strings.Contains(r.Attrs.Get("comment"), "[rosknock "+plan+"/") {
			n++
		}
	}
	what := fmt.Sprintf("%s does not hold the same rows of the plan %s as before (%d)", menu, plan, n)
	if n == 0 {
		what = fmt.Sprintf("%s holds rows of the plan %s already", menu, plan)
	}
	return expect(menu, "find comment~"+script.Quoted("[[]rosknock "+plan+"/"), n, what)
}

// expect is a check that a find matches a number of rows.
func expect(menu routeros.Menu, find string, n int, what string) check {
	return check{fmt.Sprintf("[:len [%s %s]] != %d", script.Path(menu), find, n), what}
}

// chains lists the chains of a table that steps change.
func (t track) chains(menu routeros.Menu) []string {
	var out []string
	for i, step := range t.steps {
		chain := step.Set.Get("chain")
		if step.Op != change.Add {
			chain = attributesOf(t.states[i], menu, step.ID).Get("chain")
		}
		if step.Menu == menu && !slices.Contains(out, chain) {
			out = append(out, chain)
		}
	}
	return out
}

// chain counts a chain's static rules, all of them and those with the same comment and action.
func (t track) chain(menu routeros.Menu, chain string) []check {
	var rules []change.Row
	for _, r := range change.Rows(t.states[0], menu) {
		if r.Attrs.Get("chain") == chain && !r.Dynamic {
			rules = append(rules, r)
		}
	}
	out := []check{expect(menu, "find chain="+script.Quoted(chain)+" dynamic=no", len(rules), fmt.Sprintf("the chain %s of %s does not hold as many rules as before (%d)", chain, menu, len(rules)))}
	for _, r := range rules {
		out = append(out, likeOne(menu, rules, r)...)
	}
	return out
}

// likeOne counts the rules of a chain with the comment and action of a given rule. A rule that was
// added without an action accepts, and is printed without one (routeros-facts § 2.3). Whether a
// find for accept matches it is unknown, so both results are accepted.
func likeOne(menu routeros.Menu, rules []change.Row, r change.Row) []check {
	named := slices.DeleteFunc(slices.Clone(rules), func(o change.Row) bool { return !alike(o, r, "comment") })
	like := slices.DeleteFunc(slices.Clone(named), func(o change.Row) bool { return !alike(o, r, "action") })
	bare := slices.DeleteFunc(slices.Clone(named), func(o change.Row) bool { return o.Attrs.Has("action") })
	text := undo.Conditions(menu, r.Attrs) + " dynamic=no"
	what := func(n int) string {
		return fmt.Sprintf("the chain %s of %s does not hold %s as before", r.Attrs.Get("chain"), menu, described(r, n))
	}
	action := r.Attrs.Get("action")
	if action == "" {
		return []check{expect(menu, text, len(named), what(len(named)))}
	}
	all := expect(menu, text+" action="+script.Quoted(action), len(like), what(len(like)))
	if action != "accept" || len(bare) == 0 {
		return []check{all}
	}
	found := strings.TrimSuffix(all.unless, fmt.Sprintf("!= %d", len(like)))
	return []check{{fmt.Sprintf("%s< %d", found, len(like)), all.what}, {fmt.Sprintf("%s> %d", found, len(like)+len(bare)), all.what}}
}

// described names the rules in a message of the router.
func described(r change.Row, n int) string {
	what := "without a comment"
	if comment := r.Attrs.Get("comment"); comment != "" {
		what = "\"" + comment + "\""
	}
	if action := r.Attrs.Get("action"); action != "" {
		what = action + " " + what
	}
	if n > 1 {
		return fmt.Sprintf("%d rules %s", n, what)
	}
	return "the rule " + what
}

// named checks every row of a table or list that steps name and that exists from the beginning.
func (t track) named() ([]check, error) {
	var out []check
	for _, step := range t.steps {
		for _, id := range []string{step.ID, step.Before} {
			if _, there := change.FindRow(t.states[0], step.Menu, id); !there || step.Menu == routeros.ServiceMenu {
				continue
			}
			text, err := name(t.states[0], step.Menu, id)
			if err != nil {
				return nil, err
			}
			out = append(out, expect(step.Menu, text, 1, "a row of "+string(step.Menu)+" does not exist exactly once"))
		}
	}
	return out, nil
}

// lists checks the interface lists of new rules, without which the router would refuse them.
func (t track) lists() []check {
	var out []check
	for _, step := range t.steps {
		for _, name := range []string{"in-interface-list", "out-interface-list"} {
			list := strings.TrimPrefix(step.Set.Get(name), "!")
			if list != "" && !slices.Contains([]string{"all", "none", "dynamic", "static"}, list) {
				out = append(out, expect(routeros.InterfaceLists, "find name="+script.Quoted(list), 1, "there is no interface list "+list))
			}
		}
	}
	return out
}

// services checks that the services that change are still the same.
func (t track) services() []check {
	var out []check
	for i, step := range t.steps {
		r, ok := change.FindRow(t.states[0], routeros.ServiceMenu, step.ID)
		if step.Menu != routeros.ServiceMenu || !ok {
			continue
		}
		text := serviceName(t.states[i].Version, r)
		out = append(out, expect(step.Menu, text+assigned(r.Attrs.Only("disabled", "port")), 1, "the service "+r.Attrs.Get("name")+" is not as it was before"))
	}
	return out
}
