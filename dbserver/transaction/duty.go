package transaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/internal/failpoint"
)

// duties bring decisions to the shards that have prepared, when their coordinator does not. It belongs to one goroutine.
type duties struct {
	l       *Ledger
	brought map[duty]bool // all others have it on disk
}

// duty is a decision on a shard.
type duty struct {
	shard string
	id    dbclient.TxnID
}

func newDuties(l *Ledger) *duties { return &duties{l: l, brought: map[duty]bool{}} }

// look brings what is old enough to the others, and forgets what nobody will ask for any more.
func (d *duties) look(ctx context.Context, s *store.Store) {
	kept := map[duty]bool{}
	for _, on := range s.Leading() {
		found, err := on.Shard.Transactions().Decisions()
		if err != nil {
			continue // it does not lead any more: who does has them
		}
		d.complain(ctx, on.Shard.Name(), d.bring(ctx, s, on.Shard, found, kept))
	}
	d.brought = kept
	for _, aside := range s.Aside() {
		d.complain(ctx, aside.Name(), d.settleAside(ctx, s, aside))
	}
}

func (d *duties) complain(ctx context.Context, name string, err error) {
	if err != nil && ctx.Err() == nil {
		d.l.Logger.Warn("bringing decisions to other shards", "home", name, "error", err)
	}
}

// bring looks after the decisions of one shard. kept gets those that stay.
func (d *duties) bring(ctx context.Context, s *store.Store, of *shard.Shard, decisions []shard.Decision, kept map[duty]bool) error {
	var errs []error
	var over []dbclient.TxnID
	for _, x := range decisions {
		key, age := duty{of.Name(), x.ID}, time.Since(x.Seen)
		done := d.brought[key] || len(x.Others) == 0
		if !done && age >= d.l.Timing.Duty {
			err := d.tell(ctx, s, x)
			done = err == nil
			errs = append(errs, err)
		}
		if done {
			kept[key] = true
		}
		if done && (age >= d.l.Timing.Remember || failpoint.Off("decisions-wait-for-their-coordinator")) {
			over = append(over, x.ID)
		}
	}
	if len(over) > 0 {
		errs = append(errs, of.Transactions().Forget(s.Life(), over))
	}
	return errors.Join(errs...)
}

// tell has all others commit. A shard that is not in Plan any more has nothing to commit.
func (d *duties) tell(ctx context.Context, s *store.Store, x shard.Decision) error {
	for _, other := range x.Others {
		server, root, err := d.l.homes.planned(ctx, s, other)
		if errors.Is(err, errDropped) {
			continue
		}
		if err != nil {
			return err
		}
		if server == d.l.ID {
			err = d.l.resolve(s, other.Shard, x.ID, true)
		} else {
			var t dbclient.Target
			if t, err = target(root, s, server); err == nil {
				limited, cancel := context.WithTimeout(ctx, d.l.Timing.Call)
				err = d.l.Peers.Resolve(limited, t, other.Shard, dbclient.TxnResolveRequest{ID: x.ID, Commit: true})
				cancel()
			}
		}
		if err != nil {
			return fmt.Errorf("commit transaction %s on shard %s: %w", x.ID, other.Shard, err)
		}
	}
	return nil
}

// settleAside brings the decisions of a shard that has been dropped to the others. Then it can go.
func (d *duties) settleAside(ctx context.Context, s *store.Store, of *shard.Shard) error {
	left, err := of.Transactions().Left()
	if err != nil {
		return err
	}
	for _, x := range left {
		if err := d.tell(ctx, s, x); err != nil {
			return err
		}
	}
	s.LetGo(of.Name())
	return nil
}
