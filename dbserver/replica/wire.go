package replica

import (
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
)

// tenureOf makes the wire's form.
func tenureOf(t shard.Tenure) dbclient.Tenure { return dbclient.Tenure(t) }

func positionOf(p shard.Position) dbclient.Position {
	return dbclient.Position{Tenure: tenureOf(p.Tenure), Seq: p.Seq}
}

// stateOf makes the wire's form of a replica's state.
func stateOf(s shard.State) dbclient.ReplicaState {
	return dbclient.ReplicaState{
		Promised: tenureOf(s.Promised), Last: positionOf(s.Last), Committed: s.Committed,
		Count: s.Count, Revision: s.Revision, Copying: s.Copying,
	}
}

func fromPosition(p dbclient.Position) shard.Position {
	return shard.Position{Tenure: shard.Tenure(p.Tenure), Seq: p.Seq}
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

// encodeEntries writes keys and values by turns. The key of what is no document has its space before it, after a zero byte: no
// document has such a key, and a version that does not know transactions refuses it.
func encodeEntries(entries []shard.Entry) []byte {
	var b []byte
	for _, e := range entries {
		key := []byte(e.Key)
		if e.Space != shard.Documents {
			key = append([]byte{0, byte(e.Space)}, key...)
		}
		b = dbclient.AppendBlob(dbclient.AppendBlob(b, key), e.Value)
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
		e := shard.Entry{Space: shard.Documents, Key: string(blobs[i]), Value: blobs[i+1]}
		if len(e.Key) > 1 && e.Key[0] == 0 {
			e.Space, e.Key = shard.Space(e.Key[1]), e.Key[2:]
		}
		entries = append(entries, e)
	}
	return entries, nil
}
