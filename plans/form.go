package plans

import "github.com/rosknock/rosknock/routeros"

// form describes one value of a plan file. The reader, its "did you mean" and the JSON Schema all
// come from the one tree of forms that planForm returns.
type form struct {
	kind   formKind
	fields []field  // of a mapping
	one    []string // of a mapping: keys of which exactly one is required
	names  *scalar  // of a table: what its keys may be
	items  *form    // of a list's items, or a table's values
	least  int      // the fewest items of a list or table
	most   int      // the most items of a list; 0 for any number
	scalar scalar
	long   *form // of a choice: the mapping or list that is allowed instead of the scalar
	secret bool  // may hold a knock sequence: digits are masked in excerpts
	// private may hold any secret: nothing of it is shown.
	private bool
}

type formKind uint8

const (
	scalarForm  formKind = iota
	mappingForm          // fixed keys
	tableForm            // names that the operator chooses
	listForm
	choiceForm // a scalar, or a mapping or list
)

// field is one key of a mapping.
type field struct {
	name     string
	about    string
	required bool
	fallback string // the default when the key is missing, as text
	value    form
}

// scalar describes one word or number.
type scalar struct {
	what    string   // "a port", as messages put it
	pattern string   // for the schema
	enum    []string // all words that there are
	hints   []string // words to suggest if there is no enum
	forward bool     // the name of a forward of the plan is allowed too
	any     bool     // numbers and truth values as well as text
	number  bool
	min     int
	max     int
	secret  bool // never quoted in a message
	// check returns why a text is invalid and what to write instead; "" if it is valid.
	check func(text string) (why, remedy string)
}

func planForm() form {
	return mapping(
		field{name: "version", required: true, about: "The version of the plan format.",
			value: number("the version of the format", 1, 1)},
		field{name: "name", required: true, about: "The plan's name, part of every mark on a router.",
			value: form{scalar: nameScalar()}},
		field{name: "doors", required: true, about: "Knock sequences and what they open, by name.",
			value: form{kind: tableForm, names: new(nameScalar()), items: new(doorForm()), least: 1}},
		field{name: "allow", about: "Sources that never need to knock.", value: mapping(
			field{name: "addresses", about: "Permanent addresses and prefixes.", value: list(addressScalar())},
			field{name: "interface-lists", about: "Interface lists of the router.", value: list(textScalar("an interface list"))},
			field{name: "interfaces", about: "Single interfaces of the router, such as that of a VPN.", value: list(textScalar("an interface"))},
			field{name: "address-lists", about: "Address lists of somebody else, taken as they are.", value: list(textScalar("an address list"))})},
		field{name: "gate", about: "Services that are closed to everybody who is neither allowed nor trusted.", value: mapping(
			field{name: "services", about: "Services of /ip/service.", value: list(serviceScalar())},
			field{name: "vpns", about: "VPNs, with all their protocols and ports, as they run on the router. Where the router does not tell a port, name it.", value: form{kind: listForm, items: new(vpnForm())}},
			field{name: "ports", about: "What has no name, as tcp/8443 or udp/5000-5010.", value: list(portScalar())},
			field{name: "forwards", about: "Services behind the router that are reached through a port of it, by destination NAT.", value: forwardsForm()})},
		field{name: "services", about: "The desired state of /ip/service.", value: servicesForm()},
		field{name: "firewall", about: "Where the rules go, and in which form.", value: firewallForm()},
	)
}

func doorForm() form {
	f := mapping(
		field{name: "knock", about: "The stages, in order, 64 at most. A stage may be used again, but not right after itself. A door has either this or rotate.",
			value: form{kind: listForm, items: new(stageForm()), least: 1, most: MostStages, secret: true}},
		field{name: "stage-timeout", fallback: "10s", about: "How long each stage remembers a source.",
			value: form{scalar: durationScalar()}},
		field{name: "stage-lists", fallback: "rosknock-<plan>-<door>",
			about: "The prefix of the names of the stage lists; _1, _2 and so on follow. Or all their names, one for each stage but the last.",
			value: form{kind: choiceForm, scalar: textScalar("a list name"), long: new(list(textScalar("a list name")))}},
		field{name: "trusted", required: true, about: "The list that the last stage fills.", value: mapping(
			field{name: "list", required: true, about: "Its name.", value: form{scalar: textScalar("a list name")}},
			field{name: "for", required: true,
				about: "How long an entry lasts. There is no default: the operator has to choose how long a source stays trusted. none-dynamic lasts until a reboot, none-static for ever.",
				value: form{scalar: timeoutScalar()}})},
		field{name: "opens", fallback: "[everything]", about: "What the trusted list may reach: services, VPNs, tcp/8443, udp/5000-5010, forwards by their names, or everything: the whole router, and all forwards.",
			value: form{kind: listForm, items: &form{scalar: targetScalar()}, least: 1}},
		field{name: "wrong-knock", fallback: "ignore",
			about: "What happens to a source that touches a stage out of order. With quarantine it has to begin again, after a while.",
			value: form{scalar: scalar{what: "ignore or quarantine", enum: []string{Ignore.String(), Quarantine.String()}}}},
		field{name: "decoys", about: "Traps: a source that touches one is quarantined. They are written like stages.",
			value: form{kind: listForm, items: new(stageForm()), least: 1, secret: true}},
		field{name: "quarantine-for", about: "How long a quarantine lasts: longer than any stage. By default twice the stage-timeout, and at least 1m.",
			value: form{scalar: durationScalar()}},
		field{name: "log", about: "Logging of finished knocks.", value: mapping(
			field{name: "prefix", required: true, about: "What each line begins with.", value: form{scalar: textScalar("a prefix")}},
			field{name: "limit", fallback: "10/1m", about: "The most lines per time.", value: form{scalar: limitScalar()}})},
		field{name: "on", about: "Interface lists of the router on which the door has to open. By default every interface by which strangers come in: those with a default route or a masquerade.",
			value: form{kind: listForm, items: &form{scalar: textScalar("an interface list")}, least: 1}},
		field{name: "rotate", about: "A knock that changes with time, in place of a fixed one.", value: rotateForm()},
	)
	f.one = []string{"knock", "rotate"}
	return f
}

func rotateForm() form {
	f := mapping(
		field{name: "secret", about: "Where the secret is kept from which the knocks are derived: env:NAME, file:PATH, command:LINE, keyring:NAME or prompt. It has 16 characters or more. Needed without users.",
			value: form{scalar: credentialScalar("the secret"), private: true}},
		field{name: "users", about: "People with a knock of their own, by name, with the place where the secret of each is kept. Each gets a door DOOR-NAME with a trusted list LIST-NAME.",
			value: form{kind: tableForm, names: new(nameScalar()), items: &form{scalar: credentialScalar("the secret"), private: true}, least: 1}},
		field{name: "user", about: "Whose knock this is, for a door of one person.", value: form{scalar: nameScalar()}},
		field{name: "payload", about: "How many characters the packets of udp stages have to carry. They are derived from the secret too.", value: number("a number of characters", 16, 64)},
		field{name: "stages", fallback: "5", about: "How many stages each knock has.", value: number("a number of stages", 3, 16)},
		field{name: "ports", fallback: "10000-60000", about: "The range of their ports.", value: form{scalar: portsScalar()}},
		field{name: "every", fallback: "1h", about: "How long a knock is valid: whole minutes, from 1m to 7d.", value: form{scalar: durationScalar()}},
		field{name: "overlap", fallback: "10m", about: "How much earlier and later it also opens, for clocks that differ: less than half of every.", value: form{scalar: durationScalar()}},
		field{name: "ahead", about: "Install the knocks of a day or a week on the router in advance, each with its hours. If nobody installs the next ones, they repeat. This time must be a multiple of every, and 500 rules are the most, over both address families.",
			value: form{scalar: scalar{what: "1d or 7d", enum: []string{"1d", "7d"}}}},
	)
	f.one = []string{"secret", "users"}
	return f
}

func stageForm() form {
	long := mapping(
		field{name: "protocol", required: true, about: "tcp, udp or icmp.",
			value: form{scalar: scalar{what: "a protocol", enum: []string{"tcp", "udp", "icmp"}}}},
		field{name: "port", about: "The port of a tcp or udp stage.", value: secretNumber("a port", 1, 65535)},
		field{name: "size", about: "The whole IP packet of an icmp stage, header included.", value: secretNumber("a packet size", 28, 65535)},
		field{name: "payload", about: "The bytes that the packet of a udp or icmp stage has to carry.", value: payloadForm()},
	)
	return form{kind: choiceForm, scalar: stageScalar(), long: &long, secret: true}
}

// payloadForm does not allow the text itself: a plan is shown and kept in more places than a secret
// should be.
func payloadForm() form {
	f := mapping(field{name: "secret", required: true, about: "Where the text is kept: env:NAME, file:PATH, command:LINE, keyring:NAME or prompt. It has 8 to 100 printable characters.",
		value: form{scalar: credentialScalar("the payload"), private: true}})
	f.private = true
	return f
}

// vpnForm is a name, or a name with the port that the router does not tell.
func vpnForm() form {
	long := mapping(
		field{name: "name", required: true, about: "Its name.", value: form{scalar: vpnScalar()}},
		field{name: "port", required: true, about: "The port on which it listens; of wireguard, openvpn and sstp.", value: number("a port", 1, 65535)},
	)
	return form{kind: choiceForm, scalar: vpnScalar(), long: &long}
}

func servicesForm() form {
	return mapping(
		field{name: "disable", about: "Services to disable.", value: list(serviceScalar())},
		field{name: "ports", about: "Services to move to a port.",
			value: form{kind: tableForm, names: new(serviceScalar()), items: new(number("a port", 1, 65535))}},
		field{name: "from", about: "Services that answer only some prefixes.",
			value: form{kind: tableForm, names: new(serviceScalar()),
				items: &form{kind: listForm, items: &form{scalar: addressScalar()}, least: 1}}},
	)
}

func firewallForm() form {
	before := mapping(field{name: "before", required: true, about: "The comment of the rule to stand before.",
		value: form{scalar: textScalar("a comment")}})
	return mapping(
		field{name: "families", fallback: "[ipv4, ipv6]", about: "The families to work on.",
			value: form{kind: listForm, least: 1,
				items: &form{scalar: scalar{what: "a family", enum: []string{"ipv4", "ipv6"}}}}},
		field{name: "layout", fallback: "chain", about: "chain: a chain of rosknock behind one jump. inline: rules in input itself.",
			value: form{scalar: scalar{what: "a layout", enum: []string{Chain.String(), Inline.String()}}}},
		field{name: "as-found", about: "How rules that existed before differ from those that rosknock writes, as rosknock import found them. Only with layout: inline.", value: foundForm()},
		field{name: "place", fallback: "auto", about: "Where the rules go.",
			value: form{kind: choiceForm, scalar: scalar{what: "a place", enum: []string{"auto"}}, long: &before}},
		field{name: "bogons", about: "Source addresses that don't exist on the internet, such as private ones. On these interfaces their packets count as forged: they never knock, and no door is open to them.",
			value: mapping(
				field{name: "interface-lists", required: true, about: "Interface lists of the router that lead to the internet.",
					value: form{kind: listForm, items: new(form{scalar: textScalar("an interface list")}), least: 1}},
				field{name: "except", about: "Reserved addresses that do come in there, for example if the WAN is a private network itself.", value: list(addressScalar())},
				field{name: "also", about: "Other addresses that never come in there: 100.64.0.0/10 if the provider does not use it, or your own networks.", value: list(addressScalar())})},
	)
}

func mapping(fields ...field) form { return form{kind: mappingForm, fields: fields} }

func list(s scalar) form { return form{kind: listForm, items: &form{scalar: s}} }

func number(what string, least, most int) form {
	return form{scalar: scalar{what: what, number: true, min: least, max: most}}
}

func secretNumber(what string, least, most int) form {
	f := number(what, least, most)
	f.scalar.secret = true
	return f
}

func serviceScalar() scalar {
	var names []string
	for _, s := range routeros.Services() {
		names = append(names, s.Name)
	}
	return scalar{what: "a service", enum: names}
}

func vpnScalar() scalar { return scalar{what: "a VPN", enum: VPNs()} }

// field returns the field of a name.
func (f form) field(name string) (field, bool) {
	for _, k := range f.fields {
		if k.name == name {
			return k, true
		}
	}
	return field{}, false
}

// fieldNames lists the keys.
func (f form) fieldNames() []string {
	var names []string
	for _, k := range f.fields {
		names = append(names, k.name)
	}
	return names
}
