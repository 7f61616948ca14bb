// Package routeros is the vocabulary of a MikroTik router: menus, rules,
// address-list entries, services, snapshots, commands, and the values that
// stand in them (durations, addresses, port lists, marks, versions).
//
// RouterOS says most things in more than one way: 7d and 1w, yes and true,
// 192.0.2.7/32 and 192.0.2.7, protocol 6 and tcp. Everything here compares by
// meaning: [Rule.Same] is true for two rules that the router treats alike,
// however each was written.
//
// The package holds values only. It opens no socket and no file, reads no
// clock, logs nothing and depends on the standard library alone. Reading a
// router is the work of routeros/api, reading an export that of routeros/rsc.
//
//	rule := routeros.NewRule("chain", "input", "action", "drop", "protocol", "6")
//	fmt.Println(rule.Canonical().Get("protocol")) // tcp
package routeros
