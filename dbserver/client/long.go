package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stasis/internal/apierror"
)

// Work that may take any time (prepare, link, stage, verify) is answered by LongEvents, a
// line each: how far it is every [ProgressEvery], and at last its answer or error.
const (
	ProgressEvery    = time.Second
	ProgressPatience = 10 * time.Second // what a client that does not read them is waited for
)

// Progress says what a server is doing, and counts what of it it has done: calls of its
// file system that have returned. While it hangs, it is the same each time.
type Progress struct {
	Doing string `json:"doing,omitempty"`
	Done  uint64 `json:"done,omitempty"`
}

// LongEvent is a line of the answer to a request for long work. The last one has Answer or
// Error.
type LongEvent struct {
	Progress
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  *apierror.Error `json:"error,omitempty"`
}

type progressKey struct{}

// WithProgress has tell called with each Progress of a request for long work that is made
// with the context, in the goroutine that waits for its answer.
func WithProgress(ctx context.Context, tell func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, tell)
}

// TellProgress calls what [WithProgress] gave the context, if anything.
func TellProgress(ctx context.Context, p Progress) {
	if tell, ok := ctx.Value(progressKey{}).(func(Progress)); ok {
		tell(p)
	}
}

// longCall is call for work that may take any time.
func longCall[A any](ctx context.Context, c *Client, t Target, path string, body any) (A, error) {
	var answer A
	resp, err := c.send(ctx, t, path, body)
	if err != nil {
		return answer, err
	}
	defer finish(resp.Body)
	events := json.NewDecoder(resp.Body)
	for {
		var e LongEvent
		if err := events.Decode(&e); err != nil {
			return answer, lost(t, path, fmt.Errorf("read answer: %w", err))
		}
		switch {
		case e.Error != nil:
			return answer, e.Error
		case e.Answer != nil:
			if err := json.Unmarshal(e.Answer, &answer); err != nil {
				return answer, lost(t, path, fmt.Errorf("read answer: %w", err))
			}
			return answer, nil
		default:
			TellProgress(ctx, e.Progress)
		}
	}
}
