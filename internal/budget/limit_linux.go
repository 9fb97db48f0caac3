package budget

import (
	"math"
	"syscall"
)

// processLimit is the process's own limit of data (ulimit -d), which the heap counts to.
func processLimit() int64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_DATA, &r); err != nil || r.Cur > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(r.Cur)
}
