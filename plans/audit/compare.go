package audit

import "github.com/rosknock/rosknock/routeros"

// Comparison is what a change makes of a router: two reports by one rule.
type Comparison struct {
	Before, After Report
	// Notes say under which condition the two hold.
	Notes []string
}

// Compare reports on a router before a change and after it. A family is looked at in both or in
// neither, so that what only the reports would say differently is never taken for a difference of
// the router: a plan adds IPv6 rules also where the router has neither rules nor addresses of IPv6,
// and [Router] says nothing of IPv6 before that. What is not known before is not known after.
func Compare(before, after routeros.Snapshot) Comparison {
	var c Comparison
	why := func(f routeros.Family) silence {
		first, then := silent(before, f), silent(after, f)
		switch {
		case first == bare && then == "", first == "" && then == bare:
			return ""
		case first != "":
			return first
		}
		return then
	}
	c.Before, c.After = router(before, why), router(after, why)
	if why(routeros.IPv6) == "" && !has6(before) && !has6(after) {
		c.Notes = append(c.Notes, bareThen)
	}
	return c
}
