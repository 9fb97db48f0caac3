package client

import (
	"context"
	"encoding/json"
	"fmt"
)

type progressKey struct{}

// WithProgress has tell called with each Progress of a request for long work that is made
// with the context, in the goroutine that waits for its answer.
func WithProgress(ctx context.Context, tell func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, tell)
}

// TellProgress calls what WithProgress gave the context, if anything.
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
