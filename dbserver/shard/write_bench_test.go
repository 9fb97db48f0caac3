package shard

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// BenchmarkWrite replaces documents one by one, on a leader that is alone, in memory.
func BenchmarkWrite(b *testing.B) {
	o := open(b, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s := o.leader(Tenure{1, 1})
	var requests []dbclient.DocumentsRequest
	for n := range 1000 {
		op := dbclient.Op{Kind: dbclient.OpInsert, Key: fmt.Sprint("key", n), OverwriteMode: dbclient.OverwriteReplace, Document: raw(`{"name":"a document","n":17}`)}
		requests = append(requests, dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{op}})
	}
	ctx := b.Context()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		results, err := s.Documents(ctx, requests[n%len(requests)])
		if err != nil || results[0].Error != nil {
			require.NoError(b, err)
			require.Nil(b, results[0].Error)
		}
		if n%100 == 0 { // so that the engine takes more, however slow the machine is
			require.NoError(b, o.env.Engine.SyncAll())
		}
	}
}
