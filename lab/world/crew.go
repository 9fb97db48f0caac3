package world

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// crew is a label of all goroutines that the servers of one world in this process have started, and those that these have started. The
// label tells them from those of other worlds, of clients and of tests.
type crew string

const crewLabel = "stasis-world"

var crews atomic.Int64

func newCrew() crew { return crew(strconv.FormatInt(crews.Add(1), 10)) }

// run does something whose goroutines belong to the crew.
func (c crew) run(do func() error) (err error) {
	pprof.Do(context.Background(), pprof.Labels(crewLabel, string(c)), func(context.Context) { err = do() })
	return err
}

// goneLimit is how long goroutines may take to end after the servers have stopped: those of connections that were closed. A machine with
// much to do takes its time.
const goneLimit = time.Minute

// gone is an error if goroutines of the crew go on although all servers have stopped.
func (c crew) gone() error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	end := time.NewTimer(goneLimit)
	defer end.Stop()
	for {
		left, err := c.left()
		if err != nil || left == "" {
			return err
		}
		select {
		case <-tick.C:
		case <-end.C:
			return fmt.Errorf("the servers have stopped, and goroutines of theirs go on:\n%s", left)
		}
	}
}

// interval is between two looks.
const interval = 20 * time.Millisecond

// left are the stacks of the goroutines that there are.
func (c crew) left() (string, error) {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return "", fmt.Errorf("list goroutines: %w", err)
	}
	ours := fmt.Sprintf("%q:%q", crewLabel, string(c))
	var left []string
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, ours) {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n"), nil
}
