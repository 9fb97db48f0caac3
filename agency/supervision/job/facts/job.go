package facts

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"stasis/agency/keys"
	"stasis/fsm"
)

// queues are the four places in which a job can be.
var queues = []string{keys.TargetToDo, keys.TargetPending, keys.TargetFinished, keys.TargetFailed}

// Job is a job in one of the queues Target/{ToDo,Pending,Finished,Failed}.
type Job struct {
	ID     string
	Queue  string // the key of the queue
	Record keys.Job
	Node   *fsm.Node // from which Record was read
}

// Key is the agency key of the job.
func (j Job) Key() string { return j.Queue + "/" + j.ID }

// IsPending says that the job has begun.
func (j Job) IsPending() bool { return j.Queue == keys.TargetPending }

// sequence is what orders ids: a job's own number, after its parent's. An id of another form
// counts as 0.
func sequence(id string) (parent, child uint64) {
	first, second, _ := strings.Cut(id, "-")
	parent, _ = strconv.ParseUint(first, 10, 64)
	child, _ = strconv.ParseUint(second, 10, 64)
	return parent, child
}

// CompareIDs orders jobs by their numbers, and children after their parent. Jobs are done in
// this order.
func CompareIDs(a, b string) int {
	parentA, childA := sequence(a)
	parentB, childB := sequence(b)
	return cmp.Or(cmp.Compare(parentA, parentB), cmp.Compare(childA, childB), cmp.Compare(a, b))
}

// readQueue reads a queue in the order of CompareIDs. A record that cannot be read becomes a job
// without a type, which fails for that.
func readQueue(root *fsm.Node, queue string) []Job {
	var all []Job
	for id, n := range root.At(queue).Children() {
		j := Job{ID: id, Queue: queue, Node: n}
		if err := n.Decode(&j.Record); err != nil {
			j.Record = keys.Job{Reason: err.Error()}
		}
		j.Record.JobID = id
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b Job) int { return CompareIDs(a.ID, b.ID) })
	return all
}
