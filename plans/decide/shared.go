package decide

import (
	"container/list"
	"sync"

	"github.com/rosknock/rosknock/plans/change"
)

// Shared remembers decisions of one run, and gives routers with equal inputs the same one. Those that
// ask while it is computed wait for it. It forgets what was not asked for lately, so that it stays
// small. It may be used by several goroutines; a nil one computes each decision anew.
type Shared struct {
	mu    sync.Mutex
	known map[Key]*list.Element // of *remembered
	used  list.List             // the last one first
	size  int
}

// mostRemembered bounds what is remembered, in steps, findings and other lines of decisions: some
// megabytes.
const mostRemembered = 8 << 10

// remembered is what is known about equal inputs. The inputs themselves are not kept.
type remembered struct {
	key  Key
	size int // guarded by the mutex of Shared

	decision once[Decision]
	steps    once[steps]
}

// steps is what [Inputs.Steps] returns.
type steps struct {
	changes change.ChangeSet
	err     error
}

// once is a value that is computed by the first who asks, while the others wait.
type once[T any] struct {
	mu       sync.Mutex
	computed bool
	value    T
}

func (o *once[T]) get(compute func() T) T {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.computed {
		o.value = compute()
		o.computed = true
	}
	return o.value
}

// NewShared returns a memory without decisions.
func NewShared() *Shared { return &Shared{known: map[Key]*list.Element{}} }

// Decide is [Inputs.Decide], computed once for equal inputs.
func (s *Shared) Decide(in Inputs) Decision {
	if s == nil {
		return in.Decide()
	}
	r := s.of(in.Key())
	return r.decision.get(func() Decision {
		d := in.Decide()
		s.grew(r, d.lines())
		return d
	}).own()
}

// Steps is [Inputs.Steps], computed once for equal inputs.
func (s *Shared) Steps(in Inputs) (change.ChangeSet, error) {
	if s == nil {
		return in.Steps()
	}
	r := s.of(in.Key())
	found := r.steps.get(func() steps {
		changes, err := in.Steps()
		s.grew(r, len(changes.Steps)+len(changes.Notes))
		return steps{changes, err}
	})
	return found.changes, found.err
}

// of returns the place of a key, and makes it the last one that is forgotten.
func (s *Shared) of(k Key) *remembered {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.known[k]; e != nil {
		s.used.MoveToFront(e)
		return e.Value.(*remembered) //nolint:forcetypeassert // the list holds nothing else
	}
	r := &remembered{key: k}
	s.known[k] = s.used.PushFront(r)
	s.add(r, 16) // for the place itself
	return r
}

// grew notes that more is kept at a place.
func (s *Shared) grew(r *remembered, lines int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(r, lines)
}

// add counts lines, unless their place has been forgotten meanwhile, and makes room for them.
func (s *Shared) add(r *remembered, lines int) {
	if e := s.known[r.key]; e == nil || e.Value != r {
		return
	}
	r.size += lines
	for s.size += lines; s.size > mostRemembered; {
		oldest := s.used.Remove(s.used.Back()).(*remembered) //nolint:forcetypeassert // the list holds nothing else
		delete(s.known, oldest.key)
		s.size -= oldest.size
	}
}

// lines is about how many lines a decision takes, by which its memory grows.
func (d Decision) lines() int {
	n := len(d.Findings)
	if d.Changes != nil {
		n += len(d.Changes.Steps) + len(d.Changes.Notes)
	}
	if p := d.Proof; p != nil {
		n += len(p.Doors) + len(p.Overrides) + len(p.Peers) + len(p.Opens) + len(p.Notes) + 32*(len(p.Failures)+len(p.Accepted))
	}
	return n
}
