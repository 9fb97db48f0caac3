package replica

import (
	"fmt"

	dbclient "stasis/dbserver/client"
)

// Statement is what this leader says of its shard at the cut of a backup. The gate is held
// exclusively then, so no write is in flight and the whole log is committed.
//
// It names this server and the followers that were in the in-sync set before the cut and
// whose processes have the whole log. A follower that was restarted and not reported since is
// left out, and so is one that is only being taken in: its own cut may have been earlier.
func (l *Leader) Statement() dbclient.ShardStatement {
	s := dbclient.ShardStatement{Shard: l.shard.Name(), Term: l.tenure.Term}
	if err := l.Serving(); err != nil {
		s.Unserved = err.Error()
		return s
	}
	l.state.mu.Lock()
	defer l.state.mu.Unlock()
	st := l.shard.State()
	switch {
	case l.state.phase != serving:
		s.Unserved = "its leader has stopped"
	case st.Last.Seq != st.Committed:
		s.Unserved = fmt.Sprintf("writes are in flight: %d records are committed of %d", st.Committed, st.Last.Seq)
	}
	if s.Unserved != "" {
		return s
	}
	s.Last, s.InSync = positionOf(st.Last), []string{l.server.ID}
	for _, id := range l.state.place.followers() {
		p := l.state.followers[id]
		if p != nil && p.required && p.reported != 0 && p.reported == p.reboot && !p.copying && p.acked >= st.Last.Seq {
			s.InSync = append(s.InSync, id)
		}
	}
	return s
}
