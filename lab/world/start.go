package world

import "context"

// Start starts a cluster in a world and waits until it is ready. In world Bubble it has to be called inside a
// bubble of testing/synctest, and Close has to be called there.
func Start(ctx context.Context, kind Kind, c Config) (World, error) {
	if err := c.check(kind); err != nil {
		return nil, err
	}
	if kind == Processes {
		return startProcesses(ctx, c)
	}
	return startLocal(ctx, kind, c)
}
