package plans

import (
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// document is what messages call a plan file. A plan with a hundred doors takes 40 KiB.
func document() form.Document {
	return form.Document{What: "a plan", Plural: "plans", MaxBytes: 1 << 20,
		TooLarge: "the file is larger than 1 MiB", Empty: "the smallest plan has a version, a name and one door; rosknock init writes one"}
}

// planForm describes a plan file. The reader, its "did you mean", the JSON Schema and the reference
// all come from it.
func planForm() form.Form {
	return form.Mapping(
		form.Field{Name: "version", Required: true, About: "The version of the plan format.",
			Value: form.Number("the version of the format", 1, 1)},
		form.Field{Name: "name", Required: true, About: "The plan's name, part of every mark on a router.",
			Value: form.Of(nameScalar())},
		form.Field{Name: "doors", Required: true, About: "Knock sequences and what they open, by name.",
			Value: form.Table(nameScalar(), doorForm()).AtLeast(1)},
		form.Field{Name: "allow", About: "Sources that never need to knock.", Value: form.Mapping(
			form.Field{Name: "addresses", About: "Permanent addresses and prefixes.", Value: form.List(form.Of(addressScalar()))},
			form.Field{Name: "interface-lists", About: "Interface lists of the router.", Value: form.List(form.Of(form.TextScalar("an interface list")))},
			form.Field{Name: "interfaces", About: "Single interfaces of the router, such as that of a VPN.", Value: form.List(form.Of(form.TextScalar("an interface")))},
			form.Field{Name: "address-lists", About: "Address lists of somebody else, taken as they are.", Value: form.List(form.Of(form.TextScalar("an address list")))})},
		form.Field{Name: "gate", About: "Services that are closed to everybody who is neither allowed nor trusted.", Value: form.Mapping(
			form.Field{Name: "services", About: "Services of /ip/service.", Value: form.List(form.Of(serviceScalar()))},
			form.Field{Name: "vpns", About: "VPNs, with all their protocols and ports, as they run on the router. Where the router does not tell a port, name it.", Value: form.List(vpnForm())},
			form.Field{Name: "ports", About: "What has no name, as tcp/8443 or udp/5000-5010.", Value: form.List(form.Of(portScalar()))},
			form.Field{Name: "forwards", About: "Services behind the router that are reached through a port of it, by destination NAT.", Value: forwardsForm()})},
		form.Field{Name: "services", About: "The desired state of /ip/service.", Value: servicesForm()},
		form.Field{Name: "firewall", About: "Where the rules go, and in which form.", Value: firewallForm()},
	)
}

func doorForm() form.Form {
	return form.Mapping(
		form.Field{Name: "knock", About: "The stages, in order, 64 at most. A stage may be used again, but not right after itself. A door has either this or rotate.",
			Value: form.List(stageForm()).AtLeast(1).AtMost(MostStages).Secret()},
		form.Field{Name: "stage-timeout", Fallback: "10s", About: "How long each stage remembers a source.",
			Value: form.Of(form.DurationScalar())},
		form.Field{Name: "stage-lists", Fallback: "rosknock-<plan>-<door>",
			About: "The prefix of the names of the stage lists; _1, _2 and so on follow. Or all their names, one for each stage but the last.",
			Value: form.Choice(form.TextScalar("a list name"), form.List(form.Of(form.TextScalar("a list name"))))},
		form.Field{Name: "trusted", Required: true, About: "The list that the last stage fills.", Value: form.Mapping(
			form.Field{Name: "list", Required: true, About: "Its name.", Value: form.Of(form.TextScalar("a list name"))},
			form.Field{Name: "for", Required: true,
				About: "How long an entry lasts. There is no default: the operator has to choose how long a source stays trusted. none-dynamic lasts until a reboot, none-static for ever.",
				Value: form.Of(timeoutScalar())},
			form.Field{Name: "networks", About: "The name of a second list, for whole networks that you let in by hand, with rosknock trusted add. Without it, trusted add takes only single addresses: a knock from inside a network of the first list would extend the whole network.",
				Value: form.Of(form.TextScalar("a list name"))})},
		form.Field{Name: "opens", Fallback: "[everything]", About: "What trusted sources may reach: services, VPNs, tcp/8443, udp/5000-5010, forwards by their names, or everything: the whole router, and all forwards.",
			Value: form.List(form.Of(targetScalar())).AtLeast(1)},
		form.Field{Name: "wrong-knock", Fallback: "ignore",
			About: "What happens to a source that touches a stage out of order. With quarantine it has to begin again, after a while.",
			Value: form.Of(form.Scalar{What: "ignore or quarantine", Enum: []string{Ignore.String(), Quarantine.String()}})},
		form.Field{Name: "decoys", About: "Traps: a source that touches one is quarantined. They are written like stages.",
			Value: form.List(stageForm()).AtLeast(1).Secret()},
		form.Field{Name: "quarantine-for", About: "How long a quarantine lasts: longer than any stage. By default twice the stage-timeout, and at least 1m.",
			Value: form.Of(form.DurationScalar())},
		form.Field{Name: "log", About: "Logging of finished knocks.", Value: form.Mapping(
			form.Field{Name: "prefix", Required: true, About: "What each line begins with.", Value: form.Of(form.TextScalar("a prefix"))},
			form.Field{Name: "limit", Fallback: "10/1m", About: "The most lines per time.", Value: form.Of(limitScalar())})},
		form.Field{Name: "on", About: "Interface lists of the router on which the door has to open. By default every interface by which strangers come in: those with a default route or a masquerade.",
			Value: form.List(form.Of(form.TextScalar("an interface list"))).AtLeast(1)},
		form.Field{Name: "rotate", About: "A knock that changes with time, in place of a fixed one.", Value: rotateForm()},
	).ExactlyOne("knock", "rotate")
}

func rotateForm() form.Form {
	return form.Mapping(
		form.Field{Name: "secret", About: "Where the secret is kept from which the knocks are derived: env:NAME, file:PATH, command:LINE, keyring:NAME or prompt. It has 16 characters or more. Needed without users.",
			Value: form.Of(CredentialScalar("the secret")).Private()},
		form.Field{Name: "users", About: "People with a knock of their own, by name, with the place where the secret of each is kept. Each gets a door DOOR-NAME with a trusted list LIST-NAME, and a list of networks of such a name, if the plan has one.",
			Value: form.Table(nameScalar(), form.Of(CredentialScalar("the secret")).Private()).AtLeast(1)},
		form.Field{Name: "user", About: "Whose knock this is, for a door of one person.", Value: form.Of(nameScalar())},
		form.Field{Name: "payload", About: "How many characters the packets of udp stages have to carry. They are derived from the secret too.", Value: form.Number("a number of characters", 16, 64)},
		form.Field{Name: "stages", Fallback: "5", About: "How many stages each knock has.", Value: form.Number("a number of stages", 3, 16)},
		form.Field{Name: "ports", Fallback: "10000-60000", About: "The range of their ports.", Value: form.Of(portsScalar())},
		form.Field{Name: "every", Fallback: "1h", About: "How long a knock is valid: whole minutes, from 1m to 7d.", Value: form.Of(form.DurationScalar())},
		form.Field{Name: "overlap", Fallback: "10m", About: "How much earlier and later it also opens, for clocks that differ: less than half of every.", Value: form.Of(form.DurationScalar())},
		form.Field{Name: "ahead", About: "Install the knocks of a day or a week on the router in advance, each with its hours. If nobody installs the next ones, they repeat. This time must be a multiple of every, and 500 rules are the most, over both address families.",
			Value: form.Of(form.Scalar{What: "1d or 7d", Enum: []string{"1d", "7d"}})},
	).ExactlyOne("secret", "users")
}

func stageForm() form.Form {
	long := form.Mapping(
		form.Field{Name: "protocol", Required: true, About: "tcp, udp or icmp.",
			Value: form.Of(form.Scalar{What: "a protocol", Enum: []string{"tcp", "udp", "icmp"}})},
		form.Field{Name: "port", About: "The port of a tcp or udp stage.", Value: secretNumber("a port", 1, 65535)},
		form.Field{Name: "size", About: "The whole IP packet of an icmp stage, header included.", Value: secretNumber("a packet size", 28, 65535)},
		form.Field{Name: "payload", About: "The bytes that the packet of a udp or icmp stage has to carry.", Value: payloadForm()},
	)
	return form.Choice(stageScalar(), long).Secret()
}

// payloadForm does not allow the text itself: a plan is shown and kept in more places than a secret
// should be.
func payloadForm() form.Form {
	return form.Mapping(form.Field{Name: "secret", Required: true, About: "Where the text is kept: env:NAME, file:PATH, command:LINE, keyring:NAME or prompt. It has 8 to 100 printable characters.",
		Value: form.Of(CredentialScalar("the payload")).Private()}).Private()
}

// vpnForm is a name, or a name with the port that the router does not tell.
func vpnForm() form.Form {
	return form.Choice(vpnScalar(), form.Mapping(
		form.Field{Name: "name", Required: true, About: "Its name.", Value: form.Of(vpnScalar())},
		form.Field{Name: "port", Required: true, About: "The port on which it listens; of wireguard, openvpn and sstp.", Value: form.Number("a port", 1, 65535)},
	))
}

func servicesForm() form.Form {
	return form.Mapping(
		form.Field{Name: "disable", About: "Services to disable.", Value: form.List(form.Of(serviceScalar()))},
		form.Field{Name: "ports", About: "Services to move to a port.",
			Value: form.Table(serviceScalar(), form.Number("a port", 1, 65535))},
		form.Field{Name: "from", About: "Services that answer only some prefixes.",
			Value: form.Table(serviceScalar(), form.List(form.Of(addressScalar())).AtLeast(1))},
	)
}

func firewallForm() form.Form {
	before := form.Mapping(form.Field{Name: "before", Required: true, About: "The comment of the rule to stand before.",
		Value: form.Of(form.TextScalar("a comment"))})
	return form.Mapping(
		form.Field{Name: "families", Fallback: "[ipv4, ipv6]", About: "The families to work on.",
			Value: form.List(form.Of(form.Scalar{What: "a family", Enum: []string{"ipv4", "ipv6"}})).AtLeast(1)},
		form.Field{Name: "layout", Fallback: "chain", About: "chain: a chain of rosknock behind one jump. inline: rules in input itself.",
			Value: form.Of(form.Scalar{What: "a layout", Enum: []string{Chain.String(), Inline.String()}})},
		form.Field{Name: "as-found", About: "How rules that existed before differ from those that rosknock writes, as rosknock import found them. Only with layout: inline.", Value: foundForm()},
		form.Field{Name: "place", Fallback: "auto", About: "Where the rules go.",
			Value: form.Choice(form.Scalar{What: "a place", Enum: []string{"auto"}}, before)},
		form.Field{Name: "bogons", About: "Source addresses that don't exist on the internet, such as private ones. On these interfaces their packets count as forged: they never knock, and no door is open to them.",
			Value: form.Mapping(
				form.Field{Name: "interface-lists", Required: true, About: "Interface lists of the router that lead to the internet.",
					Value: form.List(form.Of(form.TextScalar("an interface list"))).AtLeast(1)},
				form.Field{Name: "except", About: "Reserved addresses that do come in there, for example if the WAN is a private network itself.", Value: form.List(form.Of(addressScalar()))},
				form.Field{Name: "also", About: "Other addresses that never come in there: 100.64.0.0/10 if the provider does not use it, or your own networks.", Value: form.List(form.Of(addressScalar()))})},
	)
}

func secretNumber(what string, least, most int) form.Form {
	return form.Of(form.Scalar{What: what, Number: true, Min: least, Max: most, Secret: true})
}

func serviceScalar() form.Scalar {
	var names []string
	for _, s := range routeros.Services() {
		names = append(names, s.Name)
	}
	return form.Scalar{What: "a service", Enum: names}
}

func vpnScalar() form.Scalar { return form.Scalar{What: "a VPN", Enum: VPNs()} }
