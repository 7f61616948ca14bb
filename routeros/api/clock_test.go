package api_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

// TestClock: a router's clock is read in its zone, and what sets it only when it is asked for.
func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 21, 23, 30, 0, 0, time.UTC)
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/St_Johns"} {
		for _, version := range []string{"6.49", "7.8", "7.20"} {
			for _, test := range []struct {
				state string
				want  routeros.NTPClient
			}{
				{"", routeros.NTPClient{Known: true, State: "disabled"}},
				{"synchronized", routeros.NTPClient{Known: true, Enabled: true, Synchronized: true, State: "synchronized"}},
				{"waiting", routeros.NTPClient{Known: true, Enabled: true, State: "waiting"}},
			} {
				v, err := routeros.ParseVersion(version)
				if err != nil {
					t.Fatal(err)
				}
				where, err := time.LoadLocation(zone)
				if err != nil {
					t.Fatal(err)
				}
				session, err := simulated(t, sim.Options{Version: v, Now: func() time.Time { return now }, Zone: where, NTP: test.state}, "admin", "")
				if err != nil {
					t.Fatal(err)
				}
				plain, err := session.Snapshot(t.Context())
				if err != nil || plain.NTP.Known || !plain.Clock.Equal(now) || plain.Clock.Location().String() != zone {
					t.Errorf("%s %s: %v, %s, %+v", zone, version, err, plain.Clock, plain.NTP)
				}
				s, err := session.SnapshotWithNTP(t.Context())
				if err != nil || s.NTP != test.want || s.Digest() != plain.Digest() {
					t.Errorf("%s %s %s: %v, %+v", zone, version, test.state, err, s.NTP)
				}
			}
		}
	}
}

// TestClockWithoutZone: a zone that is unknown here, or that has another offset than the router
// says, leaves the clock at its offset.
func TestClockWithoutZone(t *testing.T) {
	for _, zone := range []*time.Location{time.FixedZone("manual", 3600), time.FixedZone("Europe/Berlin", 5*3600), time.FixedZone("../../etc/passwd", -3600), time.FixedZone("Local", 7200)} {
		now := time.Date(2026, 11, 21, 23, 30, 0, 0, time.UTC)
		session, err := simulated(t, sim.Options{Now: func() time.Time { return now }, Zone: zone}, "admin", "")
		if err != nil {
			t.Fatal(err)
		}
		s, err := session.Snapshot(t.Context())
		if err != nil || !s.Clock.Equal(now) || s.Clock.Location().String() != "" {
			t.Errorf("%s: %v, %s in %q", zone, err, s.Clock, s.Clock.Location())
		}
	}
}
