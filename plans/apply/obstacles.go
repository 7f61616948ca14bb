package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Obstacles are what a router says of all that [Run] would refuse to begin for, or be refused:
// somebody else at work, a scheduler that does not run, rights that the user lacks. Reading them
// writes nothing.
type Obstacles struct {
	version            routeros.Version
	login              string
	work               []api.Result // answers to vacancy
	mode, user, groups api.Result
}

// ReadObstacles asks for them, in one flight. login is the router's user; empty when that is not known.
func ReadObstacles(ctx context.Context, s Session, v routeros.Version, login string) (Obstacles, error) {
	commands := vacancy(v)
	first := len(commands)
	commands = append(commands, routeros.Print(routeros.DeviceMode), routeros.Print(routeros.User).Where("name="+login), routeros.Print(routeros.UserGroup))
	results, err := s.Batch(ctx, commands)
	if err != nil {
		return Obstacles{}, err
	}
	return Obstacles{v, login, results[:first], results[first], results[first+1], results[first+2]}, nil
}

// Refusal is the error with which [Run] would refuse a change set, in the same words; nil when
// nothing is known to stand in its way. The options are those of the run.
func (b Obstacles) Refusal(c diff.ChangeSet, o Options) error {
	if !c.Changed() {
		return nil
	}
	if o.Delay == 0 {
		o.Delay = DefaultDelay
	}
	if _, err := atWork(b.work, o); err != nil {
		return err
	}
	_, guards, err := partsOf(o, c)
	if err != nil {
		return err
	}
	for _, g := range guards {
		if err := b.unfit(g); err != nil {
			return err
		}
	}
	g := guard(unguarded{})
	if len(guards) > 0 {
		g = guards[0]
	}
	if policies, known := b.policies(); known && !(slices.Contains(policies, "read") && slices.Contains(policies, "write")) {
		return denied(g, "not enough permissions (9)")
	}
	if g.name() == DeadMan && b.mode.Err == nil && len(b.mode.Rows) > 0 {
		if what, remedy := deviceMode(b.mode.Rows[0]); what != "" {
			return &ProtectionError{"the dead-man can't be armed: " + what, remedy}
		}
	}
	return nil
}

// unfit says what of a change is beyond its protection, or of the protection beyond its router.
func (b Obstacles) unfit(g guard) error {
	switch g := g.(type) {
	case *scheduled:
		return g.tooLong()
	case *safeMode:
		if len(b.work) < 2 || lacks(b.work[1]) {
			return noSafeMode()
		}
		return g.tooMany()
	}
	return nil
}

// lacks reports whether a router does not have a menu.
func lacks(result api.Result) bool {
	_, none := errors.AsType[*api.UnknownMenuError](result.Err)
	return none
}

// policies are those of the user's group; known is false when the router does not tell.
func (b Obstacles) policies() (policies []string, known bool) {
	if b.login == "" || b.user.Err != nil || len(b.user.Rows) != 1 {
		return nil, false
	}
	at := slices.IndexFunc(b.groups.Rows, func(row routeros.Attributes) bool { return row.Get("name") == b.user.Rows[0].Get("group") })
	if b.groups.Err != nil || at < 0 || !b.groups.Rows[at].Has("policy") {
		return nil, false
	}
	return strings.Split(b.groups.Rows[at].Get("policy"), ","), true
}

// Unread says what could not be read, for those who want to know: a run may still be refused for that.
func (b Obstacles) Unread() []string {
	var out []string
	if _, known := b.policies(); !known {
		out = append(out, fmt.Sprintf("whether the user %q may change the router can't be read from its users and groups", b.login))
	}
	if b.mode.Err != nil && !lacks(b.mode) {
		out = append(out, "whether the device-mode lets the scheduler run can't be read")
	}
	return out
}

// denied says that the user may not do what a protection needs; message is the router's.
func denied(g guard, message string) error {
	what := map[Protection]string{SafeMode: "safe mode can't be taken", DeadMan: "the dead-man can't be armed", None: "nothing can be changed"}[g.name()]
	return &ProtectionError{what + ": " + message, "give the user's group the policies read and write"}
}

func noSafeMode() error {
	return &ProtectionError{"this RouterOS has no safe mode over the API, which came with 7.18", "use --protect=dead-man"}
}

// tooMany says that safe mode does not remember that many steps.
func (g *safeMode) tooMany() error {
	if g.steps <= mostUnderSafeMode {
		return nil
	}
	return &ProtectionError{fmt.Sprintf("%d steps are more than safe mode remembers (%d)", g.steps, mostUnderSafeMode), "use --protect=dead-man"}
}

// tooLong says that the way back does not go into the router's scheduler.
func (g *scheduled) tooLong() error {
	if len(g.script) <= maxScript {
		return nil
	}
	return &ProtectionError{
		fmt.Sprintf("the way back is a script of %d bytes, more than a router is known to take (%d)", len(g.script), maxScript),
		"change less at once, for example one address family after the other",
	}
}

const deviceModeRemedy = "allow the scheduler at the device with /system/device-mode/update scheduler=yes, which wants its button or a power cycle; or " + unprotectedRemedy

// deviceMode says what of a router's device-mode keeps the scheduler from running; nothing when it
// does not say so.
func deviceMode(row routeros.Attributes) (what, remedy string) {
	switch {
	case row.Bool("flagged"):
		return "the device is flagged: something was changed on it that should not have been, and it adds no scheduler entries",
			"find out what happened to it, and clear the flag at the device with /system/device-mode/update flagged=no; or " + unprotectedRemedy
	case row.Has("scheduler") && !row.Bool("scheduler"), !row.Has("scheduler") && row.Get("mode") == "home":
		return strings.ToValidUTF8("the device-mode "+row.Get("mode")+" switches the scheduler off", "\uFFFD"), deviceModeRemedy
	}
	return "", ""
}
