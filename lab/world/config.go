package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Config says which cluster a world starts, and what surrounds it.
type Config struct {
	Agents, DBServers, Coordinators int

	// LatencyLeast and LatencyMost bound how long each message takes on its way, apart from faults. The
	// system's network has its own: they are of the worlds whose network is in memory.
	LatencyLeast, LatencyMost time.Duration
	Grace                     time.Duration // of the failure detector; 0: the default
	WithoutLocks              bool          // backups hold up no writer: a check has to notice
	ClockSkew                 time.Duration // each server's wall clock is wrong by up to this
	Buggify                   float64       // probability of a random delay at each failpoint; 0: none
	Seed                      uint64        // of all that is drawn

	Dir     string    // where the data is; not of world Bubble
	Program string    // path of the stasis binary; of world Processes alone
	Log     io.Writer // receives the servers' errors; nil: none
}

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

func (c Config) check(kind Kind) error {
	switch {
	case kind != Bubble && kind != InProcess && kind != Processes:
		return fmt.Errorf("world %q: there are %s, %s and %s", kind, Bubble, InProcess, Processes)
	case c.LatencyLeast < 0 || c.LatencyMost < c.LatencyLeast:
		return fmt.Errorf("latency %v..%v: the least comes first, and is not negative", c.LatencyLeast, c.LatencyMost)
	case c.Buggify < 0 || c.Buggify > 1:
		return fmt.Errorf("buggify %v: a probability is between 0 and 1", c.Buggify)
	case kind == Bubble && c.Dir != "":
		return errors.New("world bubble has everything in memory: it takes no directory")
	case kind != Bubble && c.Dir == "":
		return fmt.Errorf("world %s needs a directory", kind)
	}
	return c.supported(kind)
}

// supported is the first thing that is asked for and that the world cannot do.
func (c Config) supported(kind Kind) error {
	for _, asked := range []struct {
		is      bool
		feature Feature
	}{
		{c.LatencyMost > 0, Latency}, {c.WithoutLocks, LocksOff}, {c.ClockSkew != 0, ClockSkew}, {c.Buggify > 0, RandomDelays},
	} {
		if asked.is {
			if err := Can(kind, asked.feature); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c Config) logger() hclog.Logger {
	if c.Log == nil {
		return hclog.NewNullLogger()
	}
	return hclog.New(&hclog.LoggerOptions{Output: c.Log, Level: hclog.Error})
}
