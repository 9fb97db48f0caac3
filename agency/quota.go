package agency

import (
	"errors"
	"fmt"
	"math"
	"sync"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/apierror"
)

// What one request may bring. The largest that a cluster writes by itself beside a
// restore's Plan is a collection with its shards: some hundred kilobytes.
const (
	// maxTransaction bounds the text of one transaction.
	maxTransaction = 2 << 20
	// maxEnvelope bounds that of all transactions of a request: they share an entry.
	maxEnvelope = 8 << 20
)

// defaultQuota is how heavy the tree may be (see fsm.State.Weight): some 80,000 shards
// with three replicas.
const defaultQuota = 256 << 20

// leastQuota has room for a cluster that has just been founded.
const leastQuota = 1 << 20

// quota bounds the tree. The leader's counts: its transactions carry the limit through the
// log. Above it there is a reserve, so that an agency that clients have filled can go on.
//
//   - Clients may fill the tree up to the quota.
//   - Transactions that only keep the cluster's books (what servers report, jobs, locks) may
//     use half of the reserve. Who is in sync, who has failed and who holds the lock can
//     be written when a client has filled the rest.
//   - What the leader itself proposes, its supervision above all, may use all of the reserve.
//
// What makes the tree no heavier is never refused: deleting is the way out, and so is the
// release of a lock.
type quota struct {
	bytes int64

	mu      sync.Mutex
	alarm   bool
	refused uint64 // transactions, by this agent's tree since it started
	last    string // why the newest of them was
	changed chan struct{}
}

func newQuota(bytes int64) *quota { return &quota{bytes: bytes, changed: make(chan struct{}, 1)} }

// The reserve is a quarter of the quota.
func (q *quota) clients() int64 { return q.bytes }
func (q *quota) books() int64   { return q.bytes + q.bytes/8 }
func (q *quota) leader() int64  { return q.bytes + q.bytes/4 }

// transient is how heavy the tree in the leader's memory may be: heartbeats.
func (q *quota) transient() int64 { return q.bytes / 4 }

// bookkeeping is where the servers of a cluster write what is and what is to be done.
var bookkeeping = []string{
	keys.Current, keys.Supervision, keys.Target, keys.Root + "/Sync",
}

// ofClients gives transactions that came from outside their limits.
func (q *quota) ofClients(transactions []fsm.Transaction) []fsm.Transaction {
	return limited(transactions, func(t fsm.Transaction) int64 {
		if t.Below(bookkeeping...) {
			return q.books()
		}
		return q.clients()
	})
}

// ofLeader gives the leader's own transactions their limits.
func (q *quota) ofLeader(transactions []fsm.Transaction) []fsm.Transaction {
	return limited(transactions, func(fsm.Transaction) int64 { return q.leader() })
}

func limited(transactions []fsm.Transaction, limit func(fsm.Transaction) int64) []fsm.Transaction {
	all := make([]fsm.Transaction, len(transactions))
	for i, t := range transactions {
		all[i] = t.Within(limit(t))
	}
	return all
}

// adds is at most how much heavier transactions make the tree.
func adds(transactions []fsm.Transaction) (sum int64) {
	for _, t := range transactions {
		sum = plus(sum, t.Adds())
	}
	return sum
}

// plus is the sum of two numbers that are not negative, as far as there is one.
func plus(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

// The alarm is raised when a sixteenth of the quota is left, and ends when an eighth is.
const (
	alarmLeft = 16
	calmLeft  = 8
)

// note takes what the tree is after an entry, and wakes who reports it.
func (q *quota) note(weight int64, outcomes []fsm.Outcome) {
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
		if overLimit(o) {
			q.refused++
			q.last = o.Reason.Error()
		}
	}
	if q.alarm != before || q.refused != refused {
		select {
		case q.changed <- struct{}{}:
		default: // who reports has not looked yet
		}
	}
}

// state is what is told of the tree's size.
func (q *quota) state(weight int64) agencyclient.Tree {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := agencyclient.Tree{Bytes: weight, Quota: q.bytes, Refused: q.refused, LastRefusal: q.last}
	if q.alarm {
		s.Alarm = fmt.Sprintf("the tree has %d of %d bytes: %s", weight, q.bytes, wayOut)
	}
	return s
}

// wayOut is what to do about a tree that is too large.
const wayOut = "at its quota what would make it larger is refused. Delete what is not needed (reads, deletes and values of the same size work), " +
	"or start all agents with a larger --tree-quota"

// overLimit says whether a transaction was refused because of the quota.
func overLimit(o fsm.Outcome) bool { return errors.Is(o.Reason, fsm.ErrLimit) }

// overQuota is the error of transactions none of which was applied, because of the quota.
func overQuota(o fsm.Outcome) error {
	return apierror.New(apierror.ResourceLimit, "%w: %s", o.Reason, wayOut).WithStatus(statusTooLarge)
}
