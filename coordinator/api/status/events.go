package status

import (
	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// events answers with the supervision's decisions, one JSON object a line. With follow=true it
// goes on with every new one until the client goes or the server stops.
func (a *API) events(c *rest.Call) error {
	follow, err := c.Flag("follow", false)
	if err != nil {
		return err
	}
	snap := a.Catalog.SyncOrCached(c.R.Context())
	seen := eventsIn(snap)
	show := seen
	last, given, err := c.Number("last")
	if err != nil {
		return err
	}
	if given {
		show = seen[len(seen)-int(min(last, uint64(len(seen)))):]
	}
	lines := c.Lines()
	for {
		for _, e := range show {
			if lines.Write(e) != nil {
				return nil // the client has gone
			}
		}
		if !follow || lines.Flush() != nil {
			return nil
		}
		next, err := a.awaitEvents(c, snap)
		if err != nil {
			return nil // the client has gone, or the server stops
		}
		snap = next
		now := eventsIn(snap)
		seen, show = now, after(seen, now)
	}
}

// awaitEvents waits for a snapshot with other events.
func (a *API) awaitEvents(c *rest.Call, old *catalog.Snapshot) (*catalog.Snapshot, error) {
	ctx, end := a.following(c.R.Context())
	defer end()
	return a.Catalog.Await(ctx, func(now *catalog.Snapshot) bool {
		return now.Node(keys.SupervisionEvents) != old.Node(keys.SupervisionEvents)
	})
}

// eventsIn returns the events that the agency keeps, oldest first.
func eventsIn(snap *catalog.Snapshot) []client.Decision {
	var all []client.Decision
	_ = snap.Node(keys.SupervisionEvents).Decode(&all) // missing: none
	return all
}

// after returns what is new in a list that drops its oldest elements. If the last one seen has
// been dropped, all are new.
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
