package shard

// Left are the decisions that a replica has, also one that does not lead: its shard has been dropped.
func (s *Shard) Left() ([]Decision, error) { return nil, nil }
