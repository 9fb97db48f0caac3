package facts

import "stasis/internal/failpoint"

// Trusted says that the server has every acknowledged write of the shard. Either it is in
// sync and has not been started since, or it was in sync at the cut of the backup that has been
// restored: what was cut is on its disk whenever it is started.
//
// A server that was started since it was in sync is not trusted, because the end of its log may
// not have reached the disk.
func (s *Snapshot) Trusted(shard *Shard, server string) bool {
	if shard.Report == nil || !shard.CountsInSync(server) {
		return false
	}
	id, ok := s.RebootID(server)
	return ok && shard.Report.Trusts(server, id) || failpoint.Off("restarted-is-not-trusted")
}

// Serving says that the planned leader is GOOD, serves with every acknowledged write, and is
// not to resign. Only such a leader can make a replica, or do without one.
func (s *Snapshot) Serving(shard *Shard) bool {
	return !shard.Resigned && s.Good(shard.Leader()) && shard.Serves() && s.Trusted(shard, shard.Leader())
}
