package create

import (
	"context"

	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	dbclient "stasis/dbserver/client"
	"stasis/event"
)

// pending is the backup's pieces from prepare to publish. A pending piece is in no list, and its
// server removes it when its nonce holds no lock and is not committed.
type pending struct {
	op       *operation.Operation
	servers  Servers
	members  []fanout.Member
	timeouts Timeouts
}

func (p *pending) request() dbclient.PieceRequest {
	return dbclient.PieceRequest{ID: p.op.ID, Nonce: p.op.Nonce}
}

// prepare has every server begin its piece and flush, so that little is left to do while
// the gates are held.
func (p *pending) prepare(ctx context.Context) error {
	p.op.Emit(ctx, event.Event{Step: event.Prepare})
	return fanout.Tell(ctx, p.members, 0, func(ctx context.Context, m fanout.Member) error {
		_, err := fanout.WhileItProgresses(ctx, p.timeouts.Stall, m, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, p.servers.Prepare(ctx, m.Target, p.request())
		})
		return err
	})
}

// drop removes what was made of the backup, on every server.
func (p *pending) drop(ctx context.Context) error {
	return fanout.AllErrors(fanout.Ask(ctx, p.members, p.timeouts.Answer, nil, fanout.Silently(p.dropOn)))
}

func (p *pending) dropOn(ctx context.Context, m fanout.Member) error {
	return p.servers.Drop(ctx, m.Target, p.request())
}

// abandon drops the pieces when the backup has failed. It repeats what fails, and waits at most
// Timeouts.Answer for each server: a server whose disk hangs removes its piece when it can.
func (p *pending) abandon(ctx context.Context) error {
	answers := fanout.Ask(ctx, p.members, p.timeouts.Answer, nil, fanout.Silently(func(ctx context.Context, m fanout.Member) error {
		return operation.Retry(ctx, func(ctx context.Context) error { return p.dropOn(ctx, m) })
	}))
	for _, a := range answers {
		if a.Err != nil {
			p.op.Log.Warn("piece not dropped; its server removes it later", "id", p.op.ID, "error", a.Err)
		}
	}
	return nil
}

// publish makes the pieces those of a committed backup. It returns the servers that have not
// published yet: each asks the agency later and publishes then.
func (p *pending) publish(ctx context.Context) (behind []string) {
	p.op.Emit(ctx, event.Event{Step: event.Publishing})
	for _, a := range fanout.Ask(ctx, p.members, p.timeouts.Stall, nil, fanout.Silently(p.publishOn)) {
		if a.Err != nil {
			behind = append(behind, a.ID)
			p.op.Log.Warn("piece not published yet; its server will publish it", "id", p.op.ID, "error", a.Err)
		}
	}
	return behind
}

// publishOn repeats the request if it fails: the answer may have been lost.
func (p *pending) publishOn(ctx context.Context, m fanout.Member) error {
	err := operation.Retry(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, p.timeouts.Answer)
		defer cancel()
		return p.servers.Publish(ctx, m.Target, p.request())
	})
	if err == nil {
		p.op.Emit(ctx, event.Event{Step: event.Published, Server: m.ID})
	}
	return err
}
