package discover

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// reader reads the doors out of the filter table of one family.
type reader struct {
	router  routeros.Snapshot
	family  routeros.Family
	rows    []routeros.Rule
	entered map[string]bool // chains to which packets for the router come
	names   map[string]bool // of doors
	doors   []Door
	missing []Missing
	notes   []string
}

// why is the reason why a door is not described; at is the row that causes it.
type why struct {
	menu routeros.Menu
	at   *routeros.Rule
	text string
}

// knock makes a door of a knock that the audit found.
func (r *reader) knock(k audit.Knock) {
	if k.Shut {
		r.refuse(k.List, why{text: "the knock does not work: " + k.Why})
		return
	}
	d, blame := r.door(k.List)
	if blame != nil {
		r.refuse(k.List, *blame)
		return
	}
	r.doors = append(r.doors, d)
	if k.Why != "" {
		r.notes = append(r.notes, fmt.Sprintf("door %s: %s", d.Name, k.Why))
	}
}

// refuse says, for each rule that fills or matches the lists of a knock, why it is not described:
// for the cause, the reason; for the others, that they belong to the same knock.
func (r *reader) refuse(list string, blame why) {
	if blame.at != nil {
		r.missIn(Missing{blame.menu, *blame.at, list, blame.text, true})
		blame.text = "belongs to the same knock"
	}
	lists := []string{list}
	for i := 0; i < len(lists); i++ {
		for _, menu := range []routeros.Menu{r.family.Raw(), r.family.NAT(), r.family.Filter()} {
			for _, row := range r.router.Rules[menu] {
				asks, negated, _ := firewall.Compile(&row).List(firewall.Source)
				if row.Disabled() || row.Attrs.Get("address-list") != lists[i] && (i > 0 || asks != list) {
					continue
				}
				r.missIn(Missing{menu, row, list, blame.text, true})
				if row.Attrs.Get("address-list") == lists[i] && asks != "" && !negated && !slices.Contains(lists, asks) {
					lists = append(lists, asks)
				}
			}
		}
	}
}

// missIn records a missing rule, once.
func (r *reader) missIn(missing Missing) {
	if !slices.ContainsFunc(r.missing, func(m Missing) bool { return m.Menu == missing.Menu && m.Rule.ID == missing.Rule.ID }) {
		r.missing = append(r.missing, missing)
	}
}

// door reads the door that fills a list, or says why it is not one of a plan.
func (r *reader) door(list string) (Door, *why) {
	d := Door{Family: r.family, Door: plans.Door{Trusted: plans.Trusted{List: list}}}
	rows, blame := r.chain(list)
	if blame != nil {
		return d, blame
	}
	d.Name = r.name(list, rows)
	for i, at := range rows {
		if blame := r.stage(&d, i, at, i == len(rows)-1); blame != nil {
			return d, blame
		}
	}
	for i := 1; i < len(d.Knock); i++ {
		if d.Knock[i] == d.Knock[i-1] {
			return d, &why{r.family.Filter(), &r.rows[rows[i]], fmt.Sprintf("stages %d and %d match the same packet: adding to a list does not end the evaluation, so one packet passes both, or two of them do", i, i+1)}
		}
	}
	r.log(&d, rows[len(rows)-1])
	if blame := r.opens(&d); blame != nil {
		return d, blame
	}
	r.comments(&d)
	r.names[d.Name] = true
	return d, nil
}

// chain follows the lists back from the trusted one to the first stage, and returns the rows of the
// stages in the order of the knock.
func (r *reader) chain(list string) ([]int, *why) {
	var rows []int
	seen := map[string]bool{}
	for asked := list; asked != "" && asked[0] != '!'; {
		if rows != nil && !r.filled(asked) {
			break // a separate list, to which the first stage is limited
		}
		if seen[asked] {
			return nil, &why{text: fmt.Sprintf("the list %s leads back into itself", asked)}
		}
		seen[asked] = true
		at, blame := r.filler(asked)
		if blame != nil {
			return nil, blame
		}
		if rows = append(rows, at); len(rows) > plans.MostStages {
			return nil, &why{text: fmt.Sprintf("the knock has more than %d stages, which are the most that a plan has", plans.MostStages)}
		}
		asked = r.rows[at].Attrs.Get("src-address-list")
	}
	if rows == nil {
		return nil, &why{text: "the list has no name that a plan could have"}
	}
	slices.Reverse(rows)
	return rows, nil
}

// filled reports whether any rule fills a list.
func (r *reader) filled(list string) bool {
	return slices.ContainsFunc([]routeros.Menu{r.family.Raw(), r.family.NAT(), r.family.Filter()}, func(menu routeros.Menu) bool {
		return slices.ContainsFunc(r.router.Rules[menu], func(row routeros.Rule) bool { return row.Attrs.Get("address-list") == list })
	})
}

// filler is the one row that fills a list.
func (r *reader) filler(list string) (int, *why) {
	for _, menu := range []routeros.Menu{r.family.Raw(), r.family.NAT()} {
		rows := r.router.Rules[menu]
		for i := range rows {
			if rows[i].Attrs.Get("address-list") == list && !rows[i].Disabled() {
				return 0, &why{menu, &rows[i], fmt.Sprintf("the list is filled in %s, and the stages of a door stand in the filter table", menu)}
			}
		}
	}
	found := -1
	for i := range r.rows {
		row := &r.rows[i]
		if row.Attrs.Get("address-list") != list || row.Disabled() {
			continue
		}
		mark, marked := row.Mark()
		switch {
		case marked:
			return 0, &why{r.family.Filter(), row, fmt.Sprintf("it is a rule of the plan %s already", mark.Plan)}
		case row.Action() != "add-src-to-address-list":
			return 0, &why{r.family.Filter(), row, "it fills the list with the destination of packets"}
		case row.Dynamic:
			return 0, &why{r.family.Filter(), row, "the router made it itself, and it can't be changed"}
		case !r.entered[row.Chain()]:
			return 0, &why{r.family.Filter(), row, fmt.Sprintf("it is in the chain %s, which packets to the router don't reach", row.Chain())}
		case found >= 0:
			return 0, &why{r.family.Filter(), row, fmt.Sprintf("it is a second way into the list that %s fills, and a door has one knock", r.rows[found].ID)}
		}
		found = i
	}
	if found < 0 {
		return 0, &why{text: fmt.Sprintf("no rule fills the list %s", list)}
	}
	return found, nil
}

// entered are input and the chains to which rules lead from there.
func entered(rows []routeros.Rule) map[string]bool {
	in := map[string]bool{"input": true}
	for before := 0; before < len(in); {
		before = len(in)
		for _, r := range rows {
			if target := r.Attrs.Get("jump-target"); r.Action() == "jump" && !r.Disabled() && in[r.Chain()] && target != "" {
				in[target] = true
			}
		}
	}
	return in
}

// stage reads one stage of a door.
func (r *reader) stage(d *Door, i, at int, last bool) *why {
	row := &r.rows[at]
	blame := func(format string, args ...any) *why {
		return &why{r.family.Filter(), row, fmt.Sprintf(format, args...)}
	}
	slot := fmt.Sprintf("%s/stage-%d", d.Name, i+1)
	attrs := row.Canonical()
	stage, text := r.packet(firewall.Compile(row))
	if text != "" {
		return blame("%s", text)
	}
	timeout, err := routeros.ParseListTimeout(attrs.Get("address-list-timeout"))
	switch {
	case err != nil:
		return blame("its address-list-timeout can't be read")
	case last:
		d.Trusted.For = timeout
	case timeout.Kind != routeros.Timed:
		return blame("its list has no time-out, and a stage needs one")
	case i > 0 && timeout.For != d.StageTimeout:
		return blame("its list remembers for %s and that of the stage before for %s: a door has one stage-timeout", timeout, routeros.FormatDuration(d.StageTimeout))
	default:
		d.StageTimeout = timeout.For
	}
	if last && i == 0 {
		d.StageTimeout = plans.DefaultStageTimeout // a single stage is never remembered
	}
	usual := []string{"connection-state", "new"}
	known := []string{"action", "address-list", "address-list-timeout", "protocol", "dst-port"}
	if stage.Protocol == "icmp" {
		known = append(known, "packet-size")
		usual = append(usual, "icmp-options", map[routeros.Family]string{routeros.IPv4: "8:0-0", routeros.IPv6: "128:0-0"}[r.family])
	}
	if i > 0 {
		known = append(known, "src-address-list")
	}
	found, text := differs(attrs, known, usual)
	if text != "" {
		return blame("%s", text)
	}
	if !last {
		d.StageNames = append(d.StageNames, attrs.Get("address-list"))
	}
	d.Knock = append(d.Knock, stage)
	d.Rules = append(d.Rules, Rule{Slot: slot, Rule: *row, found: found, at: at})
	return nil
}

// packet reads which packet a stage matches, or says why a plan has no such stage.
func (r *reader) packet(c *firewall.Rule) (plans.Stage, string) {
	switch protocol := protocolOf(c); {
	case c.Has("layer7-protocol"):
		return plans.Stage{}, "it matches packets with layer7-protocol, and a plan's payload is a text anywhere in the packet (content), kept as a secret"
	case c.Has("content"):
		return plans.Stage{}, "it matches a payload, and a plan only names the place where this secret is kept: write it as a stage with payload"
	case protocol == r.family.ICMP():
		sizes, _ := c.Values(firewall.FieldSize)
		if len(sizes) != 1 || sizes[0].First != sizes[0].Last || sizes[0].First < 28 {
			return plans.Stage{}, "a stage of pings matches one packet-size of 28 or more"
		}
		return plans.Stage{Protocol: "icmp", Size: uint16(sizes[0].First)}, ""
	case protocol != "tcp" && protocol != "udp":
		return plans.Stage{}, "a stage is of tcp, udp or icmp"
	default:
		ports, _ := c.Ports()
		if len(ports) != 1 || ports[0].First != ports[0].Last || ports[0].First == 0 {
			return plans.Stage{}, "a stage matches one dst-port"
		}
		return plans.Stage{Protocol: protocol, Port: ports[0].First}, ""
	}
}

// differs says how a rule differs from the one that rosknock would write: known are the attributes
// that the plan itself has, usual the other ones that rosknock writes, with their values. The text
// is why a plan can't express it.
func differs(attrs routeros.Attributes, known, usual []string) (plans.FoundRule, string) {
	var found plans.FoundRule
	if chain := attrs.Get("chain"); chain != "input" {
		found.Chain = chain
	}
	expected := map[string]string{}
	for pair := range slices.Chunk(usual, 2) {
		expected[pair[0]] = pair[1]
		if !attrs.Has(pair[0]) {
			found.Without = append(found.Without, pair[0])
		}
	}
	for name, value := range attrs.All() {
		want, is := expected[name]
		switch {
		case slices.Contains(known, name), name == "chain", name == "comment", name == "disabled", is && want == value:
		case is:
			return found, fmt.Sprintf("its %s is %s, and a stage matches %s or nothing of it", name, value, want)
		case value == "":
			return found, fmt.Sprintf("its %s is empty, and how the router treats that is unknown", name)
		case (name == "src-address" || name == "src-address-list") && value[0] != '!':
			return found, fmt.Sprintf("it is limited to %s=%s, and a door is for every source that knocks", name, value)
		case !slices.Contains(plans.FoundMatchers(), name):
			return found, fmt.Sprintf("it matches %s, which a plan can't express", name)
		default:
			found.With = found.With.With(name, value)
		}
	}
	return found, ""
}

// name derives the name of a door from that of its list, unless that reveals a part of the knock.
func (r *reader) name(list string, stages []int) string {
	for _, at := range stages {
		attrs := r.rows[at].Attrs
		if number := attrs.Get("dst-port") + attrs.Get("packet-size"); number != "" && strings.Contains(list, number) {
			list = ""
		}
	}
	base := strings.Trim(strings.Map(func(c rune) rune {
		c = unicode.ToLower(c)
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, list), "-")
	if base = strings.Trim(base[:min(len(base), 20)], "-"); base == "" || slices.Contains([]string{"allow", "gate", "jump", "established"}, base) {
		base = strings.Trim("door-"+base, "-")
	}
	name := base
	for n := 2; r.names[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// log reads the rule that logs finished knocks, if there is one that rosknock could have written.
func (r *reader) log(d *Door, last int) {
	final := r.rows[last].Canonical()
	for at := range r.rows {
		row := &r.rows[at]
		attrs := row.Canonical()
		matchers := func(a routeros.Attributes) routeros.Attributes {
			return a.Without("action", "address-list", "address-list-timeout", "log-prefix", "limit", "comment", "log")
		}
		if row.Action() != "log" || row.Disabled() || row.Dynamic || !matchers(attrs).Equal(matchers(final)) {
			continue
		}
		limit, ok := logLimit(attrs.Get("limit"))
		if !ok || attrs.Get("log-prefix") == "" || plainText(attrs.Get("log-prefix")) == "" {
			r.part(*row, d.Trusted.List, "it logs finished knocks without a limit and a prefix that a plan could have")
			return
		}
		limit.Prefix = attrs.Get("log-prefix")
		d.Log = &limit
		stage := d.Rules[len(d.Rules)-1].found
		found := plans.FoundRule{Chain: stage.Chain, Without: stage.Without}
		for name, value := range stage.With.All() {
			if name != "log" && name != "log-prefix" && name != "limit" {
				found.With = found.With.With(name, value)
			}
		}
		d.Rules = append(d.Rules, Rule{Slot: d.Name + "/log", Rule: *row, found: found, at: at})
		return
	}
}

// part records a rule of a knock.
func (r *reader) part(row routeros.Rule, list, why string) {
	r.missIn(Missing{r.family.Filter(), row, list, why, true})
}

// logLimit reads a limit of as many packets at once as in its time, which is how rosknock writes
// it.
func logLimit(text string) (plans.Log, bool) {
	rate, burst, ok := strings.Cut(text, ",")
	count, per, hasPer := strings.Cut(rate, "/")
	if !hasPer {
		per = "1s"
	}
	n, err := strconv.Atoi(count)
	time, err2 := routeros.ParseDuration(per)
	if !ok || err != nil || err2 != nil || burst != count || n < 1 || time <= 0 {
		return plans.Log{}, false
	}
	return plans.Log{Count: n, Per: time}, true
}

// opens reads what the rules for the trusted list accept: everything, or one rule for each of tcp
// and udp. Further rules stay as they are.
func (r *reader) opens(d *Door) *why {
	var all []int
	for at := range r.rows {
		row := &r.rows[at]
		if row.Attrs.Get("src-address-list") == d.Trusted.List && row.Action() == "accept" && !row.Disabled() && !row.Dynamic && r.entered[row.Chain()] {
			all = append(all, at)
		}
	}
	used := map[string]bool{}
	accept := func(at int, everything bool) {
		row := &r.rows[at]
		protocol := protocolOf(firewall.Compile(row))
		found, text := differs(row.Canonical(), []string{"action", "protocol", "dst-port", "src-address-list"}, nil)
		targets, said := r.targets(firewall.Compile(row))
		switch {
		case text == "" && said != "":
			text = said
		case text == "" && used[protocol], text == "" && !everything && used[""]:
			text = "it is another rule that accepts the list, and a door has one for each protocol: it stays as it is"
		}
		if text != "" {
			r.miss(*row, d.Trusted.List, text)
			return
		}
		slot := d.Name + "/open"
		if protocol != "" {
			slot += "-" + protocol
		}
		used[protocol] = true
		d.Opens = append(d.Opens, targets...)
		d.Rules = append(d.Rules, Rule{Slot: slot, Rule: *row, found: found, at: at})
	}
	for _, everything := range []bool{true, false} {
		for _, at := range all {
			if (protocolOf(firewall.Compile(&r.rows[at])) == "") == everything {
				accept(at, everything)
			}
		}
	}
	if len(d.Opens) > 0 {
		return nil
	}
	if menu, row := r.sparing(d.Trusted.List); row != nil {
		return &why{menu, row, fmt.Sprintf("it lets members of %s in by stopping all others, and a door accepts its list by a rule of its own: write a plan with this knock and a gate, apply it, and then remove this rule", d.Trusted.List)}
	}
	return &why{text: "no rule for packets to the router accepts the list as a door does: doors open services, VPNs and ports of the router itself"}
}

func (r *reader) miss(row routeros.Rule, list, why string) {
	r.missIn(Missing{r.family.Filter(), row, list, why, false})
}

// sparing is the first rule that lets the members of a list in without accepting them: it stops, or
// leads on, all others, or it ends a chain for the members.
func (r *reader) sparing(list string) (routeros.Menu, *routeros.Rule) {
	for _, menu := range []routeros.Menu{r.family.Filter(), r.family.Raw()} {
		rows := r.router.Rules[menu]
		for i := range rows {
			if of, ok := firewall.Compile(&rows[i]).Spares(); ok && of == list && !rows[i].Disabled() {
				return menu, &rows[i]
			}
		}
	}
	return "", nil
}

// protocolOf is the protocol for which a rule asks, as it is written where that is not one; "" for
// none.
func protocolOf(c *firewall.Rule) string {
	if number, one := c.Protocol(); one {
		return routeros.ProtocolName(number)
	}
	asked, _ := c.Condition("protocol")
	if asked.Negated {
		return "!" + asked.Value
	}
	return asked.Value
}

// targets are what an accept opens.
func (r *reader) targets(c *firewall.Rule) ([]plans.Target, string) {
	protocol := protocolOf(c)
	if protocol == "" {
		if c.Has("dst-port") {
			return nil, "it names ports and no protocol"
		}
		return []plans.Target{{Kind: plans.Everything}}, ""
	}
	ports, asks := c.Ports()
	if protocol != "tcp" && protocol != "udp" || !asks || ports[0].First == 0 {
		return nil, "it opens a protocol without ports, which a door can't express"
	}
	var out []plans.Target
	for _, run := range ports {
		out = append(out, r.services(protocol, run)...)
	}
	return out, ""
}

// services names the services that listen on a run of ports; the ports between them stay ports.
func (r *reader) services(protocol string, run routeros.PortRange) []plans.Target {
	var out []plans.Target
	open := -1 // where a run of bare ports began
	flush := func(to int) {
		if open >= 0 {
			out = append(out, plans.Target{Kind: plans.PortTarget, Protocol: protocol, Port: routeros.PortRange{First: uint16(open), Last: uint16(to)}}) // #nosec G115 -- ports
			open = -1
		}
	}
	for port := int(run.First); port <= int(run.Last); port++ {
		name := ""
		if protocol == "tcp" {
			name = r.service(uint16(port), false) // #nosec G115 -- a port
		}
		switch {
		case name != "":
			flush(port - 1)
			out = append(out, plans.Target{Kind: plans.ServiceTarget, Name: name})
		case open < 0:
			open = port
		}
	}
	flush(int(run.Last))
	return out
}

// service names the one service that listens on a port; disabled services count only on request.
func (r *reader) service(port uint16, off bool) string {
	found := ""
	for _, svc := range r.router.Services {
		if _, known := routeros.KnownService(svc.Name); !known || svc.Dynamic || svc.Connection || svc.Port != port || svc.Disabled && !off {
			continue
		}
		if found != "" {
			return ""
		}
		found = svc.Name
	}
	return found
}

// comments keeps the texts of the rules' comments, unless they reveal a part of the knock, or can't
// be kept in a plan.
func (r *reader) comments(d *Door) {
	for i := range d.Rules {
		text := plainText(d.Rules[i].Comment())
		switch {
		case d.Rules[i].Comment() != "" && text == "":
			r.notes = append(r.notes, fmt.Sprintf("door %s: the comment of %s can't be kept in a plan; adopting replaces it", d.Name, d.Rules[i].ID))
		case text != "" && tells(text, d.Door):
			r.notes = append(r.notes, fmt.Sprintf("door %s: the comment of %s reveals a part of the knock; adopting replaces it", d.Name, d.Rules[i].ID))
			text = ""
		}
		d.Rules[i].found.Comment = text
	}
}

// tells reports whether a text contains a port or size of a knock as a separate number.
func tells(text string, d plans.Door) bool {
	numbers := strings.FieldsFunc(text, func(c rune) bool { return c < '0' || c > '9' })
	return slices.ContainsFunc(d.Knock, func(s plans.Stage) bool {
		return slices.Contains(numbers, strconv.Itoa(int(max(s.Port, s.Size))))
	})
}

// plainText is a text if a plan can hold it, otherwise "".
func plainText(text string) string {
	text = strings.TrimSpace(text)
	bad := func(c rune) bool { return !unicode.IsPrint(c) || c == unicode.ReplacementChar }
	if text == "" || len(text) > 100 || text[0] == '!' || strings.ContainsFunc(text, bad) || strings.Contains(text, "[rosknock") || strings.Contains(text, "${") {
		return ""
	}
	return text
}
