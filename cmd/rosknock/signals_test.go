package main

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/apply"
)

// TestInsists: what is the second signal of somebody who does not want to wait, and what only looks
// like it.
func TestInsists(t *testing.T) {
	type one struct {
		signal os.Signal
		after  time.Duration
	}
	hangup, interrupt, end := syscall.SIGHUP, os.Interrupt, syscall.SIGTERM
	for name, c := range map[string]struct {
		signals []one
		at      int // which of them ends the program; -1: none
	}{
		"Ctrl-C":                             {[]one{{interrupt, 0}}, -1},
		"Ctrl-C twice":                       {[]one{{interrupt, 0}, {interrupt, 0}}, 1},
		"kill twice":                         {[]one{{end, 0}, {end, time.Second}}, 1},
		"kill, then Ctrl-C":                  {[]one{{end, 0}, {interrupt, 0}}, 1},
		"timeout, which kills twice":         {[]one{{end, 0}, {end, time.Millisecond}}, -1},
		"timeout, then somebody insists":     {[]one{{end, 0}, {end, time.Millisecond}, {end, time.Second}}, 2},
		"hangup by the shell and the system": {[]one{{hangup, 0}, {hangup, time.Second}, {hangup, time.Hour}}, -1},
		"hangup, then the session is killed": {[]one{{hangup, 0}, {end, time.Second}, {hangup, time.Second}}, -1},
		"hangup, then somebody insists":      {[]one{{hangup, 0}, {end, time.Second}, {end, time.Minute}}, 2},
		"Ctrl-C, then the terminal goes":     {[]one{{interrupt, 0}, {hangup, time.Second}}, -1},
	} {
		var said interrupts
		got := -1
		for i, s := range c.signals {
			if said.insists(s.signal, time.Unix(0, 0).Add(s.after)) && got < 0 {
				got = i
			}
		}
		if got != c.at {
			t.Errorf("%s: it ends at signal %d, not %d", name, got, c.at)
		}
	}
}

// TestLeft: a program that ends at once says of each router what becomes of it.
func TestLeft(t *testing.T) {
	var u underway
	says := func(want string) {
		t.Helper()
		if got := u.left(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	says("no router was being changed")
	done := u.begin("r2", apply.Auto)
	u.begin("r1", apply.DeadMan)
	says("what was sent to r1, r2 and not confirmed is rolled back by the router itself (safe mode or dead-man); look with rosknock diff")
	done()
	u.begin("r3", apply.None)
	says("what was sent to r1 and not confirmed is rolled back by the router itself (safe mode or dead-man); nothing rolls back what was sent to r3; look with rosknock diff")
}
