// Package quota bounds how heavy the key tree may become, so that no client can fill the memory of
// all agents.
//
// The quota of the leader counts: it writes a limit into every transaction, and all agents obey the
// limit when they apply it, whatever their own quota is. Above the quota there is a reserve, so that
// an agency that clients have filled can go on:
//
//   - Clients may fill the tree up to the quota.
//   - Transactions that only keep the cluster's books (what servers report, jobs, locks) may use half
//     of the reserve. So it can still be written who is in sync, who has failed and who holds the lock.
//   - What the leader itself proposes, above all its supervision, may use all of the reserve.
//
// A transaction that makes the tree no heavier is never refused: deletes and the release of a lock
// always work.
package quota

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/apierror"
)

// [MaxTransaction] and [MaxEnvelope] bound what one request may bring. The largest request that a cluster
// writes by itself, beside the Plan of a restore, is a collection with its shards: some hundred
// kilobytes.
const (
	// MaxTransaction bounds the text of one transaction, in bytes.
	MaxTransaction = 2 << 20
	// MaxEnvelope bounds the text of all transactions of a request, in bytes: they share a Raft entry.
	MaxEnvelope = 8 << 20
)

// Default is how heavy the tree may be (see [fsm.State.Weight]): some 80,000 shards with three
// replicas.
const Default = 256 << 20

// Least has room for a cluster that has just been founded.
const Least = 1 << 20

// Quota is an agent's bound on the weight of the tree, and what became of it. Its methods may be
// called from any goroutine.
type Quota struct {
	bytes   int64
	changed chan struct{} // receives when there is something to report

	mu      sync.Mutex
	alarm   bool
	refused uint64 // transactions, by this agent's tree since it started
	last    string // why the newest of them was refused
}

// New makes a quota of so many bytes.
func New(bytes int64) *Quota { return &Quota{bytes: bytes, changed: make(chan struct{}, 1)} }

// Clients is how heavy clients may make the tree: the quota itself.
func (q *Quota) Clients() int64 { return q.bytes }

// The reserve is a quarter of the quota.
func (q *Quota) books() int64  { return q.bytes + q.bytes/8 }
func (q *Quota) leader() int64 { return q.bytes + q.bytes/4 }

// Transient is how heavy the transient tree may be, which has the heartbeats in the leader's memory.
func (q *Quota) Transient() int64 { return q.bytes / 4 }

// bookkeeping are the paths below which the servers of a cluster report what is, and what is to be
// done.
var bookkeeping = []string{
	keys.Current, keys.Supervision, keys.Target, keys.Root + "/Sync",
}

// OfClients returns transactions of clients and servers with their limits.
func (q *Quota) OfClients(transactions []fsm.Transaction) []fsm.Transaction {
	return limited(transactions, func(t fsm.Transaction) int64 {
		if t.Below(bookkeeping...) {
			return q.books()
		}
		return q.Clients()
	})
}

// OfLeader returns the leader's own transactions with their limits.
func (q *Quota) OfLeader(transactions []fsm.Transaction) []fsm.Transaction {
	return limited(transactions, func(fsm.Transaction) int64 { return q.leader() })
}

// Unlimited returns transactions without limits.
func Unlimited(transactions []fsm.Transaction) []fsm.Transaction {
	return limited(transactions, func(fsm.Transaction) int64 { return 0 })
}

func limited(transactions []fsm.Transaction, limit func(fsm.Transaction) int64) []fsm.Transaction {
	all := make([]fsm.Transaction, len(transactions))
	for i, t := range transactions {
		all[i] = t.Within(limit(t))
	}
	return all
}

// Adds returns an upper bound of how much heavier transactions make the tree.
func Adds(transactions []fsm.Transaction) (sum int64) {
	for _, t := range transactions {
		sum = Plus(sum, t.Adds())
	}
	return sum
}

// Plus adds two numbers that are not negative. It returns the largest int64 if the sum is larger.
func Plus(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

// The alarm begins when a sixteenth of the quota is left, and ends when an eighth is left.
const (
	alarmLeft = 16
	calmLeft  = 8
)

// Note receives how heavy the tree is after an entry, and the outcomes of the entry.
func (q *Quota) Note(weight int64, outcomes []fsm.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before, refused := q.alarm, q.refused
	switch {
	case weight > q.bytes-q.bytes/alarmLeft:
		q.alarm = true
	case weight <= q.bytes-q.bytes/calmLeft:
		q.alarm = false
	}
	for _, o := range outcomes {
		if Refused(o) {
			q.refused++
			q.last = o.Reason.Error()
		}
	}
	if q.alarm != before || q.refused != refused {
		select {
		case q.changed <- struct{}{}:
		default: // the reader has not looked yet
		}
	}
}

// State says how the tree stands to the quota when it has this weight.
func (q *Quota) State(weight int64) agencyclient.Tree {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := agencyclient.Tree{Bytes: weight, Quota: q.bytes, Refused: q.refused, LastRefusal: q.last}
	if q.alarm {
		s.Alarm = fmt.Sprintf("the tree has %d of %d bytes: %s", weight, q.bytes, Remedy)
	}
	return s
}

// Remedy is what an operator can do about a tree that is too large.
const Remedy = "at its quota what would make it larger is refused. Delete what is not needed (reads, deletes and values of the same size work), " +
	"or start all agents with a larger --tree-quota"

// Refused reports whether a transaction was refused because of the quota.
func Refused(o fsm.Outcome) bool { return errors.Is(o.Reason, fsm.ErrLimit) }

// Error is the error for a request whose transactions were all refused because of the quota. The
// outcome is that of the first one.
func Error(o fsm.Outcome) error {
	return apierror.New(apierror.ResourceLimit, "%w: %s", o.Reason, Remedy).WithStatus(http.StatusRequestEntityTooLarge)
}
