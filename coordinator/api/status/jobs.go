package status

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/internal/rest"
)

// jobs answers with the supervision's jobs: all, or one and its children.
func (a *API) jobs(c *rest.Call) error {
	snap := a.Catalog.SyncOrCached(c.R.Context())
	id, all := c.Query.Get("id"), []client.Job{}
	for key, status := range map[string]string{
		keys.TargetToDo: client.JobToDo, keys.TargetPending: client.JobPending, keys.TargetFinished: client.JobFinished, keys.TargetFailed: client.JobFailed,
	} {
		for name, node := range snap.Node(key).Children() {
			var job client.Job
			if node.Decode(&job) != nil {
				continue // it was not written by a server of this version
			}
			job.ID, job.Status = name, status
			if id == "" || job.ID == id || job.Parent == id {
				all = append(all, job)
			}
		}
	}
	slices.SortFunc(all, byID)
	return c.Answer(http.StatusOK, client.Jobs{Jobs: all})
}

// byID orders jobs by their numbers, and children after their parent.
func byID(a, b client.Job) int {
	number := func(id string) (parent, child uint64) {
		first, second, _ := strings.Cut(id, "-")
		parent, _ = strconv.ParseUint(first, 10, 64)
		child, _ = strconv.ParseUint(second, 10, 64)
		return parent, child
	}
	parentA, childA := number(a.ID)
	parentB, childB := number(b.ID)
	return cmp.Or(cmp.Compare(parentA, parentB), cmp.Compare(childA, childB), strings.Compare(a.ID, b.ID))
}
