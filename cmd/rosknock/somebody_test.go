package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// intrusion is what happens on a router in the middle of a change of plan.
type intrusion struct {
	version string
	// It happens before the command that comes number-th of its kind, or, where after is set,
	// before the next one.
	command func(words []string) bool
	number  int
	after   bool
	happens func(s *site) error
	code    exitCode
	outcome string
	says    []string
}

// filterCommand tells the commands of one kind to the filter: such a verb, with such an attribute.
func filterCommand(verb, attribute string) func(words []string) bool {
	return func(words []string) bool {
		return words[0] == "/ip/firewall/filter/"+verb && slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "="+attribute) })
	}
}

func sentence(path string) func(words []string) bool {
	return func(words []string) bool { return words[0] == path }
}

// bob works on the router at its console.
func bob(path string, attrs ...string) func(*site) error {
	return func(s *site) error { return s.router.AdminAs("bob", routeros.NewCommand(path, attrs...)) }
}

// TestSomebodyElse: another administrator acts in the middle of a change of plan, or a clock jumps.
// What is said is what happened, the exit code is that of the outcome, the journal agrees, nobody
// gets in or is shut out, and one more run converges.
func TestSomebodyElse(t *testing.T) {
	built, switched, released := filterCommand("add", "chain"), filterCommand("set", "jump-target"), sentence("/safe-mode/release")
	const back = "what was done was rolled back, and the router reads back as it was before"
	for name, tt := range map[string]intrusion{
		"rolled back while the chain is built": {"7.20", built, 4, false, bob("/safe-mode/unroll"), exitFailed, "reverted", []string{
			back, "protection lost: safe mode is not held any more: somebody else released it or rolled it back", "'place-before' does not exist",
		}},
		"hijacked while the chain is built": {"7.20", built, 4, false, bob("/safe-mode/take", "on-error", "unroll"), exitFailed, "reverted", []string{
			back, "protection lost: safe mode is held by user bob over local now",
		}},
		"rolled back before the switch": {"7.20", switched, 1, false, bob("/safe-mode/unroll"), exitFailed, "reverted", []string{
			back, "protection lost at step 8 of 14: safe mode is not held any more", "the router may have been as without the plan",
		}},
		"released after the switch": {"7.20", switched, 1, true, bob("/safe-mode/release"), exitFailed, "reverted", []string{
			back, "protection lost at step 8 of 14: safe mode is not held any more", "the router may have been as without the plan",
		}},
		"hijacked after the switch": {"7.20", switched, 1, true, bob("/safe-mode/take", "on-error", "release"), exitFailed, "reverted", []string{
			back, "protection lost at step 8 of 14: safe mode is held by user bob over local now",
		}},
		"rolled back while it is released": {"7.20", released, 1, false, bob("/safe-mode/unroll"), exitFailed, "reverted", []string{
			back, "somebody changed the router while the protection was released", "the plan's rules in the chain input are not as expected",
		}},
		"released while it is released": {"7.20", released, 1, false, bob("/safe-mode/release"), exitDone, "changed", nil},
		"taken before the old chain is removed": {"7.20", released, 1, true, bob("/safe-mode/take"), exitFailed, "failed", []string{
			"the change is active, but some unused rules or list entries (6) could not be removed: run it again: safe mode is held by user bob over local",
		}},
		"the dead-man is removed while the chain is built": {"7.14", built, 4, false, bob("/system/scheduler/remove", "numbers", "rosknock-dead-man"), exitFailed, "reverted", []string{
			back, "protection lost at step 7 of 14: one of the dead-man's two entries is gone from the router's scheduler",
		}},
		"the clock jumps ahead while the chain is built": {"7.14", built, 4, false, clockBy(time.Hour), exitFailed, "reverted", []string{
			back, "protection lost: the dead-man is gone from the router's scheduler: it has run, or somebody has removed it", "'place-before' does not exist",
		}},
		"the clock jumps ahead before the switch": {"7.14", switched, 1, false, clockBy(time.Hour), exitFailed, "reverted", []string{
			back, "protection lost at step 8 of 14: the dead-man is gone from the router's scheduler", "the router may have been as without the plan",
		}},
		"the clock jumps back while the chain is built": {"7.14", built, 4, false, clockBy(-time.Hour), exitFailed, "reverted", []string{
			back, "later than it should: the router's clock was set back",
		}},
	} {
		t.Run(name, func(t *testing.T) { tt.try(t) })
	}
}

func clockBy(by time.Duration) func(*site) error {
	return func(s *site) error {
		s.ahead.Store(int64(by))
		return nil
	}
}

func (tt intrusion) try(t *testing.T) {
	s := newSite(t, tt.version, 0)
	if code := s.rosknock("apply", "first.yaml", "--yes"); code != 0 {
		t.Fatalf("%d, %s", code, s.out.String())
	}
	own, foreign := s.rules()
	exposed := s.interrupted(tt)
	code := s.rosknock("apply", "second.yaml", "--yes")
	s.before.Store(nil)
	said := strings.Join(strings.Fields(s.out.String()), " ")
	if exitCode(code) != tt.code || !strings.Contains(said, " "+tt.outcome+":") {
		t.Errorf("%d, %s", code, s.out.String())
	}
	if *exposed && !strings.Contains(said, "may have been as without the plan") {
		t.Errorf("a stranger got in, and nothing says so:\n%s", s.out.String())
	}
	if stranger, operator := s.reach(); stranger || !operator {
		t.Errorf("in the end a stranger gets in: %t, and the operator: %t", stranger, operator)
	}
	for _, words := range tt.says {
		if !strings.Contains(said, words) {
			t.Errorf("nothing says %q:\n%s", words, s.out.String())
		}
	}
	if is, _ := s.rules(); tt.outcome == "reverted" && is != own {
		t.Errorf("rolled back, it says, and there is\n%s\nwhere there was\n%s", is, own)
	}
	if s.rosknock("journal"); !strings.Contains(strings.Split(s.out.String(), "\n")[2], " "+tt.outcome+" ") {
		t.Errorf("the journal says\n%s", s.out.String())
	}
	s.router.AdminLeaves("bob")
	if code := s.rosknock("apply", "second.yaml", "--yes"); code != 0 {
		t.Errorf("the next run: %d, %s", code, s.out.String())
	}
	if code := s.rosknock("diff", "second.yaml", "--exit-code"); code != 0 {
		t.Errorf("it does not converge: %d, %s", code, s.out.String())
	}
	if _, still := s.rules(); still != foreign {
		t.Errorf("foreign rules:\n%s\nwere\n%s", still, foreign)
	}
}

// interrupted lets an intrusion happen, and looks before every command at who gets in. exposed:
// strangers did, which can only be in the round trip after the switch, on a router that has lost
// the new chain.
func (s *site) interrupted(tt intrusion) (exposed *bool) {
	var mu sync.Mutex
	seen, due, done := 0, false, false
	exposed = new(bool)
	happens := func(words []string) {
		mu.Lock()
		defer mu.Unlock()
		if tt.command(words) {
			seen++
		}
		if !done && (due || seen == tt.number && !tt.after) {
			done = true
			if err := tt.happens(s); err != nil {
				s.t.Error(err)
			}
		}
		due = seen == tt.number && tt.after
		stranger, operator := s.reach()
		if *exposed = *exposed || stranger; !operator {
			s.t.Errorf("the operator is shut out before %s", words[0])
		}
	}
	s.before.Store(&happens)
	return exposed
}
