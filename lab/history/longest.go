package history

import "time"

// Longest is the operation that took the longest, and how long, of those that count. Whatever became of it, its client waited so
// long: one that was refused, or whose outcome is unknown, counts as one that was acknowledged does. One that has not ended has
// taken until now.
func Longest(ops []Op, now time.Duration, counts func(Op) bool) (worst Op, took time.Duration) {
	for _, o := range ops {
		end := o.End
		if o.EndOrder == 0 {
			end = now
		}
		if counts(o) && end-o.Begin > took {
			worst, took = o, end-o.Begin
		}
	}
	return worst, took
}

// Ended says in a word how an operation ended.
func (o Op) Ended() string {
	switch {
	case o.EndOrder == 0:
		return "still running"
	case o.Outcome == OK:
		return "acknowledged"
	case o.Outcome == Fail:
		return "refused"
	default:
		return "of unknown outcome"
	}
}
