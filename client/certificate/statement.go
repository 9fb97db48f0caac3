package certificate

import "fmt"

// Statement is what the leader of a shard states at the cut, while its gate is held. InSync
// are the servers without which it has acknowledged nothing, itself first: each has
// everything up to Last, where its log ends, and no write is in flight. If Unserved is set,
// the server does not serve the shard, and states nothing.
type Statement struct {
	Shard    string   `json:"shard"`
	Term     uint64   `json:"term"` // in which it leads
	Last     Position `json:"last"`
	InSync   []string `json:"inSync"`
	Unserved string   `json:"unserved,omitempty"` // why
}

// Shard is a shard of the Plan that a backup has.
type Shard struct {
	Database, Collection, Name string
	Servers                    []string // leader first
	Term                       uint64
}

// Label names the shard for people.
func (s Shard) Label() string {
	return fmt.Sprintf("shard %s of %s/%s", s.Name, s.Database, s.Collection)
}
