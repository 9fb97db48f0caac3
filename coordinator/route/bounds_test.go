package route_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// A request that follows another of the same client does not overtake it: what failed there
// stops the shard, and no other.
func TestNothingOvertakesAcrossParts(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "B"}})
		fail := true
		f.servers.answer = func(_ dbclient.Target, shard string, _ dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			if shard == "s2" && fail {
				err = lost()
			}
			return a, err
		}
		failed := route.Failed{}
		bounds := func(r *route.Request) { r.Bounds.Failed, r.WaitForSync = failed, true }
		_, err := f.send(t, bounds, inserts(8)...)
		require.NoError(t, err)
		require.Equal(t, route.Failed{"s2": true}, failed)
		fail = false
		f.servers.log = nil
		out, err := f.send(t, bounds, inserts(8)...)
		require.NoError(t, err)
		require.Len(t, f.servers.log, 1, "an operation overtakes one that failed")
		require.False(t, out.Synced)
		require.Contains(t, f.servers.log[0], "http://a s1")
		for i, r := range out.Results {
			if route.ShardIndex(inserts(8)[i].Key, 2) == 0 {
				require.Nil(t, r.Error)
				continue
			}
			require.ErrorContains(t, r.Error, "not sent")
			require.Equal(t, 503, r.Error.Status())
		}
	})
}

// A shard whose answer was lost is remembered also if another one was asked again after that.
func TestNothingOvertakesAfterAnotherRound(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "B"}})
		refusals := 1
		f.servers.answer = func(_ dbclient.Target, shard string, _ dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			switch {
			case shard == "s2":
				err = lost()
			case refusals > 0:
				refusals--
				err = apierror.New(apierror.NotLeader, "not yet")
			}
			return a, err
		}
		failed := route.Failed{}
		_, err := f.send(t, func(r *route.Request) { r.Bounds.Failed = failed }, inserts(8)...)
		require.NoError(t, err)
		require.Zero(t, refusals)
		require.Equal(t, route.Failed{"s2": true}, failed, "what follows may overtake an operation whose outcome is unknown")
	})
}

// A server that returns documents may do only the first operations: the others are sent
// again, in order, until there are as many bytes as may be returned.
func TestReturnedDocumentsEndARequest(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A"}})
		f.servers.answer = func(_ dbclient.Target, _ string, r dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			for _, op := range r.Ops[:min(3, len(r.Ops))] {
				a.Results = append(a.Results, dbclient.OpResult{Key: op.Key, New: json.RawMessage(`"0123456789"`)})
			}
			return a, nil
		}
		reads := inserts(20)
		for i := range reads {
			reads[i].Kind = dbclient.OpRead
		}
		out, err := f.send(t, nil, reads...)
		require.NoError(t, err)
		require.Len(t, f.servers.log, 7)
		for i, r := range out.Results {
			require.Equal(t, reads[i].Key, r.Key)
			require.NotEmpty(t, r.New)
		}
		for _, test := range []struct {
			most int64
			done int
		}{{100, 9}, {1, 3}, {-1, 0}} {
			failed := route.Failed{}
			out, err = f.send(t, func(r *route.Request) { r.Bounds = route.Bounds{Returned: test.most, Failed: failed} }, reads...)
			require.NoError(t, err)
			done := slices.IndexFunc(out.Results, func(r dbclient.OpResult) bool { return r.Error != nil })
			require.Equal(t, test.done, done)
			for _, r := range out.Results[done:] {
				require.ErrorIs(t, r.Error, route.ErrReturnedEnough)
				require.ErrorIs(t, r.Error, apierror.ResourceLimit)
			}
			require.Empty(t, failed, "the shard is well")
		}
		out, err = f.send(t, nil, inserts(8)...) // a write that returns nothing is done or not
		require.NoError(t, err)
		require.ErrorContains(t, out.Results[0].Error, "unknown")
	})
}
