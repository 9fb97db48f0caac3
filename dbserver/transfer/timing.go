package transfer

import (
	"time"

	"stasis/dbserver/transfer/storage"
)

// Timing holds this package's intervals; a zero field gets its default.
type Timing struct {
	Hold    time.Duration // between accepting a job and starting, so that an abort at once finds nothing done; 1 s
	Report  time.Duration // between two reports of progress to the agency; 1 s
	Retry   time.Duration // before the agency is asked again; 1 s
	Lease   time.Duration // a session at the remote that has not changed for so long is dead; 1 min
	Backoff time.Duration // before the second try of a call to the remote; doubles; 250 ms
	Tries   int           // of one call to the remote; 6
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&t.Hold, time.Second)
	set(&t.Report, time.Second)
	set(&t.Retry, time.Second)
	set(&t.Lease, time.Minute)
	set(&t.Backoff, 250*time.Millisecond)
	if t.Tries <= 0 {
		t.Tries = 6
	}
	return t
}

// ofRemote is how calls to a remote are repeated.
func (t Timing) ofRemote() storage.Retry { return storage.Retry{First: t.Backoff, Tries: t.Tries} }
