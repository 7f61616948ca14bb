package routeros

import "time"

// ListEntry is one row of an address list.
type ListEntry struct {
	ID       string
	List     string
	Address  string // an address, a prefix, a range, or a DNS name
	Comment  string
	Disabled bool
	// Dynamic entries have a time-out, come from a rule, or are the addresses of a DNS entry.
	// They are gone after a reboot (routeros-facts § 3).
	Dynamic bool
	// Timeout is the time left, when Timed.
	Timeout time.Duration
	Timed   bool
	// Created is the router's own text, in its own time zone and date form.
	Created string
}

// ReadListEntry makes an entry of a row. A time-out that can't be read counts as timed with
// nothing left.
func ReadListEntry(row Attributes) ListEntry {
	e := ListEntry{
		ID:       row.Get(".id"),
		List:     row.Get("list"),
		Address:  row.Get("address"),
		Comment:  row.Get("comment"),
		Disabled: row.Bool("disabled"),
		Dynamic:  row.Bool("dynamic"),
		Created:  row.Get("creation-time"),
	}
	if text, ok := row.Lookup("timeout"); ok {
		e.Timed = true
		e.Timeout, _ = ParseDuration(text)
	}
	return e
}

// Range returns the addresses that the entry covers; ok is false for a DNS name.
func (e ListEntry) Range() (AddressRange, bool) {
	r, err := ParseAddressRange(e.Address)
	return r, err == nil
}

// Mark returns the mark in the entry's comment, if it carries one.
func (e ListEntry) Mark() (Mark, bool) { return FindMark(e.Comment) }

// Key is what the router wants to be unique among enabled entries: the list and the address in
// canonical form (routeros-facts § 3).
func (e ListEntry) Key() string { return e.List + "\x00" + Canonical("address", e.Address) }

// Attributes returns the row in the form in which it would be added again: timed entries with
// their remaining time, static ones without.
func (e ListEntry) Attributes() Attributes {
	row := MakeAttributes("list", e.List, "address", e.Address)
	if e.Comment != "" {
		row = row.With("comment", e.Comment)
	}
	if e.Disabled {
		row = row.With("disabled", "true")
	}
	if e.Timed {
		row = row.With("timeout", FormatDuration(e.Timeout))
	}
	return row
}
