package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
)

// Home is the server that a replica is on.
type Home struct {
	ID     string
	Reboot func() uint64
	Epoch  uint64
	Cache  Cache
	Logger hclog.Logger
}

// Follower is the other end of a leader's calls: it answers for one replica. It obeys
// tenures that Plan has, and only those; see admission.go. Its methods may be used from any
// goroutine.
type Follower struct {
	home  Home
	shard *shard.Shard

	mu         sync.Mutex
	database   string       // where the shard stands in Plan
	collection string       // "" before it was looked for
	known      shard.Tenure // the last one that was found to be Plan's
}

// NewFollower answers for s. It starts nothing.
func NewFollower(home Home, s *shard.Shard) *Follower { return &Follower{home: home, shard: s} }

// Promise answers a new leader.
func (f *Follower) Promise(ctx context.Context, t dbclient.Tenure) (dbclient.ReplicaAnswer, error) {
	tenure := shard.Tenure(t)
	if err := f.admit(ctx, tenure); err != nil {
		return f.answer(f.shard.State(), err)
	}
	st, err := f.shard.Promise(tenure)
	if errors.Is(err, shard.ErrOldTenure) {
		st, err = f.overrule(ctx, st.Promised, tenure)
	}
	return f.answer(st, err)
}

// Accept answers a leader that sends records.
func (f *Follower) Accept(ctx context.Context, r dbclient.AcceptRequest) (dbclient.ReplicaAnswer, error) {
	tenure := shard.Tenure(r.Tenure)
	records, err := decodeRecords(r.Prev.Seq, r.Records)
	if err == nil {
		err = f.promised(ctx, tenure)
	}
	if err != nil {
		return f.answer(f.shard.State(), err)
	}
	st, err := f.shard.Accept(shard.Batch{Tenure: tenure, Prev: fromPosition(r.Prev), Records: records, Commit: r.Commit, Sync: r.Sync})
	return f.answer(st, err)
}

// Copy answers a leader that brings a copy. It begins and ends only while no report can
// stand in Current that has this replica as in sync: the leader may need what it has.
func (f *Follower) Copy(ctx context.Context, r dbclient.CopyRequest) (dbclient.ReplicaAnswer, error) {
	id := shard.CopyID{Tenure: shard.Tenure(r.Tenure), Number: r.Copy, Session: r.Session}
	entries, err := decodeEntries(r.Entries)
	if err == nil && r.Begin && (len(entries) > 0 || r.End != nil || r.Session != "") {
		err = apierror.New(apierror.BadParameter, "a copy begins by a request of its own")
	}
	if err == nil {
		err = f.promised(ctx, id.Tenure)
	}
	if err == nil && (r.Begin || r.End != nil) {
		err = f.dispensable(ctx, id.Tenure)
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

// Log answers a new leader whose log is shorter. It changes nothing, so that it needs no tenure.
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

// answer tells refusals, which a leader acts on, from failures.
func (f *Follower) answer(st shard.State, err error) (dbclient.ReplicaAnswer, error) {
	a := dbclient.ReplicaAnswer{State: StateOf(st), RebootID: f.home.Reboot()}
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

func encodeRecords(records []shard.Record) []byte {
	var b []byte
	for _, r := range records {
		b = dbclient.AppendBlob(b, r.Encode())
	}
	return b
}

func decodeRecords(prev uint64, b []byte) ([]shard.Record, error) {
	blobs, err := dbclient.Blobs(b)
	if err != nil {
		return nil, apierror.New(apierror.BadParameter, "records: %w", err)
	}
	records := make([]shard.Record, len(blobs))
	for i, blob := range blobs {
		if records[i], err = shard.DecodeRecord(prev+1+uint64(i), blob); err != nil {
			return nil, apierror.New(apierror.BadParameter, "%w", err)
		}
	}
	return records, nil
}

func encodeEntries(entries []shard.Entry) []byte {
	var b []byte
	for _, e := range entries {
		b = dbclient.AppendBlob(dbclient.AppendBlob(b, []byte(e.Key)), e.Value)
	}
	return b
}

func decodeEntries(b []byte) ([]shard.Entry, error) {
	blobs, err := dbclient.Blobs(b)
	if err == nil && len(blobs)%2 != 0 {
		err = fmt.Errorf("a key without a value")
	}
	if err != nil {
		return nil, apierror.New(apierror.BadParameter, "entries: %w", err)
	}
	entries := make([]shard.Entry, 0, len(blobs)/2)
	for i := 0; i < len(blobs); i += 2 {
		entries = append(entries, shard.Entry{Key: string(blobs[i]), Value: blobs[i+1]})
	}
	return entries, nil
}

// call bounds one call to another replica.
func (l *Leader) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.server.Timing.Call)
}
