package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Obstacles are a router's answers about all reasons for which [Run] would refuse to begin, or the
// router would refuse it: somebody else at work, a scheduler that does not run, missing policies of
// the user. Reading them writes nothing.
type Obstacles struct {
	version            routeros.Version
	login              string
	work               []api.Result // answers to vacancy
	mode, user, groups api.Result
}

// ReadObstacles reads them in one batch. login is the router's user; empty if it is unknown.
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

// Refusal is the error with which [Run] would refuse a change set, in the same words; nil if no
// obstacle is known. The options are those of the run.
func (b Obstacles) Refusal(c change.ChangeSet, o Options) error {
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

// unfit says why a protection can't cover a change, or why the router does not support it.
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

// policies are those of the user's group; known is false if the router does not show them.
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

// Unread lists what could not be read: a run may still be refused for that.
func (b Obstacles) Unread() []string {
	var out []string
	if _, known := b.policies(); !known {
		out = append(out, fmt.Sprintf("the router's users and groups do not show whether the user %q may change it", b.login))
	}
	if b.mode.Err != nil && !lacks(b.mode) {
		out = append(out, "the device-mode can't be read: it may switch the scheduler off")
	}
	return out
}

// denied says that the user's policies do not allow a protection; message is the router's.
func denied(g guard, message string) error {
	what := map[Protection]string{SafeMode: "safe mode can't be taken", DeadMan: "the dead-man can't be armed", None: "nothing can be changed"}[g.name()]
	return &ProtectionError{what + ": " + message, "give the user's group the policies read and write"}
}

func noSafeMode() error {
	return &ProtectionError{"this RouterOS has no safe mode over the API, which needs 7.18 or later", "use --protect=dead-man"}
}

// tooMany says that safe mode can't hold that many steps.
func (g *safeMode) tooMany() error {
	if g.steps <= mostUnderSafeMode {
		return nil
	}
	return &ProtectionError{fmt.Sprintf("%d steps are more than safe mode remembers (%d)", g.steps, mostUnderSafeMode), "use --protect=dead-man"}
}

// tooLong says that the undo script is too long for the router's scheduler.
func (g *scheduled) tooLong() error {
	if len(g.script) <= maxScript {
		return nil
	}
	return &ProtectionError{
		fmt.Sprintf("the undo script has %d bytes, more than a router is known to accept (%d)", len(g.script), maxScript),
		"change less at once, for example one address family after the other",
	}
}

const deviceModeRemedy = "allow the scheduler at the device with /system/device-mode/update scheduler=yes, which needs a press of its button or a power cycle; or " + unprotectedRemedy

// deviceMode says which setting of a router's device-mode keeps the scheduler from running; empty
// if none does.
func deviceMode(row routeros.Attributes) (what, remedy string) {
	switch {
	case row.Bool("flagged"):
		return "the device is flagged as possibly compromised, and adds no scheduler entries",
			"find out what happened to it, and clear the flag at the device with /system/device-mode/update flagged=no; or " + unprotectedRemedy
	case row.Has("scheduler") && !row.Bool("scheduler"), !row.Has("scheduler") && row.Get("mode") == "home":
		return strings.ToValidUTF8("the device-mode "+row.Get("mode")+" switches the scheduler off", "\uFFFD"), deviceModeRemedy
	}
	return "", ""
}
