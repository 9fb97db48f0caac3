package route_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
	"stasis/internal/shardkey"
)

// spread is a collection with three shards on servers A, B and C, whose shard key is a.
func spread() layout { return layout{leaders: []string{"A", "B", "C"}, keys: []string{"a"}} }

// holdings are the documents of each shard, as its leader answers.
type holdings map[string]string // shard → keys

func (h holdings) answer(shard string, r dbclient.DocumentsRequest) (a dbclient.DocumentsResponse) {
	for _, op := range r.Ops {
		result := dbclient.OpResult{Key: op.Key, Rev: shard}
		switch here := strings.Contains(h[shard]+" ", op.Key+" "); {
		case op.Kind == dbclient.OpInsert:
		case !here:
			result = dbclient.OpResult{Key: op.Key, Error: apierror.New(apierror.DocumentNotFound, "document %q not found", op.Key)}
		case op.IfMatch != "" && op.IfMatch != shard:
			result.Error = apierror.New(apierror.Conflict, "conflict")
		case op.Kind == dbclient.OpRead:
			result.New = json.RawMessage(`{"_key":"` + op.Key + `"}`)
		}
		a.Results = append(a.Results, result)
	}
	return a
}

// startSpread starts with these documents. fails is asked first.
func startSpread(t *testing.T, h holdings, fails func(shard string, r dbclient.DocumentsRequest) error) *fixture {
	t.Helper()
	f := start(t, spread())
	f.servers.answer = func(_ dbclient.Target, shard string, r dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
		if fails != nil {
			f.servers.mu.Lock()
			err = fails(shard, r)
			f.servers.mu.Unlock()
		}
		if err != nil {
			return a, err
		}
		return h.answer(shard, r), nil
	}
	return f
}

// by is operations that name documents by their keys alone.
func by(kind dbclient.OpKind, keys ...string) (ops []dbclient.Op) {
	for _, key := range keys {
		ops = append(ops, dbclient.Op{Kind: kind, Key: key})
	}
	return ops
}

// unplaced makes a request say nothing of where documents are.
func unplaced(r *route.Request) { r.Spots = make([]shardkey.Spot, len(r.Ops)) }

// spotOn is a place on shard number n of three.
func spotOn(n int) shardkey.Spot {
	for i := 0; ; i++ {
		s := shardkey.Keys{"a"}.Spot(func(string) json.RawMessage { return json.RawMessage(fmt.Sprint(i)) })
		if on, _ := s.Index(3); on == n {
			return s
		}
	}
}

// A document that is named by its key alone is looked for on all shards; then the operation goes to the one that has it.
func TestDocumentIsLookedForOnAllShards(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := startSpread(t, holdings{"s2": "k x", "s3": "l"}, nil)
		out, err := f.send(t, unplaced, by(dbclient.OpRemove, "k", "l", "nope", "x")...)
		require.NoError(t, err)
		require.Equal(t, []string{"s2", "s3", "", "s2"}, []string{out.Results[0].Rev, out.Results[1].Rev, out.Results[2].Rev, out.Results[3].Rev})
		require.ErrorIs(t, out.Results[2].Error, apierror.DocumentNotFound)
		require.Equal(t, "nope", out.Results[2].Key)
		require.Len(t, f.servers.log, 5, "three are asked, two have documents: %v", f.servers.log)

		f.servers.log = nil
		out, err = f.send(t, unplaced, by(dbclient.OpRead, "l")...)
		require.NoError(t, err)
		result, err := only(out)
		require.NoError(t, err)
		require.JSONEq(t, `{"_key":"l"}`, string(result.New))
		require.Len(t, f.servers.log, 3, "to read one document takes one round: %v", f.servers.log)
		out, err = f.send(t, unplaced, dbclient.Op{Kind: dbclient.OpRead, Key: "l", IfMatch: "other"})
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorIs(t, err, apierror.Conflict)
		out, err = f.send(t, unplaced, by(dbclient.OpRead, "nope")...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorIs(t, err, apierror.DocumentNotFound)

		f.servers.log = nil
		out, err = f.send(t, func(r *route.Request) { r.Spots = []shardkey.Spot{spotOn(1)} }, by(dbclient.OpUpdate, "k")...)
		require.NoError(t, err)
		_, err = only(out)
		require.NoError(t, err)
		require.Equal(t, []string{"http://b s2 epoch 0: 1"}, f.servers.log, "its values say where it is")
	})
}

// Of many operations, those of a shard go there in their order, however they name their documents.
func TestManyAreLookedFor(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		h := holdings{}
		var keys []string
		for i := range 95 {
			keys = append(keys, fmt.Sprintf("k%d", i))
			h[fmt.Sprintf("s%d", i%3+1)] += keys[i] + " "
		}
		f := startSpread(t, h, nil)
		var order []string
		answer := f.servers.answer
		f.servers.answer = func(to dbclient.Target, shard string, r dbclient.DocumentsRequest) (dbclient.DocumentsResponse, error) {
			f.servers.mu.Lock()
			if r.Ops[0].Kind == dbclient.OpUpdate && shard == "s2" {
				for _, op := range r.Ops {
					order = append(order, op.Key)
				}
			}
			f.servers.mu.Unlock()
			return answer(to, shard, r)
		}
		out, err := f.send(t, func(r *route.Request) {
			unplaced(r)
			r.Spots[1], r.Spots[13] = spotOn(1), spotOn(1)
		}, by(dbclient.OpUpdate, keys...)...)
		require.NoError(t, err)
		for i, r := range out.Results {
			require.Nil(t, r.Error)
			require.Equal(t, fmt.Sprintf("s%d", i%3+1), r.Rev)
		}
		var wanted []string
		for i := 1; i < 95; i += 3 {
			wanted = append(wanted, keys[i])
		}
		require.Equal(t, wanted, order)
	})
}

// If two shards have a document of one key, which cannot be, nothing is done to either.
func TestTwoShardsHaveADocument(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		for _, kind := range []dbclient.OpKind{dbclient.OpRead, dbclient.OpUpdate, dbclient.OpRemove} {
			f := startSpread(t, holdings{"s1": "k", "s3": "k"}, nil)
			out, err := f.send(t, unplaced, by(kind, "k")...)
			require.NoError(t, err)
			_, err = only(out)
			require.ErrorIs(t, err, apierror.ContradictingAnswers, "it is done on one of them")
			require.EqualError(t, err, `got contradicting answers from different shards: s1 and s3 both have document "k", and nothing was done`)
			require.Equal(t, 500, apierror.From(err).Status())
			require.Len(t, f.servers.log, 3, "nothing but the question is sent")
		}
	})
}

// A shard that does not answer may have the document. What is found elsewhere is done.
func TestSilentShardMayHaveTheDocument(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		l := spread()
		l.leaders[2] = "_C"
		f := startSpread(t, holdings{"s2": "k"}, nil)
		f.plan.become(t, l)
		f.plan.seen = f.plan.latest
		began := time.Now()
		out, err := f.send(t, unplaced, by(dbclient.OpRemove, "k")...)
		require.NoError(t, err)
		_, err = only(out)
		require.NoError(t, err)
		require.Zero(t, time.Since(began), "what is found is not waited for elsewhere")

		out, err = f.send(t, unplaced, by(dbclient.OpRead, "other")...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorIs(t, err, apierror.NoLeader, "a document is taken for missing that the silent shard may have")
		require.Equal(t, 503, apierror.From(err).Status())

		failed := route.Failed{}
		f.servers.log = nil
		out, err = f.send(t, func(r *route.Request) {
			r.Spots, r.Bounds.Failed, r.WaitForSync = []shardkey.Spot{spotOn(1), spotOn(2), {}, {}, spotOn(2), spotOn(1)}, failed, true
		}, append(by(dbclient.OpInsert, "n0", "n1"), append(by(dbclient.OpUpdate, "other", "k"), by(dbclient.OpInsert, "n2", "n3")...)...)...)
		require.NoError(t, err)
		require.False(t, out.Synced)
		require.Nil(t, out.Results[0].Error)
		require.ErrorContains(t, out.Results[1].Error, "no leader")
		require.ErrorIs(t, out.Results[2].Error, apierror.NoLeader)
		require.ErrorContains(t, out.Results[2].Error, "nothing was applied, try again: whether shard s3 has the document is not known")
		require.Equal(t, 503, out.Results[2].Error.Status())
		require.Nil(t, out.Results[3].Error)
		require.ErrorContains(t, out.Results[4].Error, "not sent", "it overtakes an operation on its shard")
		require.Nil(t, out.Results[5].Error)
		require.Equal(t, route.Failed{"s3": true}, failed)
	})
}

// The answer to the question where a document is may get lost: it is asked again. That of the operation is not.
func TestLostAnswersOfASearch(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		losses := map[string]int{}
		sent := 0
		f := startSpread(t, holdings{"s2": "k"}, func(shard string, r dbclient.DocumentsRequest) error {
			if r.Ops[0].Kind != dbclient.OpRead {
				sent++
				return lost()
			}
			if losses[shard]++; losses[shard] == 1 {
				return lost()
			}
			return nil
		})
		out, err := f.send(t, unplaced, by(dbclient.OpUpdate, "k")...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorIs(t, err, apierror.ConnectionLost)
		require.ErrorContains(t, err, "the outcome is unknown")
		require.Equal(t, 1, sent, "what may be applied is sent again")
		require.Equal(t, map[string]int{"s1": 2, "s2": 2, "s3": 2}, losses)

		// If no answer comes, nothing was applied, and that is what the client hears.
		f = startSpread(t, holdings{"s2": "k"}, func(shard string, r dbclient.DocumentsRequest) error {
			if shard == "s2" {
				return lost()
			}
			return nil
		})
		out, err = f.send(t, unplaced, by(dbclient.OpRemove, "k")...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorIs(t, err, apierror.BackendUnavailable)
		require.ErrorContains(t, err, "nothing was applied, try again")
		require.NotContains(t, err.Error(), "unknown")
	})
}

// A search that finds the answers of two epochs, or of two collections of one name, ends.
func TestSearchIsOfOneCollection(t *testing.T) {
	restored, again := spread(), spread()
	restored.epoch, restored.epochs = 1, map[string]uint64{"A": 1, "B": 1, "C": 1}
	again.id = "20"
	for _, test := range []struct {
		becomes layout
		num     apierror.Num
	}{{restored, apierror.BackendUnavailable}, {again, apierror.ShardGone}} {
		bubbles.Test(t, func(t *testing.T) {
			f := startSpread(t, holdings{}, func(shard string, _ dbclient.DocumentsRequest) error {
				if shard == "s2" {
					return lost()
				}
				return nil
			})
			time.AfterFunc(time.Second, func() { f.plan.become(t, test.becomes) })
			_, err := f.send(t, unplaced, by(dbclient.OpRemove, "k")...)
			require.ErrorIs(t, err, test.num)
			require.ErrorContains(t, err, "nothing was applied, try again")
		})
	}
}

// Where a document was found says nothing of where it is after a restore.
func TestFoundBeforeARestore(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		restored := spread()
		restored.epoch, restored.epochs = 1, map[string]uint64{"A": 1, "B": 1, "C": 1}
		f := startSpread(t, holdings{"s2": "k"}, func(_ string, r dbclient.DocumentsRequest) error {
			if r.Ops[0].Kind == dbclient.OpRead {
				return nil
			}
			return apierror.New(apierror.WrongEpoch, "the server is at 1")
		})
		time.AfterFunc(time.Second, func() { f.plan.become(t, restored) })
		out, err := f.send(t, unplaced, by(dbclient.OpRemove, "k")...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorContains(t, err, "restored meanwhile", "it goes where the document was before the restore")
		require.Equal(t, 503, apierror.From(err).Status())
	})
}

// No operation goes to a shard of a collection that is spread in another way than the one that it was made for.
func TestCollectionIsReplaced(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		now := layout{leaders: []string{"A", "B"}, id: "20"}
		for _, old := range []layout{spread(), {leaders: []string{"A"}, keys: []string{"a"}}} {
			f := start(t, old)
			f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
				return a, apierror.New(apierror.ShardGone, "it is not here")
			}
			f.plan.become(t, now)
			out, err := f.send(t, func(r *route.Request) { r.Spots = []shardkey.Spot{spotOn(1)} }, inserts(1)...)
			require.NoError(t, err)
			_, err = only(out)
			require.ErrorIs(t, err, apierror.ShardGone)
			require.EqualError(t, err, "no responsible shard found in collection c: it was dropped and created again meanwhile; nothing was applied, try again")
			require.Equal(t, 500, apierror.From(err).Status())
			require.Len(t, f.servers.log, 1)
		}
		f := start(t, layout{leaders: []string{"A"}})
		f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			return a, apierror.New(apierror.ShardGone, "it is not here")
		}
		f.plan.become(t, layout{leaders: []string{"A", "B"}, keys: []string{"a"}, id: "20"})
		out, err := f.send(t, nil, inserts(1)...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorContains(t, err, "no responsible shard found", "a document is put where its key leads, and looked for elsewhere")

		f = start(t, spread()) // and a restore gives its id to another collection
		f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			return a, apierror.New(apierror.WrongEpoch, "the server is at 1")
		}
		f.plan.become(t, layout{leaders: []string{"A", "B"}, keys: []string{"a"}, epoch: 1, epochs: map[string]uint64{"A": 1, "B": 1}})
		out, err = f.send(t, func(r *route.Request) { r.Spots = []shardkey.Spot{spotOn(2)} }, by(dbclient.OpReplace, "k")...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorIs(t, err, apierror.ShardGone, "its place is a number among other shards")

		f = start(t, layout{})
		_, err = f.send(t, nil, inserts(1)...)
		require.ErrorIs(t, err, apierror.ShardGone)
		require.EqualError(t, err, "no responsible shard found in collection c: it has no shards")
		f = start(t, spread())
		_, err = f.send(t, nil, inserts(1)...)
		require.ErrorIs(t, err, apierror.Internal, "an operation without a place goes by its key")
	})
}
