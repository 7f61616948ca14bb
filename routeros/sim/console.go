package sim

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// Console runs a line of the console for a user who has an account, as a command of an SSH session
// does: what is put comes out, and an error ends the line and comes out as text.
func (r *Router) Console(user, line string) string {
	statements, err := script.Parse(line)
	if err != nil {
		return err.Error() + "\n"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.expire()
	account := r.tables.named(routeros.User, user)
	if account == nil {
		return denied().message + "\n"
	}
	s := r.admin("ssh", user, account.get("group"))
	x := &execution{router: r, session: s, name: "console", counts: map[string]int{}, now: now}
	problem := x.all(statements)
	if problem != nil {
		s.put = append(s.put, problem.message)
	}
	if len(s.put) == 0 {
		return ""
	}
	return strings.Join(s.put, "\n") + "\n"
}

// sign makes a certificate of a template (routeros-facts § 4). Signing one again is refused: what
// real routers do is not known.
func (q *request) sign() *trap {
	at, problem := q.targets(q.selector())
	if problem != nil {
		return problem
	}
	for _, i := range at {
		w := q.tables.of(q.menu).rows[i]
		if w.attrs.Has("fingerprint") {
			return &trap{message: "failure: certificate is signed already"}
		}
		fingerprint := q.options.Fingerprint
		if fingerprint == "" {
			sum := sha256.Sum256([]byte(rand.Text()))
			fingerprint = hex.EncodeToString(sum[:])
		}
		w.attrs = w.attrs.With("fingerprint", fingerprint).With("private-key", "true")
		q.notify(q.tables.of(q.menu), w, false)
	}
	return nil
}
