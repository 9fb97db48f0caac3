package replica

import (
	"context"
	"errors"
	"fmt"

	"stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
)

// This file is the other end of a leader's calls.

// Promise answers a new leader.
func Promise(s *shard.Shard, reboot uint64, t client.Tenure) (client.ReplicaAnswer, error) {
	st, err := s.Promise(shard.Tenure(t))
	return answer(st, reboot, err)
}

// Accept answers a leader that sends records.
func Accept(s *shard.Shard, reboot uint64, r client.AcceptRequest) (client.ReplicaAnswer, error) {
	records, err := decodeRecords(r.Prev.Seq, r.Records)
	if err != nil {
		return client.ReplicaAnswer{}, err
	}
	st, err := s.Accept(shard.Batch{
		Tenure: shard.Tenure(r.Tenure), Prev: fromPosition(r.Prev), Records: records, Commit: r.Commit, Sync: r.Sync,
	})
	return answer(st, reboot, err)
}

// Copy answers a leader that brings a copy.
func Copy(s *shard.Shard, reboot uint64, r client.CopyRequest) (client.ReplicaAnswer, error) {
	t := shard.Tenure(r.Tenure)
	entries, err := decodeEntries(r.Entries)
	if err == nil && r.Begin {
		err = s.BeginCopy(t, r.Copy)
	}
	if err == nil && len(entries) > 0 {
		err = s.AddCopy(t, r.Copy, entries)
	}
	if err == nil && r.End != nil {
		err = s.EndCopy(t, r.Copy, shard.State{Last: fromPosition(r.End.Last), Count: r.End.Count, Revision: r.End.Revision})
	}
	return answer(s.State(), reboot, err)
}

// Log answers a new leader whose log is shorter.
func Log(s *shard.Shard, r client.LogRequest) (client.LogResponse, error) {
	prev, records, ok, err := s.Log(r.From, maxBatchBytes)
	if err != nil || !ok {
		return client.LogResponse{Gone: err == nil}, err
	}
	return client.LogResponse{Prev: positionOf(prev), Records: encodeRecords(records)}, nil
}

// answer tells refusals, which a leader acts on, from failures.
func answer(st shard.State, reboot uint64, err error) (client.ReplicaAnswer, error) {
	a := client.ReplicaAnswer{State: StateOf(st), RebootID: reboot}
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, shard.ErrOldTenure):
		a.Refused = client.RefusedOld
	case errors.Is(err, shard.ErrGap):
		a.Refused = client.RefusedGap
	default:
		return a, err
	}
	a.Why = err.Error()
	return a, nil
}

func encodeRecords(records []shard.Record) []byte {
	var b []byte
	for _, r := range records {
		b = client.AppendBlob(b, r.Encode())
	}
	return b
}

func decodeRecords(prev uint64, b []byte) ([]shard.Record, error) {
	blobs, err := client.Blobs(b)
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
		b = client.AppendBlob(client.AppendBlob(b, []byte(e.Key)), e.Value)
	}
	return b
}

func decodeEntries(b []byte) ([]shard.Entry, error) {
	blobs, err := client.Blobs(b)
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
