package balance

// Moves returns moves after which the servers lead as equal numbers of shards as possible,
// and, second to that, have as equal numbers of replicas.
//
// It moves no shard more than once, so the moves may be made in any order. That can leave
// something to do for another call after these moves.
func Moves(p Placement, a Allowed) []Move {
	b := newBalancer(p, a)
	b.changeLeaders()
	for len(b.moved)+b.changes() < a.Moves && (b.spreadLeaders() || b.spreadReplicas()) {
		b.changeLeaders()
	}
	return b.all()
}
