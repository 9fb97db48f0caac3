package quota

import (
	"context"

	"github.com/hashicorp/go-hclog"
)

// Report logs what changes about the tree's size, until ctx ends: the beginning and the end of the
// alarm, and that transactions were refused. weight returns how heavy the tree is.
func (q *Quota) Report(ctx context.Context, weight func() int64, logger hclog.Logger) {
	before := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.changed:
		}
		s := q.State(weight())
		switch {
		case s.Alarm != "" && before == "":
			logger.Error("the agency's tree is nearly full", "bytes", s.Bytes, "quota", s.Quota, "do", Remedy)
		case s.Alarm == "" && before != "":
			logger.Info("the agency's tree has room again", "bytes", s.Bytes, "quota", s.Quota)
		}
		if s.Refused > 0 {
			logger.Warn("transactions were refused: the tree would be too large", "since the start", s.Refused, "the last", s.LastRefusal)
		}
		before = s.Alarm
	}
}
