package certificate

import (
	"maps"
	"slices"
	"strings"
)

// History says how the instant was reached.
type History struct {
	Lock  LockReport     `json:"lock"`
	Steps []StepDuration `json:"steps"`
}

// StepDuration is how long one step of the protocol took.
type StepDuration struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

// LockReport says how all gates came to be held at once, and how long writers waited for that.
type LockReport struct {
	LockMode           LockMode  `json:"lockMode,omitempty"` // that was asked for; "": LockModeTransactions, before there were others
	Attempts           []Attempt `json:"attempts"`
	LockSeconds        float64   `json:"lockSeconds"`        // from the first attempt until all gates were held
	LockHoldSeconds    float64   `json:"lockHoldSeconds"`    // how long all gates were held together: the instant
	GateHoldSeconds    float64   `json:"gateHoldSeconds"`    // the longest that any one gate was closed
	CutSeconds         float64   `json:"cutSeconds"`         // the slowest server's cut, as it measured it
	WritersWaited      int       `json:"writersWaited"`      // behind any gate, over all attempts
	DeadSumSeconds     float64   `json:"deadSumSeconds"`     // sum over those writers
	DeadLongestSeconds float64   `json:"deadLongestSeconds"` // the longest wait of any of them

	// DeadUnknown names the servers that have not told, for some attempt, how long writers waited
	// there. The three figures above are without that.
	DeadUnknown []string `json:"deadUnknown,omitempty"`

	SkewSeconds  float64 `json:"skewSeconds"`  // of the attempt that succeeded
	SlackSeconds float64 `json:"slackSeconds"` // of the attempt that succeeded
}

// Aborted returns the transactions that were aborted in all attempts.
func (r LockReport) Aborted() []AbortedTransaction {
	var all []AbortedTransaction
	for _, a := range r.Attempts {
		all = append(all, a.Aborted...)
	}
	return all
}

// Attempt is one try to hold all gates at once.
type Attempt struct {
	WindowSeconds  float64           `json:"window"`
	ElapsedSeconds float64           `json:"elapsed"`
	Failed         map[string]string `json:"failed"`          // server → why its gate was not granted, or its cut not made
	LastServer     string            `json:"lastServer"`      // the last to answer
	AskedSeconds   float64           `json:"asked,omitempty"` // the attempt began, since the operation did

	// Aborted are the open transactions that were aborted in this attempt, because the backup was made with force. AbortsUnknown
	// are servers that may have aborted others: an answer of theirs was lost.
	Aborted       []AbortedTransaction `json:"aborted,omitempty"`
	AbortsUnknown []string             `json:"abortsUnknown,omitempty"`

	// SkewSeconds is the time between the first and the last server's answer to the request for the
	// cut. Each cut lies between the request and its answer, so the cuts themselves are no further
	// apart than the request and the last answer.
	SkewSeconds float64 `json:"skew,omitempty"`
	// SlackSeconds is the part of the instant in which no server was asked for its cut: before the
	// request, and after the last answer.
	SlackSeconds float64 `json:"slack,omitempty"`

	Servers map[string]GateAttempt `json:"servers,omitempty"` // every server's part; certificates of earlier versions have none
}

// Failures returns why the attempt failed: "PRMR-1: why; PRMR-2: why".
func (a Attempt) Failures() string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(a.Failed)) {
		why := a.Failed[id]
		if !strings.Contains(why, id) {
			why = id + ": " + why
		}
		parts = append(parts, why)
	}
	return strings.Join(parts, "; ")
}
