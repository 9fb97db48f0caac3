package lock

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
	label string
	extra map[string]any
}

func (b blocker) error() error {
	e := apierror.New(apierror.BackupCreate, "the agency lock cannot be acquired: %s", b.label)
	e.Extra = b.extra
	return e
}

// blockerOf names the holder of the lock, or the job that is pending.
func blockerOf(s agencyclient.Snapshot) blocker {
	if s.Root.At(keys.HotBackupCreate).Exists() {
		holder, label := holderOf(s)
		return blocker{"it is held by " + label, map[string]any{"holder": holder}}
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
	return blocker{"job " + describeJob(first, len(jobs)-1) + " is pending", map[string]any{"job": first}}
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
func holderOf(s agencyclient.Snapshot) (keys.Holder, string) {
	var h keys.Holder
	if err := s.Root.At(keys.HotBackupHolder).Decode(&h); err != nil {
		return h, "an unknown holder, until " + s.Root.At(keys.HotBackupCreate).Text()
	}
	return h, fmt.Sprintf("%s of backup %s on %s since %s", h.Operation, h.ID, h.Coordinator, h.Since)
}
