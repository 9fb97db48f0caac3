package lab

import (
	"time"

	"stasis/client"
	"stasis/lab/runner"
	"stasis/lab/world"
)

// Options say which runs are made. The zero value is one run of each scenario in a bubble.
type Options struct {
	World        world.Kind      // "": bubble
	Seed         uint64          // of the first run; 0: 1. The next runs have the seeds after it
	Runs         int             // of each scenario; 0: 1
	Total        int             // of all scenarios together, which take turns; 0: as Runs says
	Repeat       int             // how often each run is made, to see whether it is the same again; 0: once
	LockMode     client.LockMode // of each backup; "": the servers' default. With LockModeNone they hold up no writer: the checks have to notice
	Power        bool            // runs without locks as well, of scenarios that say in how many of them something breaks
	AllowVacuous bool            // for Test: a run that showed nothing does not fail

	Parallel int                 // runs at once; 0: as many as there are processors
	Timeout  time.Duration       // of each run, in real time; 0: five minutes
	Program  string              // the stasis binary: servers of world processes are started with it
	Out      string              // folder for what runs leave; "": a temporary one
	Keep     bool                // what good runs leave too
	Done     func(runner.Result) // called after each run; nil: nothing
	Log      func(line string)   // called for each line about what happens in a run; nil: nothing
}
