package replica

import (
	"context"
	"errors"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
)

// Follower is the other end of a leader's calls: it answers for one replica. It obeys only
// tenures that Plan has; see admission.go. Its methods may be used from any goroutine.
type Follower struct {
	home      Home
	shard     *shard.Shard
	admission *admission
}

// NewFollower answers for s. It starts nothing.
func NewFollower(home Home, s *shard.Shard) *Follower {
	return &Follower{home: home, shard: s, admission: &admission{home: home, shard: s}}
}

// Promise answers a new leader.
func (f *Follower) Promise(ctx context.Context, t dbclient.Tenure) (dbclient.ReplicaAnswer, error) {
	tenure := shard.Tenure(t)
	if err := f.admission.admit(ctx, tenure); err != nil {
		return f.answer(f.shard.State(), err)
	}
	st, err := f.shard.Promise(tenure)
	if errors.Is(err, shard.ErrOldTenure) {
		st, err = f.admission.overrule(ctx, st.Promised, tenure)
	}
	return f.answer(st, err)
}

// Accept answers a leader that sends records.
func (f *Follower) Accept(ctx context.Context, r dbclient.AcceptRequest) (dbclient.ReplicaAnswer, error) {
	tenure := shard.Tenure(r.Tenure)
	records, err := decodeRecords(r.Prev.Seq, r.Records)
	if err == nil {
		err = f.admission.promised(ctx, tenure)
	}
	if err != nil {
		return f.answer(f.shard.State(), err)
	}
	st, err := f.shard.Accept(shard.Batch{Tenure: tenure, Prev: fromPosition(r.Prev), Records: records, Commit: r.Commit, Sync: r.Sync})
	return f.answer(st, err)
}

// Copy answers a leader that brings a copy. A copy begins and ends only while Current can have
// no report with this replica in sync: otherwise what the replica has may be needed.
func (f *Follower) Copy(ctx context.Context, r dbclient.CopyRequest) (dbclient.ReplicaAnswer, error) {
	id := shard.CopyID{Tenure: shard.Tenure(r.Tenure), Number: r.Copy, Session: r.Session}
	entries, err := decodeEntries(r.Entries)
	if err == nil && r.Begin && (len(entries) > 0 || r.End != nil || r.Session != "") {
		err = apierror.New(apierror.BadParameter, "a copy begins by a request of its own")
	}
	if err == nil {
		err = f.admission.promised(ctx, id.Tenure)
	}
	if err == nil && (r.Begin || r.End != nil) {
		err = f.admission.dispensable(ctx, id.Tenure)
	}
	session := ""
	if err == nil && r.Begin {
		session, err = f.shard.BeginCopy(id.Tenure, id.Number)
	}
	if err == nil && len(entries) > 0 {
		err = f.shard.AddCopy(id, entries)
	}
	if err == nil && r.End != nil {
		st := shard.State{Last: fromPosition(r.End.Last), Count: r.End.Count, Revision: r.End.Revision}
		err = f.shard.EndCopy(id, shard.CopyEnd{State: st, Sum: r.Sum})
	}
	a, err := f.answer(f.shard.State(), err)
	a.Session = session
	return a, err
}

// Log answers a new leader whose log is shorter. It changes nothing, so it needs no tenure.
func (f *Follower) Log(r dbclient.LogRequest) (dbclient.LogResponse, error) {
	if r.From == 0 {
		return dbclient.LogResponse{}, apierror.New(apierror.BadParameter, "records are numbered from 1")
	}
	prev, records, ok, err := f.shard.Log(r.From, maxBatchBytes)
	if err != nil || !ok {
		return dbclient.LogResponse{Gone: err == nil}, err
	}
	return dbclient.LogResponse{Prev: positionOf(prev), Records: encodeRecords(records)}, nil
}

// answer turns the errors that a leader acts on into refusals; other errors stay errors.
func (f *Follower) answer(st shard.State, err error) (dbclient.ReplicaAnswer, error) {
	a := dbclient.ReplicaAnswer{State: stateOf(st), RebootID: f.home.Reboot()}
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, shard.ErrOldTenure):
		a.Refused = dbclient.RefusedOld
	case errors.Is(err, shard.ErrGap):
		a.Refused = dbclient.RefusedGap
	case errors.Is(err, shard.ErrLeads):
		return dbclient.ReplicaAnswer{}, apierror.New(apierror.Forbidden, "%w", err)
	default:
		return dbclient.ReplicaAnswer{}, err
	}
	a.Why = err.Error()
	return a, nil
}
