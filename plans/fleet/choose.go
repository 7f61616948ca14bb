package fleet

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Member is what patterns match.
type Member struct {
	Name   string
	Site   string // "" is none
	Groups []string
	Tags   []string
}

// sitePrefix stands before a pattern for sites. No name, group or tag has a colon.
const sitePrefix = "site:"

func (m Member) matches(pattern string) bool {
	if site, ok := strings.CutPrefix(pattern, sitePrefix); ok {
		fits, _ := path.Match(site, cmp.Or(m.Site, "-"))
		return fits
	}
	fits := func(word string) bool {
		ok, _ := path.Match(pattern, word)
		return ok
	}
	return fits(m.Name) || slices.ContainsFunc(m.Groups, fits) || slices.ContainsFunc(m.Tags, fits)
}

// Select chooses members by patterns: names, groups and tags, or sites with site: in front, with
// * ? and [a-z] in them; site:- chooses members without a site. A pattern with ! in front excludes
// what it matches, wherever it stands; with only such patterns, all others are chosen. No pattern
// chooses all. The result is the indices, in order. A pattern that matches nothing is an error: it
// is usually a typing mistake.
func Select(members []Member, patterns []string) ([]int, error) {
	var in, out []string
	for _, text := range patterns {
		for pattern := range strings.SplitSeq(text, ",") {
			pattern = strings.TrimSpace(pattern)
			bare, not := strings.CutPrefix(pattern, "!")
			if _, err := path.Match(bare, ""); err != nil || bare == "" || bare == sitePrefix {
				return nil, fmt.Errorf("%q is not a pattern: names, groups, tags and site:NAME are expected, with * ? and [a-z], or ! in front", pattern)
			}
			if !slices.ContainsFunc(members, func(m Member) bool { return m.matches(bare) }) {
				return nil, fmt.Errorf("%q matches no router, group, tag or site of the inventory", pattern)
			}
			if not {
				out = append(out, bare)
			} else {
				in = append(in, bare)
			}
		}
	}
	var chosen []int
	for i, m := range members {
		if (len(in) == 0 || slices.ContainsFunc(in, m.matches)) && !slices.ContainsFunc(out, m.matches) {
			chosen = append(chosen, i)
		}
	}
	if len(chosen) == 0 && len(members) > 0 {
		return nil, fmt.Errorf("%s leaves no router", strings.Join(patterns, ","))
	}
	return chosen, nil
}
