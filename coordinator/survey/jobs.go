package survey

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/catalog"
	"stasis/coordinator/rest"
	"stasis/internal/apierror"
)

// Jobs lists the supervision's jobs: all, or one and its children.
func (s *Survey) Jobs(c *rest.Call) error {
	v, err := s.Catalog.Sync(c.R.Context())
	if err != nil {
		v = s.Catalog.View() // better somewhat old than not at all
	}
	id, all := c.Query.Get("id"), []client.Job{}
	for key, status := range map[string]string{
		keys.TargetToDo: client.JobToDo, keys.TargetPending: client.JobPending, keys.TargetFinished: client.JobFinished, keys.TargetFailed: client.JobFailed,
	} {
		for name, node := range v.Node(key).Children() {
			var job client.Job
			if node.Decode(&job) != nil {
				continue // not written by one of ours
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

// byID orders jobs by number, and children after their parent by theirs.
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

// Events streams the supervision's decisions, one JSON object a line. With follow=true it
// goes on with every new one until the client or the server goes.
func (s *Survey) Events(c *rest.Call) error {
	follow, err := c.Flag("follow", false)
	if err != nil {
		return err
	}
	v, err := s.Catalog.Sync(c.R.Context())
	if err != nil {
		v = s.Catalog.View() // better somewhat old than not at all
	}
	seen := events(v)
	show := seen
	if last := c.Query.Get("last"); last != "" {
		n, err := strconv.ParseUint(last, 10, 16)
		if err != nil {
			return apierror.New(apierror.BadParameter, "last=%q: want a number", last)
		}
		show = seen[len(seen)-min(int(n), len(seen)):]
	}
	c.W.Header().Set("Content-Type", "application/x-ndjson")
	c.W.WriteHeader(http.StatusOK)
	out, flush := json.NewEncoder(c.W), http.NewResponseController(c.W)
	for {
		for _, e := range show {
			if out.Encode(e) != nil {
				return nil // the client is gone: nobody to tell
			}
		}
		if !follow || flush.Flush() != nil {
			return nil
		}
		if v, err = s.awaitEvents(c, v); err != nil {
			return nil // the client or the server goes
		}
		now := events(v)
		seen, show = now, after(seen, now)
	}
}

// awaitEvents waits for a view with other events.
func (s *Survey) awaitEvents(c *rest.Call, old *catalog.View) (*catalog.View, error) {
	ctx, end := s.following(c.R.Context())
	defer end()
	return s.Catalog.Await(ctx, func(now *catalog.View) bool {
		return now.Node(keys.SupervisionEvents) != old.Node(keys.SupervisionEvents)
	})
}

func events(v *catalog.View) []client.Decision {
	var all []client.Decision
	_ = v.Node(keys.SupervisionEvents).Decode(&all) // missing: none
	return all
}

// after gives what is new in a bounded list of which the oldest are dropped.
func after(old, now []client.Decision) []client.Decision {
	if len(old) == 0 {
		return now
	}
	last := old[len(old)-1]
	for i := len(now) - 1; i >= 0; i-- {
		if now[i] == last {
			return now[i+1:]
		}
	}
	return now
}
