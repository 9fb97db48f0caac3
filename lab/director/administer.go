package director

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"stasis/client"
	"stasis/lab/world"
)

// askFor asks a coordinator for a change, and counts the answer: what is asked for while faults are there may be refused.
func askFor(ctx context.Context, s *stage, d deed, change func(context.Context, *client.Client) error) error {
	return answered(ctx, s, d, s.choice.ask(ctx, change))
}

// answered counts what came of a change that was asked for. An end of ctx is no refusal.
func answered(ctx context.Context, s *stage, d deed, err error) error {
	switch {
	case err == nil:
		d.record.meet(1)
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		d.record.refuse(err)
		s.log(fmt.Sprintf("line %d: %s: it was refused: %v", d.Line, d.Text, err))
	}
	return nil
}

// define asks for a change of what data there is. That it cannot be made now is an answer that scenarios aim at, so it is met.
func define(ctx context.Context, s *stage, d deed, change func(context.Context, *client.Client) error) error {
	err := s.choice.ask(ctx, change)
	if notNow(err) {
		d.record.meet(1)
	}
	return answered(ctx, s, d, err)
}

// notNow says whether a change was refused, or not answered, because of what goes on in the cluster.
func notNow(err error) bool {
	// Not found is what is to be dropped if its creation was refused, or if an attempt before has dropped it: a scenario that drops
	// what it does not create is refused when it is read.
	for _, one := range []error{client.ErrNotFound, client.ErrUnavailable, client.ErrLockTimeout, client.ErrConflict, client.ErrReadOnly, client.ErrUnknownOutcome, context.DeadlineExceeded} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

func moveShard(ctx context.Context, s *stage, d deed) error {
	from, err := s.id(ctx, d, "a")
	if err != nil {
		return err
	}
	to, err := s.id(ctx, d, "b")
	if err != nil {
		return err
	}
	var shard *client.Shard
	err = s.choice.ask(ctx, func(ctx context.Context, c *client.Client) error {
		all, err := shardsOf(ctx, c, d.Args["collection"])
		for _, one := range all {
			here := one.Leader == from || slices.Contains(one.Followers, from)
			there := one.Leader == to || slices.Contains(one.Followers, to)
			if here && !there && shard == nil {
				shard = &one
			}
		}
		if err == nil && shard == nil {
			err = errors.New("no shard is on the one server and not on the other")
		}
		return err
	})
	if err != nil {
		return answered(ctx, s, d, err)
	}
	return askFor(ctx, s, d, func(ctx context.Context, c *client.Client) error {
		_, err := c.Cluster().MoveShard(ctx, client.MoveShard{
			Database: shard.Database, Collection: shard.Collection, Shard: shard.Shard, FromServer: from, ToServer: to,
		})
		return err
	})
}

func cleanOut(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		id, err := world.IDOf(s.world, server)
		if err != nil {
			return err
		}
		return askFor(ctx, s, d, func(ctx context.Context, c *client.Client) error {
			_, err := c.Cluster().CleanOut(ctx, id)
			return err
		})
	})
}

// removeServers removes servers from the cluster. They are not started again.
func removeServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		id, err := world.IDOf(s.world, server)
		if err != nil {
			return err
		}
		return askFor(ctx, s, d, func(ctx context.Context, c *client.Client) error {
			if err := c.Cluster().RemoveServer(ctx, id); err != nil {
				return err
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.removed = append(s.removed, server)
			return nil
		})
	})
}

func createCollection(ctx context.Context, s *stage, d deed) error {
	return define(ctx, s, d, func(ctx context.Context, c *client.Client) error {
		return c.Database("").EnsureCollection(ctx, d.Args["collection"], client.Layout{Shards: 3})
	})
}

func dropCollection(ctx context.Context, s *stage, d deed) error {
	return define(ctx, s, d, func(ctx context.Context, c *client.Client) error {
		return c.Database("").DropCollection(ctx, d.Args["collection"])
	})
}
