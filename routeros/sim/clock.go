package sim

import (
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// clock is the two clocks of a router. Options.Now advances evenly: time-outs, delays and sessions
// use it. The wall clock is Now plus a shift: dates, the scheduler and rules about the time of day
// use that one.
type clock struct {
	options *Options
	shift   time.Duration
	jumped  time.Time // what it was last set to
}

// when is the time at which the wall clock shows a moment, if nobody sets it.
func (c *clock) when(moment time.Time) time.Time {
	if moment.IsZero() {
		return moment
	}
	return moment.Add(-c.shift)
}

// checkDate refuses a date that is not in the version's form (routeros-facts § 1.6).
func (o *Options) checkDate(text string) *trap {
	if _, err := time.Parse(o.dateForm(), text); err != nil {
		return &trap{"invalid date", ""}
	}
	return nil
}

// dateForm is the version's form of a date: ISO from 7.10 on (routeros-facts § 8).
func (o *Options) dateForm() string {
	if o.Version.AtLeast(7, 10) {
		return "2006-01-02"
	}
	return "Jan/02/2006"
}

// nextRunText prints when a scheduler entry runs (routeros-facts § 15).
func (c *clock) nextRunText(moment, now time.Time) string {
	at := moment.In(c.options.Zone)
	if c.options.Knobs.NextRunShort && c.options.Version.AtLeast(7, 10) && at.Year() == c.wall(now).In(c.options.Zone).Year() {
		return at.Format("01-02 15:04:05")
	}
	return c.short(moment, now)
}

func (c *clock) now() time.Time { return c.options.Now() }

// wall is what the wall clock shows at a time.
func (c *clock) wall(t time.Time) time.Time { return t.Add(c.shift) }

// short prints a moment as logs and schedulers of RouterOS before 7.10 do: without the date when it
// is today, and without the year when it is this one (routeros-facts § 15).
func (c *clock) short(moment, now time.Time) string {
	moment, now = moment.In(c.options.Zone), c.wall(now).In(c.options.Zone)
	switch {
	case c.options.Version.AtLeast(7, 10) || moment.Year() != now.Year():
		return c.stamp(moment)
	case moment.YearDay() != now.YearDay():
		return strings.ToLower(moment.Format("Jan/02 15:04:05"))
	}
	return moment.Format("15:04:05")
}

// stamp prints a moment of the wall clock in the version's form (routeros-facts § 3).
func (c *clock) stamp(moment time.Time) string {
	return c.date(moment) + moment.In(c.options.Zone).Format(" 15:04:05")
}

func (c *clock) date(moment time.Time) string {
	return strings.ToLower(moment.In(c.options.Zone).Format(c.options.dateForm()))
}

// row is /system/clock.
func (c *clock) row(at time.Time) routeros.Attributes {
	now := c.wall(at).In(c.options.Zone)
	return routeros.MakeAttributes("time", now.Format("15:04:05"), "date", c.date(now), "time-zone-autodetect", "false",
		"time-zone-name", c.options.Zone.String(), "gmt-offset", now.Format("-07:00"), "dst-active", routeros.FormatBool(now.IsDST()))
}

// ShiftClock sets the wall clock forward or back, like a time server that answers late. A scheduler
// entry runs when the clock has reached its next-run: once and at once if the clock jumps over it,
// late if the clock goes back (routeros-facts § 6.2).
func (r *Router) ShiftClock(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shiftClock(d)
}

func (r *Router) shiftClock(d time.Duration) {
	now := r.expire() // by the old clock
	r.clock.shift += d
	r.clock.jumped = r.clock.wall(now)
	r.ends(now)
}

// setClock is /system/clock/set.
func (q *request) setClock() *trap {
	now := q.clock.wall(q.now).In(q.options.Zone)
	day, clock := q.clock.date(now), now.Format("15:04:05")
	if text, ok := q.attrs["date"]; ok {
		day = text
	}
	if text, ok := q.attrs["time"]; ok {
		clock = text
	}
	if problem := q.options.checkDate(day); problem != nil {
		return problem
	}
	at, err := time.ParseInLocation(q.options.dateForm()+" 15:04:05", day+" "+clock, q.options.Zone)
	if err != nil {
		return invalidValue("time")
	}
	q.record(q.menu, "changed")
	q.shiftClock(at.Sub(now.Truncate(time.Second)))
	return nil
}
