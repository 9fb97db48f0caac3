package workload

import (
	"fmt"
	"time"

	"stasis/lab/history"
)

// bound is a moment on one side of which the instant has to be, and why.
type bound struct {
	history.Moment
	process int // the client that knew; -1: none
	write   string
	why     string
}

// text says why in words.
func (b bound) text() string {
	return fmt.Sprintf("%s %s at %v", b.write, b.why, b.At.Round(time.Microsecond))
}

func begunBy(o history.Op, what string) bound {
	return bound{history.Moment{At: o.Begin, Order: o.BeginOrder}, o.Process, what, "began"}
}

func ackedBy(o history.Op, what string) bound {
	return bound{history.Moment{At: o.End, Order: o.EndOrder}, o.Process, what, "was acknowledged"}
}

// unseenBy: a read that began then did not see it.
func unseenBy(o history.Op, what string) bound {
	return bound{history.Moment{At: o.Begin, Order: o.BeginOrder}, o.Process, what, fmt.Sprintf("was not seen by a read of process %d that began", o.Process)}
}

// seenBy: a read that ended then had seen it.
func seenBy(o history.Op, what string) bound {
	return bound{history.Moment{At: o.End, Order: o.EndOrder}, o.Process, what, fmt.Sprintf("had been seen by process %d", o.Process)}
}

// span is what is known of a moment: it is after one bound and before the other. A bound without an order bounds
// nothing.
type span struct{ after, before bound }

// notBefore and notAfter narrow the span.
func (s *span) notBefore(b bound) {
	if b.Order > s.after.Order {
		s.after = b
	}
}

func (s *span) notAfter(b bound) {
	if b.Order != 0 && (s.before.Order == 0 || b.Order < s.before.Order) {
		s.before = b
	}
}

func (s *span) within(o span) {
	s.notBefore(o.after)
	s.notAfter(o.before)
}

// empty says that no moment is left.
func (s span) empty() bool { return s.before.Order != 0 && s.after.Order >= s.before.Order }
