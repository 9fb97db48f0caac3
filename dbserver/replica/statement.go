package replica

import (
	"fmt"

	dbclient "stasis/dbserver/client"
)

// Statement is what this leader says of its shard at the cut of a backup, while the gate is
// held exclusively: so no write is in flight, and what its log has is committed. It names
// itself and the followers without which it has committed nothing since Current has them as
// in sync, and whose processes have all of its log. One that was restarted and is not
// reported again is none of them, nor is one that is only being taken in: its cut may have
// been before that.
func (l *Leader) Statement() dbclient.ShardStatement {
	s := dbclient.ShardStatement{Shard: l.shard.Name(), Term: l.tenure.Term}
	if err := l.Serving(); err != nil {
		s.Unserved = err.Error()
		return s
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.shard.State()
	switch {
	case l.phase != serving:
		s.Unserved = "its leader has stopped"
	case st.Last.Seq != st.Committed:
		s.Unserved = fmt.Sprintf("writes are in flight: %d records are committed of %d", st.Committed, st.Last.Seq)
	}
	if s.Unserved != "" {
		return s
	}
	s.Last, s.InSync = positionOf(st.Last), []string{l.server.ID}
	for _, id := range l.place.followers() {
		f := l.feeds[id]
		if f != nil && f.required && f.reported != 0 && f.reported == f.reboot && !f.copying && f.acked >= st.Last.Seq {
			s.InSync = append(s.InSync, id)
		}
	}
	return s
}
