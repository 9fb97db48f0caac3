package workload

import (
	"time"

	"stasis/lab/history"
)

// Cut says between which moments of the history a backup's instant has to lie: it was asked for at Asked and
// had returned at Returned. A Returned whose Order is 0 bounds nothing.
type Cut struct{ Asked, Returned history.Moment }

// Findings are what a check found. Present, Absent and Unknown count writes: those that the state has, those that
// it lacks, and those without an answer, which are among the others too.
type Findings struct {
	Problems                 []string
	Notes                    []string // what is no problem, and worth knowing
	Present, Absent, Unknown int
	Earliest, Latest         time.Duration // bounds of the one instant
}
