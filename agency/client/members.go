package client

// Member is one agent as the leader sees it.
type Member struct {
	ID       string `json:"id"`
	Endpoint string `json:"endpoint"`
	Voter    bool   `json:"voter"`
	Leader   bool   `json:"leader"`
	// Heard says whether it has answered this leader at all; if so,
	// SilentSeconds is how long ago, and Lag how many Raft entries it misses.
	Heard         bool    `json:"heard"`
	SilentSeconds float64 `json:"silentSeconds"`
	Lag           uint64  `json:"lag"`
}

// Members is the answer of /_api/agency/members. Done is false when a change that
// takes several steps has to be asked for again.
type Members struct {
	Done    bool     `json:"done"`
	Members []Member `json:"members"`
}
