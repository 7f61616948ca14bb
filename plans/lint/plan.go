package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

const (
	// A client sends each packet without waiting. Over a mobile network the first packet waits for
	// the radio, and a lost SYN is sent again after a second.
	shortestStage = 4 * time.Second
	// After more than a working day, an address of a café or of carrier-grade NAT belongs to
	// somebody else.
	longestTrust = 24 * time.Hour
	// By hand, on a phone, five stages take about ten seconds each.
	longestStage = time.Minute
	// Nobody reads more than one line per second, and they push out other lines.
	fastestLog   = time.Second
	largestFrame = 1500
)

// door checks a door by itself.
func (f *finder) door(d plans.Door) {
	at := "doors." + d.Name
	for i, stage := range d.Knock {
		if stage.Protocol == "icmp" && (commonPing(stage.Size) || stage.Size > largestFrame) {
			f.add("L10", at+".knock", fmt.Sprintf("stage %d has a size that is common for pings, or too large for a link", i+1),
				"every monitoring system knocks by accident, and larger packets arrive as fragments", "choose a size from 100 to 1400 that no system uses for pings")
		}
		if predictable(stage) {
			f.add("L32", at+".knock", fmt.Sprintf("stage %d is on a port that every scanner tries first, or that providers filter", i+1),
				"well-known ports are scanned all day, and filtered ones never arrive", "draw the ports with rosknock init")
		}
	}
	if d.StageTimeout < shortestStage {
		f.add("L11", at+".stage-timeout", fmt.Sprintf("a stage is remembered for %s only", routeros.FormatDuration(d.StageTimeout)),
			"over a mobile network, or when one packet is lost, the next knock comes later than that", "give it 10s")
	}
	if d.StageTimeout > longestStage {
		f.add("L36", at+".stage-timeout", fmt.Sprintf("a stage is remembered for %s", routeros.FormatDuration(d.StageTimeout)),
			"a scan that slow goes unnoticed, and an attacker who has overheard some stages has that much time to find the others", "give it 10s")
	}
	if d.Log != nil && d.Log.Per/time.Duration(d.Log.Count) < fastestLog {
		f.add("L29", at+".log.limit", fmt.Sprintf("up to %d lines in %s may go into the log", d.Log.Count, routeros.FormatDuration(d.Log.Per)),
			"a client that repeats the knock, or an attacker who forges its packets, fills the log, and on small routers the flash", "make it 10/1m")
	}
	if slices.ContainsFunc(d.Opens, func(t plans.Target) bool { return t.Kind == plans.Everything }) {
		f.add("L25", at+".opens", "a trusted address reaches every port of the router", "several people may share an address, and they need one or two services", "name the services under opens")
	}
	switch {
	case d.Trusted.For.Kind != routeros.Timed:
		f.add("L28", at+".trusted.for", "an address that has knocked is trusted for ever", "addresses change hands", "give it a time")
	case d.Trusted.For.For > longestTrust:
		f.add("L26", at+".trusted.for", fmt.Sprintf("an address is trusted for %s", d.Trusted.For), "behind carrier-grade NAT, a café or an office others have the same address",
			"shorten it: knocking again while trusted extends it")
	}
}

func commonPing(size uint16) bool { return size == 60 || size == 64 || size == 84 }

// predictable are ports that people tend to choose, that scanners try, and that providers drop.
func predictable(s plans.Stage) bool {
	if s.Protocol == "icmp" {
		return false
	}
	if s.Port < 1024 || s.Port%1000 == 0 {
		return true
	}
	text := strconv.Itoa(int(s.Port))
	if strings.Trim(text, text[:1]) == "" || strings.Contains("0123456789", text) || strings.Contains("9876543210", text) {
		return true
	}
	return slices.Contains([]uint16{1433, 1521, 1701, 1723, 2222, 3306, 3389, 5060, 5432, 5900, 6379, 7547, 8080, 8291, 8443, 8728, 8729, 8888, 13231, 27017}, s.Port)
}

// overlap: a knock that begins at the end of a window ends after it, at the latest when the router
// forgets each stage before the next.
func (f *finder) overlap(d plans.Door) {
	if d.Rotate == nil {
		return
	}
	if takes := time.Duration(d.Rotate.Stages-1) * d.StageTimeout; d.Rotate.Overlap < takes {
		f.add("L35", "doors."+d.Name+".rotate.overlap", fmt.Sprintf("the overlap is %s, and a knock may take %s", routeros.FormatDuration(d.Rotate.Overlap), routeros.FormatDuration(takes)),
			"a knock that begins at the end of a window, or with a clock that is slightly wrong, ends when it is no longer valid", "make the overlap longer: 5m or more, for clocks that differ")
	}
}

// penalty checks what wrong knocks do to others.
func (f *finder) penalty(p plans.Plan, d plans.Door) {
	remedy := "keep the time short, and have an allow-list"
	if p.Firewall.Bogons == nil {
		remedy += "; firewall.bogons prevents that inside addresses are forged outside"
	}
	if d.Quarantines() {
		f.add("L31", "doors."+d.Name+".quarantine-for", fmt.Sprintf("one packet keeps a source from knocking for %s", routeros.FormatDuration(d.QuarantineFor)),
			"an attacker who forges an address can keep its owner out for as long as the attack lasts; trusted and allowed addresses stay in", remedy)
	}
}

// scan rates the knock against sweeps.
func (f *finder) scan(d plans.Door) {
	at := "doors." + d.Name + ".knock"
	s := strength(d, sequence.Steps(d.Knock, d.StageTimeout))
	if s.Ascending || s.Descending {
		way := map[bool]string{true: "rise", false: "fall"}[s.Ascending]
		f.add("L21", at, "the ports only "+way, "one sweep of a scanner in that order plays the whole knock", "mix their order, and take one more")
	}
	if s.Random > sequence.Budget && d.Quarantines() {
		f.add("L20", at, fmt.Sprintf("one sweep of all ports in random order at %d packets/s opens the door with a chance of %.2g %%, with its quarantine and decoys", sequence.DefaultRate, 100*s.Random),
			fmt.Sprintf("after about %.0f sweeps from addresses that are not in quarantine, a scanner gets in", s.Sweeps()), enough(d)+", or more decoys")
		return
	}
	if s.Random > sequence.Budget {
		decoy := sequence.Rate(sequence.Steps(d.Knock, d.StageTimeout), sequence.DefaultRate, 1)
		f.add("L20", at, fmt.Sprintf("one sweep of all ports in random order at %d packets/s opens the door with a chance of %.2g %%; a quarantine would stop all but the first sweep of an address; with one decoy, too, the chance would be %.2g %%",
			sequence.DefaultRate, 100*s.Random, 100*decoy.Quarantined), fmt.Sprintf("after about %.0f sweeps a scanner gets in by chance", s.Sweeps()),
			fmt.Sprintf("%s, or shorten stage-timeout", enough(d)))
	}
}

// strength rates a sequence at a door with the quarantine that the door has.
func strength(d plans.Door, steps []sequence.Step) sequence.Strength {
	if d.Quarantines() {
		return sequence.RateGuarded(steps, sequence.Steps(d.Decoys, 0), sequence.DefaultRate)
	}
	return sequence.Rate(steps, sequence.DefaultRate, 0)
}

// enough says how many stages keep the chance within the budget.
func enough(d plans.Door) string {
	steps := sequence.Steps(d.Knock, d.StageTimeout)
	n := len(steps)
	for port := uint16(1); n <= sequence.MostStages; port++ {
		if strength(d, steps).Random <= sequence.Budget {
			break
		}
		steps = append(steps, sequence.Step{Protocol: steps[0].Protocol, First: 10000 + port*7, Last: 10000 + port*7, Timeout: d.StageTimeout})
		n++
	}
	return fmt.Sprintf("use %d stages", n)
}

// asFound checks stages that the plan keeps as somebody wrote them.
func (f *finder) asFound(p plans.Plan) {
	n := 0
	for _, r := range p.Firewall.AsFound.Rules {
		if r.Lacks("connection-state") {
			n++
		}
	}
	if n > 0 {
		f.add("L30", "firewall.as-found", fmt.Sprintf("%d of the rules match packets of any connection state, as they were found", n),
			"a packet of no connection counts for a stage too", "remove connection-state from without, and apply")
	}
}

// secretNames looks for the knock in texts that everybody may read.
func (f *finder) secretNames(p plans.Plan, d plans.Door) {
	names := map[string]string{"name": p.Name, "doors." + d.Name: d.Name, "doors." + d.Name + ".trusted.list": d.Trusted.List, "doors." + d.Name + ".trusted.networks": d.Trusted.Networks, "doors." + d.Name + ".stage-lists": strings.Join(append([]string{d.StageList}, d.StageNames...), " ")}
	if d.Log != nil {
		names["doors."+d.Name+".log.prefix"] = d.Log.Prefix
	}
	for _, place := range []string{"name", "doors." + d.Name, "doors." + d.Name + ".trusted.list", "doors." + d.Name + ".trusted.networks", "doors." + d.Name + ".stage-lists", "doors." + d.Name + ".log.prefix"} {
		if tells(names[place], d) {
			f.add("L33", masked(place, d), "a name reveals a part of the knock", "every read-only user, export and log shows it", "choose a name without the number")
		}
	}
}

// tells reports whether a text contains the port or size of a stage, or of a decoy, as a separate
// number.
func tells(text string, d plans.Door) bool {
	numbers := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	return slices.ContainsFunc(append(slices.Clone(d.Knock), d.Decoys...), func(s plans.Stage) bool {
		return slices.Contains(numbers, strconv.Itoa(int(max(s.Port, s.Size))))
	})
}

// masked hides a part of the knock in the name of a place.
func masked(place string, d plans.Door) string {
	if tells(d.Name, d) && strings.HasPrefix(place, "doors.") {
		return "doors"
	}
	return place
}
