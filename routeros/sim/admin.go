package sim

import (
	"errors"

	"github.com/rosknock/rosknock/routeros"
)

// Admin lets another administrator work on the router: a user admin with all policies, whatever
// accounts there are, from a session of its own at the console. The first command that is refused
// ends the work. The session is not visible, and never ends: a safe mode that it takes is held
// until somebody ends it.
func (r *Router) Admin(commands ...routeros.Command) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.admin("local", "admin", "full").carryOut(commands)
}

// AdminAs lets a user work on the router from a session at the console, which stays until
// [Router.AdminLeaves]. The user need not have an account, and is then one of the group full. Safe
// mode that the session takes, or takes over, is held for as long.
func (r *Router) AdminAs(user string, commands ...routeros.Command) error {
	return r.AdminVia("local", user, commands...)
}

// AdminVia is [Router.AdminAs] over any service, such as api or winbox. A user has one session over
// each.
func (r *Router) AdminVia(service, user string, commands ...routeros.Command) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sessions.admin(service, user)
	if s == nil {
		r.numbered++
		group := "full"
		if account := r.tables.named(routeros.User, user); account != nil {
			group = account.get("group")
		}
		s = r.admin(service, user, group)
		s.number = uint32(r.numbered)
		r.sessions[s] = struct{}{}
	}
	return s.carryOut(commands)
}

// AdminLeaves ends the sessions of a user that [Router.AdminAs] and [Router.AdminVia] have opened,
// as a terminal that is closed: a safe mode that one of them holds is undone.
func (r *Router) AdminLeaves(user string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire()
	for s := range r.sessions {
		if s.conn == nil && s.user == user {
			r.end(s)
		}
	}
}

// admin makes a session without a connection.
func (r *Router) admin(service, user, group string) *session {
	s := &session{router: r, service: service, user: user, group: group, policy: r.tables.policyOf(group), since: r.clock.wall(r.clock.now())}
	s.queue.wake.L = &s.queue.Mutex
	return s
}

func (s *session) carryOut(commands []routeros.Command) error {
	now := s.router.expire()
	for _, c := range commands {
		q := &request{Router: s.router, session: s, menu: c.Menu(), verb: c.Verb(), attrs: map[string]string{}, now: now}
		for _, a := range c.Attrs {
			q.write(a.Name, a.Value)
		}
		if _, problem := s.command(q); problem != nil {
			return errors.New(c.Redacted() + ": " + problem.message)
		}
	}
	return nil
}

// end ends a session. One with a connection leaves the router once that is closed.
func (r *Router) end(s *session) {
	s.finish()
	if s.conn == nil {
		r.leave(s)
	}
}
