package main

import (
	"context"
	"fmt"
	"time"
)

// stopGrace is how much longer than its limit a clean stop may take: what it has to do
// when it is cut off.
const stopGrace = 5 * time.Second

// stop closes a server. A server whose disk hangs cannot be closed: what still runs then
// ends with the process, as far as the system lets it.
func stop(ctx context.Context, stop func(context.Context) error, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- stop(ctx) }() // ends with the process at the latest
	last := time.NewTimer(limit + stopGrace)
	defer last.Stop()
	select {
	case err := <-closed:
		return err
	case <-last.C:
		return fmt.Errorf("not stopped within %v: a disk may hang. The process ends without having closed its files", limit+stopGrace)
	}
}
