package certificate

// GateAttempt is one server's part of an attempt. Moments are seconds on the coordinator's monotonic
// clock since the operation began, as everywhere in a certificate; a moment that did not come is 0.
type GateAttempt struct {
	Asked    float64 `json:"asked"`         // for the gate
	Answered float64 `json:"answered"`      // its answer, or that it has none, was known
	Granted  bool    `json:"granted"`       // that was the answer
	Why      string  `json:"why,omitempty"` // the attempt failed on this server: for a gate that was not granted, what was inside
	CutAsked float64 `json:"cutAsked,omitempty"`
	CutDone  float64 `json:"cutDone,omitempty"`  // the answer of a cut that was made
	Released float64 `json:"released,omitempty"` // the release was asked for
	Opened   float64 `json:"opened,omitempty"`   // its answer, with the evidence, had arrived

	HeldSeconds float64   `json:"held,omitempty"` // how long the gate was closed, on the server's own clock
	Dead        *DeadTime `json:"dead"`           // nil: unknown, because the server has not told
}

// DeadTime says how long writers queued at one gate because of one attempt, on the server's own clock.
type DeadTime struct {
	Writers        int     `json:"writers"`
	SumSeconds     float64 `json:"sum"`
	LongestSeconds float64 `json:"longest"`
	P99Seconds     float64 `json:"p99"` // of those writers; up to a tenth too high
}
