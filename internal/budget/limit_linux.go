package budget

import (
	"math"
	"syscall"
)

// processLimit is the process's own limit of data (ulimit -d), which the heap counts to.
func processLimit() int64 { return limit(syscall.RLIMIT_DATA) }

// Files is how many files the process may open, connections among them.
func Files() int64 { return limit(syscall.RLIMIT_NOFILE) }

func limit(which int) int64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(which, &r); err != nil || r.Cur > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(r.Cur)
}
