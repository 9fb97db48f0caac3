package world

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/minicluster"
)

// Config says which cluster a world starts, and what surrounds it.
type Config struct {
	Agents, DBServers, Coordinators int

	// LatencyLeast and LatencyMost bound how long each piece of a stream takes on its way, apart from faults, and drawn from
	// Seed.
	LatencyLeast, LatencyMost time.Duration
	Grace                     time.Duration // of the failure detector; 0: the default
	ClockSkew                 time.Duration // each server's wall clock is wrong by up to this
	Buggify                   float64       // probability of a random delay at each point of the code that has one; 0: none
	Seed                      uint64        // of all that is drawn

	Dir     string    // where the data is; the remote is beside it, in Dir with ".remote" behind. Not of world Bubble
	Program string    // path of the stasis binary, of world Processes; the others start no program
	Log     io.Writer // receives the servers' errors; nil: none

	// Adjust changes what the cluster is started with, for what a world has no field for: flags, remote storage, other clocks. What
	// the world has put there stays there, or is wrapped. nil: nothing is changed.
	Adjust func(*minicluster.Options)
}

// adjusted are the options of the cluster.
func (c Config) adjusted(o minicluster.Options) minicluster.Options {
	if c.Adjust != nil {
		c.Adjust(&o)
	}
	return o
}

func (c Config) check(kind Kind) error {
	switch {
	case kind != Bubble && kind != InProcess && kind != Processes:
		return fmt.Errorf("world %q: there are %s, %s and %s", kind, Bubble, InProcess, Processes)
	case c.LatencyLeast < 0 || c.LatencyMost < c.LatencyLeast:
		return fmt.Errorf("latency %v..%v: the least comes first, and is not negative", c.LatencyLeast, c.LatencyMost)
	case c.ClockSkew < 0:
		return fmt.Errorf("clock skew %v: it bounds by how much clocks are wrong, ahead and behind", c.ClockSkew)
	case c.Buggify < 0 || c.Buggify > 1:
		return fmt.Errorf("buggify %v: a probability is between 0 and 1", c.Buggify)
	case kind == Bubble && c.Dir != "":
		return errors.New("world bubble has everything in memory: it takes no directory")
	case kind != Bubble && c.Dir == "":
		return fmt.Errorf("world %s needs a directory", kind)
	case kind == Processes && c.Program == "":
		return errors.New("world processes needs the program: the path of the stasis binary")
	}
	return nil
}

func (c Config) logger() hclog.Logger {
	if c.Log == nil {
		return hclog.NewNullLogger()
	}
	return hclog.New(&hclog.LoggerOptions{Output: c.Log, Level: hclog.Error})
}

// longestDelay bounds each random delay.
const longestDelay = 50 * time.Millisecond
