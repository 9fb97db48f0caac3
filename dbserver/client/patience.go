package client

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A client that waits at most so long is answered before that, by a tenth of the time or by mostAhead: the answer
// has to reach it.
const mostAhead = 500 * time.Millisecond

// longestPatience is longer than any backup holds up a write.
const longestPatience = 24 * time.Hour

func ahead(patience time.Duration) time.Duration { return min(patience/10, mostAhead) }

type patienceKey struct{}

// WithPatience says for how long from now on the client waits on whose behalf requests are made: a write that a
// backup holds up is refused before that. It bounds nothing else. Nothing that takes its time ends with it.
func WithPatience(ctx context.Context, patience time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, time.Now().Add(patience-ahead(patience)))
}

// patience is for how long a request that is sent now may wait at a gate. The end of ctx bounds it, too: after that its
// answer is not heard, and a write that was never let in would count as unknown.
func patience(ctx context.Context) (left time.Duration, bounded bool) {
	if end, ok := ctx.Deadline(); ok {
		left, bounded = time.Until(end), true
		left -= ahead(left)
	}
	if end, ok := ctx.Value(patienceKey{}).(time.Time); ok && (!bounded || time.Until(end) < left) {
		left, bounded = time.Until(end), true
	}
	return min(max(left, 0), longestPatience), bounded
}

// setPatience tells the server how long the request may wait at its gate. It is a length of time: clocks of two
// servers are not compared.
func setPatience(ctx context.Context, h http.Header) {
	if left, bounded := patience(ctx); bounded {
		h.Set(PatienceHeader, strconv.FormatInt(left.Milliseconds(), 10))
	}
}

// Until is until when a request that has just arrived may wait at the gate; zero if it does not say.
func Until(h http.Header) (time.Time, error) {
	text := h.Get(PatienceHeader)
	if text == "" {
		return time.Time{}, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("header %s: want milliseconds: %w", PatienceHeader, err)
	}
	if ms < 0 || ms > longestPatience.Milliseconds() {
		return time.Time{}, fmt.Errorf("header %s: %d ms: want 0 to %d milliseconds", PatienceHeader, ms, longestPatience.Milliseconds())
	}
	return time.Now().Add(time.Duration(ms) * time.Millisecond), nil
}

// WithPatienceOf is ctx with the patience of another context, which may end before it.
func WithPatienceOf(ctx, client context.Context) context.Context {
	if end, ok := client.Value(patienceKey{}).(time.Time); ok {
		return context.WithValue(ctx, patienceKey{}, end)
	}
	return ctx
}
