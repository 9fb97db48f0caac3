package runner

import "time"

// Options say how runs are made.
type Options struct {
	// Command starts the child: the program and its arguments. Empty: this program, without arguments.
	Command  []string
	Program  string            // of the servers of world processes: the stasis binary
	Parallel int               // runs at once; 0: as many as there are processors
	Timeout  time.Duration     // in real time, for each run; 0: five minutes
	Out      string            // folder for what bad runs leave; "": a temporary one, which stays if there is a bad run
	Keep     bool              // keep the folders of all runs
	Done     func(Result)      // called after each run, from one goroutine at a time; nil: nothing
	Log      func(line string) // called for each line about what happens in a run, while it goes on; nil: nothing
}

// DefaultTimeout is how long a run may take in real time. A run takes seconds; a machine that is busy with other things
// makes that minutes.
const DefaultTimeout = 5 * time.Minute
