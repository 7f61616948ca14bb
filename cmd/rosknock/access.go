package main

import (
	"sync"

	"github.com/rosknock/rosknock/plans/decide"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros/sshjump"
)

// access is how a command reaches routers, and what it finds there of secrets, certificates and the
// state folder: its surroundings, and what flags, the environment and the settings file say.
type access struct {
	env
	settings
}

// memory is what is read of the state folder, or computed, once for all routers.
type memory struct {
	shared *decide.Shared // what is computed for routers

	pins     sync.Once
	known    *state.Known // nil where there is no place for it
	knownErr error

	// What follows is known once the settings are read.
	format string // of the result
	silent bool   // no progress and no remarks

	takeIn  bool            // the answer was yes for all certificates
	consent map[string]bool // what was agreed to for a fleet; nil where nobody was asked

	telling *telling // nil where nobody is told how the command ends

	clear, insecure, older sync.Once // warnings

	mu   sync.Mutex              // of ways
	ways map[string]*sshjump.Way // SSH hosts, by how they are written

	plans map[string][]byte // the texts of the plan files that were read, by name
	files map[string]string // those files, by the names of the plans

	journal sync.Once
	history *state.History

	historyErr error

	addresses sync.Once
	holders   map[string][]string // keys of the inventory's routers, by address
}
