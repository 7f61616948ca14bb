package starter

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// mostShown is how much of a router's text stands in a comment.
const mostShown = 120

// mostRefusal is how much of a refusal does.
const mostRefusal = 1000

// columns is where a comment is wrapped.
const columns = 98

// page is a plan file that is being written.
type page struct{ strings.Builder }

// say writes a comment, wrapped, with every line at the same indent.
func (p *page) say(indent, text string) {
	line := indent + "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > columns && line != indent+"#" {
			p.WriteString(line + "\n")
			line = indent + "#"
		}
		line += " " + word
	}
	p.WriteString(line + "\n")
}

// put writes a line as it is.
func (p *page) put(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// text writes the draft as a plan file.
func (d *draft) text() []byte {
	p := &page{}
	d.writeHead(p)
	d.writeDoor(p)
	d.writeAllow(p)
	d.writeGate(p)
	d.writeServices(p)
	d.writeFirewall(p)
	return []byte(p.String())
}

func (d *draft) writeHead(p *page) {
	what := "A rosknock plan"
	if id := routeros.Visible(d.router.Identity, mostShown); id != "" {
		what += " for " + id
	}
	if d.Source != "" {
		what += ", read from " + routeros.Visible(d.Source, mostShown)
	}
	p.say("", what+": what has to be knocked, and what that opens.")
	p.say("", "This file holds the knock. Treat it like a password.")
	for _, r := range d.refusals {
		p.say("", "As it stands, an apply would be refused ("+r.Risk+"): "+routeros.Visible(r.What, mostRefusal)+". What helps: "+routeros.Visible(r.Remedy, mostRefusal)+".")
	}
	p.put("version: 1")
	p.put("name: %s", quoted(d.Name))
}

func (d *draft) writeDoor(p *page) {
	stages := make([]string, len(d.Knock))
	for i, s := range d.Knock {
		stages[i] = s.Reveal()
	}
	p.put("\ndoors:\n  admin:")
	p.say("    ", "Packets to these ports, in this order. Nothing has to listen there.")
	p.put("    knock: [%s]", strings.Join(stages, ", "))
	p.put("    stage-timeout: 10s            # the most time between two knocks")
	p.put("    trusted: {list: rosknock-%s-trusted, for: %s}", d.Name, cmp.Or(d.For, "8h"))
	p.say("    ", "What a trusted address may reach.")
	for _, s := range d.services {
		if s.closed != "" {
			p.say("    ", fmt.Sprintf("%s is not among it: %s.", s.name, s.closed))
		}
	}
	p.put("    opens: %s", list(d.opens()))
	if d.on != "" {
		p.say("    ", "Where the door has to open. Packets of strangers don't get as far as the door on the other interfaces.")
		p.put("    on: %s", list([]string{d.on}))
	}
	p.WriteString(plans.Traps(d.quarantine, d.Decoys))
	for _, why := range d.noTraps {
		p.say("    ", "The door has "+routeros.Visible(why, mostRefusal)+".")
	}
}

func (d *draft) writeAllow(p *page) {
	p.put("")
	p.say("", "Sources that never need to knock. Each of them reaches what is gated today, too: nobody reaches more by it"+d.butNamed()+". Keep at least one way in that needs no knock: lists with a time-out are empty after a reboot.")
	head := "allow:"
	if len(d.allow) == 0 {
		head = "# allow:"
		p.say("", d.whyNobody())
	}
	p.put("%s", head)
	for _, key := range []string{interfaceLists, interfaces, addressLists, addresses} {
		d.writeSources(p, key)
	}
	for _, a := range d.turnedAway() {
		p.say("  ", fmt.Sprintf("Left out: %s: %s: %s.", a.key, list([]string{a.value}), d.rejected[a]))
	}
	if !slices.ContainsFunc(d.allow, func(a allowed) bool { return a.key == addresses }) {
		p.put("  # addresses: [198.51.100.7, 2001:db8:77::/48]")
	}
}

// butNamed is what the head of the allow-list adds where the operator named somebody.
func (d *draft) butNamed() string {
	if slices.ContainsFunc(d.allow, func(a allowed) bool { return a.said }) {
		return ", but for whom you named"
	}
	return ""
}

// writeSources writes a key of the allow-list, with what is known of its values.
func (d *draft) writeSources(p *page, key string) {
	var values, own []string
	for _, a := range d.allow {
		if a.key != key {
			continue
		}
		if values = append(values, a.value); a.why == "" {
			own = append(own, a.value)
		}
	}
	if values == nil {
		return
	}
	if own != nil {
		p.say("  ", "Networks and tunnels of this router: "+routeros.Visible(strings.Join(own, ", "), mostRefusal)+".")
	}
	for _, a := range d.allow {
		if a.key == key && a.why != "" {
			p.say("  ", a.why+".")
		}
	}
	p.put("  %s: %s", key, list(values))
}

// whyNobody says why no source is allowed.
func (d *draft) whyNobody() string {
	if d.gated() == nil {
		return "Nothing is gated, so the rules of the router let in whom they let in today."
	}
	return "Nothing here shows a network of your own that reaches all that is gated: name one, or your own address."
}

// turnedAway are the sources that were tried and left out, in their order.
func (d *draft) turnedAway() []source {
	var out []source
	for a := range d.rejected {
		if !d.aside[a] {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b source) int { return strings.Compare(a.key+a.value, b.key+b.value) })
	return out
}

func (d *draft) writeGate(p *page) {
	gated := d.gated()
	p.put("")
	if gated == nil {
		p.say("", d.whyNothing())
		p.put("# gate:\n#   services: [ssh, winbox]")
	} else {
		p.say("", "What is shut for everybody else: the services for management that run on this router.")
		p.put("gate:\n  services: %s", list(gated))
	}
	for _, text := range d.leftOut() {
		p.say("  ", "Left out: "+text+".")
	}
	if vpns := d.vpns(); vpns != nil {
		p.say("  ", "These VPNs run here. They stay as they are: their peers, other sites too, would have to knock before they connect. To gate them, remove the # of the line below, and add their names to opens.")
		p.put("  # vpns: %s", list(vpns))
	}
}

// leftOut names the services that are not gated, with the reason; those with one reason together.
func (d *draft) leftOut() []string {
	var out []string
	for i, s := range d.services {
		same := func(o service) bool { return o.left == s.left }
		if s.left == "" || slices.ContainsFunc(d.services[:i], same) {
			continue
		}
		var names []string
		for _, o := range d.services {
			if same(o) {
				names = append(names, o.name)
			}
		}
		out = append(out, strings.Join(names, ", ")+": "+s.left)
	}
	return out
}

// whyNothing says why nothing is gated.
func (d *draft) whyNothing() string {
	if len(d.services) == 0 {
		return "None of the services for management runs on this router, so there is nothing to gate yet."
	}
	return "Nothing is gated: rules of the router shut its services for strangers already. The door opens them."
}

func (d *draft) writeServices(p *page) {
	p.put("")
	switch {
	case d.disable == nil && !d.wwwStays():
		p.say("", "telnet, ftp and www are off already.")
		return
	case d.disable == nil:
	default:
		p.say("", "Services that carry passwords in clear, and run here. Knocking does not make them safe.")
	}
	if d.wwwStays() {
		p.say("", "www runs too and is left alone: something here hints at a certificate that is renewed over port 80. It is not gated either: add it to gate.services or to services.disable if that is not so.")
	} else if slices.Contains(d.disable, "www") {
		p.say("", "If a certificate of Let's Encrypt is renewed over port 80 of this router, take www out.")
	}
	if d.disable != nil {
		p.put("services:\n  disable: %s", list(d.disable))
	}
}

// wwwStays reports whether www runs and is not switched off.
func (d *draft) wwwStays() bool {
	www, ok := d.router.Service("www")
	return ok && !www.Disabled && !slices.Contains(d.disable, "www")
}

func (d *draft) writeFirewall(p *page) {
	p.put("\nfirewall:")
	var families []string
	for _, f := range d.families {
		families = append(families, f.String())
	}
	if len(families) == 1 {
		p.say("  ", "This router has only one family, or the other one is switched off.")
	}
	p.put("  families: %s", list(families))
	if outer := d.outerLists(); outer != nil {
		p.say("  ", "Private and reserved addresses can't come from the internet: there their packets are forged, and knock in vain. Check that this list leads there.")
		p.put("  # bogons: {interface-lists: %s}", list(outer[:1]))
	}
}

// remarks say what was found and decided.
func (d *draft) remarks() []string {
	var out []string
	say := func(what string, values []string) {
		if values != nil {
			out = append(out, what+" "+strings.Join(values, ", "))
		}
	}
	say("gates", d.gated())
	for _, text := range d.leftOut() {
		out = append(out, "does not gate "+text)
	}
	var whom, named []string
	for _, a := range d.allow {
		if a.said {
			named = append(named, a.who())
		} else {
			whom = append(whom, a.who())
		}
	}
	say("lets in without a knock what reaches that today:", whom)
	say("lets in without a knock, as you said:", named)
	for _, why := range d.noTraps {
		out = append(out, "has "+routeros.Visible(why, mostRefusal))
	}
	if whom == nil && named == nil {
		out = append(out, "lets in nobody without a knock: add your own address or network under allow")
	}
	say("switches off", d.disable)
	say("leaves VPNs as they are:", d.vpns())
	return out
}

// list writes values on one line, quoted where YAML may read something else than text.
func list(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = quoted(v)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

func quoted(v string) string {
	switch strings.ToLower(v) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return strconv.Quote(v)
	}
	if plain.MatchString(v) {
		return v
	}
	return strconv.Quote(v)
}
