//go:build !failpoints

package failpoint

import "context"

// Hit waits here if there are random delays, and does nothing otherwise.
func Hit(ctx context.Context, point, who string) error {
	if delays.Load() != nil {
		pause(ctx, point, who)
	}
	return nil
}

// Off is false in this build: every safety line is on.
func Off(string) bool { return false }
