package fleet

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff says how often something that only reads is tried again, and how long it waits before.
type Backoff struct {
	Retries int
	// First is the longest wait before the first retry; each later one may be twice as long, up to
	// a minute. The wait is drawn evenly between zero and that, so that a thousand routers that
	// failed together are not tried again together.
	First time.Duration
}

// Retry calls read until it succeeds, its error is final, or no retry is left. It returns the last
// error.
func (b Backoff) Retry(ctx context.Context, read func() error, final func(error) bool) error {
	longest := b.First
	for n := 0; ; n++ {
		err := read()
		if err == nil || n >= b.Retries || final(err) || ctx.Err() != nil {
			return err
		}
		if !sleep(ctx, rand.N(max(longest, 1))) { //nolint:gosec // spreading load is no secret
			return err
		}
		longest = min(2*longest, time.Minute)
	}
}

// sleep waits; it reports false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
