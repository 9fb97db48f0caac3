package room

import "time"

func stamped() (int64, time.Duration) {
	begun := time.Now()
	limit := time.Now().Add(time.Second)
	return time.Now().UnixMilli(), begun.Sub(limit)
}

var _ = stamped
