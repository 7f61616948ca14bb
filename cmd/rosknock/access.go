package main

// access is how a command reaches routers, and what it finds there of secrets, certificates and the
// state folder: its surroundings, and what flags, the environment and the settings file say.
type access struct {
	env
	settings
}
