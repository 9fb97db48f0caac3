package show

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"stasis/client"
)

// AgencyLock prints the agency lock.
func AgencyLock(out io.Writer, l client.AgencyLock, names Names) error {
	if l.Lock == nil {
		_, err := fmt.Fprintln(out, "The agency lock is free.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	h := l.Lock
	if h.Nonce == "" {
		line("holder\tunknown: another tool has written the lock, with the value %s", h.Value)
	} else {
		line("holder\t%s", names.Both(h.Coordinator))
		line("operation\t%s of backup %s", h.Operation, h.ID)
		line("held for\t%v, since %s (by the clocks of the holder and of the coordinator that answers)", (time.Duration(h.HeldSeconds * float64(time.Second))).Round(time.Second), h.Since)
		if h.Committed {
			line("at\t%s; it is committed, and completes by itself", orNone(h.Phase))
		} else {
			line("at\t%s", orNone(h.Phase))
		}
		line("lease\t%s", leaseText(*h))
		line("nonce\t%s", h.Nonce)
	}
	frozen := "frozen: no job moves a shard, and no collection is created or dropped"
	if !h.PlanFrozen {
		frozen = "not frozen any more: the holder only keeps other backups and restores out"
	}
	line("Plan\t%s", frozen)
	return w.Flush()
}

// leaseText says what is left of the lease.
func leaseText(h client.HeldLock) string {
	lease := seconds(h.LeaseSeconds)
	if h.LeaseLeftSeconds == nil {
		return fmt.Sprintf("%v; the supervision has not told how much of it is left", lease)
	}
	return fmt.Sprintf("%v of %v left by the clock of the supervision, unless the holder renews it", seconds(*h.LeaseLeftSeconds), lease)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond)
}
