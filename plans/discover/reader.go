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
	vpns    []vpn           // those that doors may name
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
// and udp, and for the other protocols of VPNs. Further rules stay as they are.
func (r *reader) opens(d *Door) *why {
	var rows []opening
	for _, everything := range []bool{true, false} {
		for at := range r.rows {
			row := &r.rows[at]
			if row.Attrs.Get("src-address-list") != d.Trusted.List || row.Action() != "accept" || row.Disabled() || row.Dynamic || !r.entered[row.Chain()] || (protocolOf(firewall.Compile(row)) == "") != everything {
				continue
			}
			o, text := r.opening(at)
			if text == "" && slices.ContainsFunc(rows, func(b opening) bool { return b.slot() == o.slot() || b.protocol == "" }) {
				text = "it is another rule that accepts the list, and a door has one for each protocol: it stays as it is"
			}
			if text != "" {
				r.miss(*row, d.Trusted.List, text)
				continue
			}
			rows = append(rows, o)
		}
	}
	r.accepts(d, rows)
	if len(d.Opens) > 0 {
		return nil
	}
	if menu, row := r.sparing(d.Trusted.List); row != nil {
		return &why{menu, row, fmt.Sprintf("it lets members of %s in by stopping all others, and a door accepts its list by a rule of its own: write a plan with this knock and a gate, apply it, and then remove this rule", d.Trusted.List)}
	}
	return &why{text: "no rule for packets to the router accepts the list as a door does: doors open services, VPNs and ports of the router itself"}
}

// accepts makes the rows what a door opens. Rows that only a VPN has are left out where the door
// does not open all of it.
func (r *reader) accepts(d *Door, rows []opening) {
	all := rows
	open := r.whole(rows, r.vpns)
	for {
		rest := slices.DeleteFunc(slices.Clone(rows), func(o opening) bool { return o.onlyVPN() && !explained(o.match, open) })
		if len(rest) == len(rows) {
			break
		}
		rows, open = rest, r.whole(rest, r.vpns)
	}
	for _, o := range all {
		if !slices.ContainsFunc(rows, func(b opening) bool { return b.at == o.at }) {
			r.miss(r.rows[o.at], d.Trusted.List, noPorts)
			continue
		}
		slot := d.Name + "/open"
		if o.protocol == "" {
			d.Opens = append(d.Opens, plans.Target{Kind: plans.Everything})
		} else {
			slot += "-" + o.slot()
		}
		for _, t := range r.targets(o.match, open) {
			if !slices.Contains(d.Opens, t) {
				d.Opens = append(d.Opens, t)
			}
		}
		d.Rules = append(d.Rules, Rule{Slot: slot, Rule: r.rows[o.at], found: o.found, at: o.at})
	}
	r.vpnNotes(d.Name, all, open)
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

// opening is a row that accepts a trusted list, or that shuts for everybody.
type opening struct {
	match
	at    int
	found plans.FoundRule
}

// onlyVPN reports whether a plan has such packets only as those of a VPN.
func (o opening) onlyVPN() bool { return o.protocol != "" && (o.ports == nil || o.policy != "") }

const noPorts = "it opens a protocol without ports, or packets out of a tunnel: a door can only open these as part of a VPN that runs on the router, and only if it opens all of that VPN"

// opening reads which packets an accept opens, or says why a door can't.
func (r *reader) opening(at int) (opening, string) {
	row := &r.rows[at]
	o := opening{match: matchOf(row), at: at}
	known := []string{"action", "protocol", "dst-port", "src-address-list"}
	if o.protocol != "" && o.policy == "in,ipsec" {
		known = append(known, "ipsec-policy")
	}
	found, text := differs(row.Canonical(), known, nil)
	o.found = found
	named := func(v vpn) bool {
		return slices.ContainsFunc(v.needs, func(m match) bool { return m.slot() == o.slot() })
	}
	switch {
	case text != "":
	case o.protocol == "" && row.Attrs.Has("dst-port"):
		text = "it names ports and no protocol"
	case o.protocol != "" && !o.sound(row), o.onlyVPN() && !slices.ContainsFunc(r.vpns, named):
		text = noPorts
	}
	return o, text
}

// sound reports whether the row asks for ports just where its protocol has them.
func (o opening) sound(row *routeros.Rule) bool {
	if o.protocol == "tcp" || o.protocol == "udp" {
		return len(o.ports) > 0 && o.ports[0].First > 0
	}
	return !row.Attrs.Has("dst-port")
}

// matchOf is which packets a row asks for.
func matchOf(row *routeros.Rule) match {
	c := firewall.Compile(row)
	ports, _ := c.Ports()
	return match{protocol: protocolOf(c), ports: ports, policy: row.Canonical().Get("ipsec-policy")}
}

// targets names the services and the VPNs that listen on ports; the ports between them stay ports.
func (r *reader) targets(m match, open []vpn) []plans.Target {
	var out []plans.Target
	for _, run := range m.ports {
		for port := int(run.First); port <= int(run.Last); port++ {
			out = r.target(out, m, uint16(port), open) // #nosec G115 -- a port
		}
	}
	return out
}

// target adds what listens on a port, or the port, which may follow a port before it.
func (r *reader) target(out []plans.Target, m match, port uint16, open []vpn) []plans.Target {
	if name := r.serviceAt(m.protocol, port); name != "" {
		return append(out, plans.Target{Kind: plans.ServiceTarget, Name: name})
	}
	named := false
	for _, v := range open {
		if v.has(m, port) {
			out, named = append(out, plans.Target{Kind: plans.VPNTarget, Name: v.name}), true
		}
	}
	if named {
		return out
	}
	if n := len(out) - 1; n >= 0 && out[n].Kind == plans.PortTarget && int(out[n].Port.Last)+1 == int(port) {
		out[n].Port.Last = port
		return out
	}
	return append(out, plans.Target{Kind: plans.PortTarget, Protocol: m.protocol, Port: routeros.PortRange{First: port, Last: port}})
}

// serviceAt names the enabled service that listens on a port of a protocol.
func (r *reader) serviceAt(protocol string, port uint16) string {
	if protocol != "tcp" {
		return ""
	}
	return r.service(port, false)
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
