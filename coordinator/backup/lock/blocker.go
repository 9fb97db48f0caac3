package lock

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// free says whether the lock can be acquired.
func free(s agencyclient.Snapshot) bool {
	return !s.Root.At(keys.HotBackupCreate).Exists() && s.Root.At(keys.TargetPending).Len() == 0
}

// blocker is what prevents that the lock is acquired.
type blocker struct {
	label string // for people; it has an age, which grows
	which string // tells it from another one
	extra map[string]any
}

func (b blocker) error() error {
	e := apierror.New(apierror.BackupCreate, "the agency lock cannot be acquired: %s", b.label)
	e.Extra = b.extra
	return e
}

// blockerOf names the holder of the lock, or the job that is pending.
func blockerOf(s agencyclient.Snapshot, now time.Time) blocker {
	if s.Root.At(keys.HotBackupCreate).Exists() {
		holder, label := holderOf(s.Root, now)
		return blocker{"it is held by " + label, holder.ID + holder.Nonce, map[string]any{"holder": holder}}
	}
	var jobs []keys.Job
	for id, n := range s.Root.At(keys.TargetPending).Children() {
		var j keys.Job
		if err := n.Decode(&j); err != nil {
			j.Type = "unreadable"
		}
		j.JobID = id
		jobs = append(jobs, j)
	}
	if len(jobs) == 0 {
		return blocker{label: "nothing is in the way any more"}
	}
	first := slices.MinFunc(jobs, func(a, b keys.Job) int {
		switch { // a job about a shard tells more than the parent that waits for it
		case a.Shard == "" && b.Shard != "":
			return 1
		case a.Shard != "" && b.Shard == "":
			return -1
		}
		return cmp.Or(cmp.Compare(len(a.JobID), len(b.JobID)), cmp.Compare(a.JobID, b.JobID))
	})
	what := "job " + describeJob(first, len(jobs)-1) + " is pending"
	return blocker{what + first.CreatedText(now), what, map[string]any{"job": first}}
}

// describeJob names a job for people: "moveShard 1007 of shard s1 (PRMR-1 → PRMR-2)".
func describeJob(j keys.Job, others int) string {
	var b strings.Builder
	b.WriteString(j.Type + " " + j.JobID)
	if j.Shard != "" {
		b.WriteString(" of shard " + j.Shard)
	}
	switch {
	case j.FromServer != "" || j.ToServer != "":
		fmt.Fprintf(&b, " (%s → %s)", j.FromServer, j.ToServer)
	case j.Server != "":
		b.WriteString(" of " + j.Server)
	}
	if others > 0 {
		fmt.Fprintf(&b, " and %d more", others)
	}
	return b.String()
}

// holderOf reads the holder of the lock, and describes it for people.
func holderOf(root *agencyclient.Node, now time.Time) (keys.Holder, string) {
	var h keys.Holder
	if err := root.At(keys.HotBackupHolder).Decode(&h); err != nil {
		return h, "an unknown holder, until " + root.At(keys.HotBackupCreate).Text()
	}
	return h, h.Describe(now)
}
