package restore

import (
	"context"
	"fmt"
	"time"

	"stasis/agency/keys"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
)

// match decides which server takes which piece, and rewrites the stored Plan for that.
func (r *restoration) match(ctx context.Context) error {
	servers := fanout.IDs(r.cluster.Members)
	sources, err := topology.Match(r.plan.DBServers, servers)
	if err != nil {
		return err
	}
	for _, now := range servers {
		source := sources[now]
		if source != "" && r.found.Holders[source] != now {
			return apierror.New(apierror.BackupRestore, "%s takes the place of %s, whose piece is on %s", now, source, r.found.Holders[source])
		}
	}
	placed := topology.Placed(sources)
	if r.shards, err = r.plan.Shards(); err != nil {
		return err
	}
	if r.reports, err = reportsOf(r.plan, r.cert, placed, r.op.ID); err != nil {
		return err
	}
	if err := place(r.plan, placed); err != nil {
		return err
	}
	r.record = keys.Restore{
		Epoch: r.cluster.Epoch + 1, BackupID: r.op.ID, Nonce: r.op.Nonce, Previous: r.failsafe.ID(FailsafeLabel),
		Servers: sources, Coordinator: r.by.Coordinator, Since: r.failsafe.DateTime(), Older: r.cluster.Failsafes(),
	}
	r.op.Emit(ctx, event.Event{Step: event.Matched})
	return nil
}

// stageAll has every server link its piece beside its engine and check that it opens. The servers
// go on with their own engines.
func (r *restoration) stageAll(ctx context.Context) error {
	dump, err := r.cluster.Dump()
	if err != nil {
		return err
	}
	request := dbclient.StageRequest{
		ID: r.op.ID, Epoch: r.record.Epoch, Nonce: r.op.Nonce, FailsafeID: r.record.Previous,
		FailsafeTime: r.failsafe.DateTime(), NrDBServers: len(r.cluster.Members),
	}
	if request.FailsafeDump, err = dbclient.Encode(dump); err != nil {
		return fmt.Errorf("encode agency dump: %w", err)
	}
	r.op.Undo.Push("staged engines", r.unstage)
	r.op.Emit(ctx, event.Event{Step: event.Staging})
	err = fanout.Tell(ctx, r.cluster.Members, 0, func(ctx context.Context, m fanout.Member) error {
		return r.stageOn(ctx, m, request)
	})
	if err != nil {
		return operation.Cause(ctx, apierror.New(apierror.BackupRestore, "stage: %w", err))
	}
	return nil
}

func (r *restoration) stageOn(ctx context.Context, m fanout.Member, request dbclient.StageRequest) error {
	start := time.Now()
	request.Source = r.record.Servers[m.ID]
	request.Empty = request.Source == ""
	request.Statements = r.cert.StatementsFor(request.Source, r.shards)
	_, err := fanout.WhileItProgresses(ctx, r.by.Timeouts.Stall, m, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.by.Servers.Stage(ctx, m.Target, request)
	})
	if err != nil {
		return err
	}
	r.op.Emit(ctx, event.Event{Step: event.Staged, Server: m.ID, Elapsed: time.Since(start)})
	return nil
}

func (r *restoration) unstage(ctx context.Context) error {
	request := dbclient.UnstageRequest{Epoch: r.record.Epoch, Nonce: r.op.Nonce}
	return fanout.AllErrors(fanout.Ask(ctx, r.cluster.Members, r.by.Timeouts.Answer, nil, fanout.Silently(func(ctx context.Context, m fanout.Member) error {
		return r.by.Servers.Unstage(ctx, m.Target, request)
	})))
}
