package route_test

import (
	"testing"

	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
)

// What the path of a document by its key takes, in a collection that has no other shard keys.
func BenchmarkDocumentByKey(b *testing.B) {
	f := start(b, layout{leaders: []string{"A", "B", "C"}})
	snap := f.catalog.Cached()
	coll, _ := snap.Collection("db", "c")
	ops := []dbclient.Op{{Kind: dbclient.OpInsert, Key: "k1"}}
	b.ReportAllocs()
	for b.Loop() {
		out, err := f.router.Documents(b.Context(), route.Request{Ref: route.Ref{Database: "db", Name: "c"}, Snapshot: snap, Collection: coll, Ops: ops})
		if err != nil || out.Results[0].Error != nil {
			b.Fatal(err, out.Results)
		}
		f.servers.log = f.servers.log[:0]
	}
}
