package shard

// State is where a replica stands.
type State struct {
	Promised  Tenure   // the latest one heard of
	Last      Position // where the log ends
	Committed uint64   // number of the last record applied
	Count     uint64   // documents
	Revision  string   // highest given and applied, "" if none
	Copying   bool     // an unfinished copy of an earlier version, which copied in place: the log is empty
}

func stateOf(m meta) State {
	st := State{Promised: m.promised, Last: m.position(), Committed: m.committed, Count: m.count, Copying: m.copying}
	if m.revision != 0 {
		st.Revision = revision(m.revision)
	}
	return st
}
