package notify

import (
	"context"
	"sync"
)

// mostWaiting is how many events wait to be told; they go out in one message.
const mostWaiting = 100

// Queue tells events in the background, those that came meanwhile in one message. It never holds
// up the one that reports: when too many wait, the newest are counted and dropped.
type Queue struct {
	send func(ctx context.Context, events []Event, dropped int) error

	mu      sync.Mutex
	waiting []Event
	dropped int // since the last message that arrived
	closed  bool
	wake    chan struct{}
	ended   chan struct{}
	cancel  context.CancelFunc
}

// NewQueue starts a queue. send sends one message; its events are lost when it fails.
func NewQueue(ctx context.Context, send func(ctx context.Context, events []Event, dropped int) error) *Queue {
	ctx, cancel := context.WithCancel(ctx)
	q := &Queue{send: send, wake: make(chan struct{}, 1), ended: make(chan struct{}), cancel: cancel}
	go q.run(ctx)
	return q
}

// Put hands over an event and never waits.
func (q *Queue) Put(e Event) {
	q.mu.Lock()
	if len(q.waiting) < mostWaiting && !q.closed {
		q.waiting = append(q.waiting, e)
	} else {
		q.dropped++
	}
	q.mu.Unlock()
	q.poke()
}

func (q *Queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close tells what waits, until the context ends, and returns how many events were never told.
func (q *Queue) Close(ctx context.Context) (untold int) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.poke()
	select {
	case <-q.ended:
	case <-ctx.Done():
		q.cancel()
		<-q.ended
	}
	q.cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) + q.dropped
}

// run sends what waits until the queue is closed and empty, or the context ends.
func (q *Queue) run(ctx context.Context) {
	defer close(q.ended)
	for {
		events, dropped, closed := q.take()
		switch {
		case len(events)+dropped > 0 && ctx.Err() == nil:
			if q.send(ctx, events, dropped) != nil {
				q.lose(len(events) + dropped)
				if closed {
					return
				}
				break // what was lost is told with what comes next
			}
			continue
		case closed, ctx.Err() != nil:
			q.lose(len(events) + dropped)
			return
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
		}
	}
}

// take returns what is to be told.
func (q *Queue) take() (events []Event, dropped int, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	events, dropped = q.waiting, q.dropped
	q.waiting, q.dropped = nil, 0
	return events, dropped, q.closed
}

// lose counts what was not told.
func (q *Queue) lose(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped += n
}
