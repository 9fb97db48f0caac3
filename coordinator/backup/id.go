package backup

import (
	"context"
	"fmt"
	"strings"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
)

// moment is a backup's time, in whole seconds.
type moment struct{ time.Time }

func now() moment { return moment{time.Now().UTC().Truncate(time.Second)} }

// DateTime is the moment as listed: 2023-09-01T15:00:34Z.
func (m moment) DateTime() string { return m.Format(time.RFC3339) }

// id is the moment as it begins an id, with a label after it.
func (m moment) id(label string) string {
	return m.prefix() + label
}

func (m moment) prefix() string { return strings.ReplaceAll(m.DateTime(), ":", ".") + "_" }

// settleID makes the id unique now that nobody else can commit one: as long as
// another backup has this second's id, or a committed backup has this second, the
// next second is taken, and the lock's holder says so.
func (c *create) settleID(ctx context.Context) error {
	for {
		taken, err := c.taken(ctx)
		if err != nil {
			return err
		}
		if !taken {
			return nil
		}
		if err := pause(ctx, time.Until(c.moment.Add(time.Second))); err != nil {
			return err
		}
		c.id = c.newID()
		if err := c.renameHolder(ctx); err != nil {
			return err
		}
	}
}

// taken asks the agency's record of committed backups and every server's pieces.
// It is also the first request to every server: one that is down is noticed here.
func (c *create) taken(ctx context.Context) (bool, error) {
	for id := range c.cluster.doomed {
		if id == c.id {
			return true, nil
		}
	}
	for id := range c.cluster.commits {
		if strings.HasPrefix(id, c.moment.prefix()) {
			return true, nil
		}
	}
	lists := ask(ctx, c.cluster.members, c.Timing.Answer, anyError, func(ctx context.Context, m member) (dbserver.ListResponse, error) {
		return c.listOn(ctx, m, dbserver.ListRequest{IDs: []string{c.id}})
	})
	if err := firstError(lists); err != nil {
		return false, unavailable("all DB servers are needed for a backup", err)
	}
	for _, l := range lists {
		if len(l.value.Pieces) > 0 {
			return true, nil
		}
	}
	return false, nil
}

func (op *operation) renameHolder(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, op.Timing.Agency)
	defer cancel()
	_, err := op.Agency.Write(ctx, agency.Tx{
		Ops: map[string]any{keys.HotBackupHolder + "/id": agency.Set(op.id)},
		Pre: op.locked(),
	})
	if err != nil {
		return agencyError(fmt.Errorf("rename the lock's holder: %w", err))
	}
	return nil
}
