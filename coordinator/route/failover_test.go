package route_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// A leader that hangs is given up when its leadership has passed to another. The new leader
// answers a read; the outcome of a write is unknown.
func TestHangingLeaderIsGivenUp(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A"}, term: 1})
		f.servers.hang = func(to dbclient.Target) bool { return to.URL == "http://a" }
		began := time.Now()
		time.AfterFunc(10*time.Second, func() { f.plan.become(t, layout{leaders: []string{"B"}, term: 2}) })
		write := make(chan error)
		go func() {
			out, err := f.send(t, nil, inserts(1)...)
			if err == nil {
				_, err = only(out)
			}
			write <- err
		}()
		out, err := f.send(t, nil, dbclient.Op{Kind: dbclient.OpRead, Key: "k"})
		require.NoError(t, err)
		_, err = only(out)
		require.NoError(t, err)
		require.InDelta(t, 10.5, time.Since(began).Seconds(), 0.2)
		err = <-write
		require.ErrorIs(t, err, apierror.ConnectionLost)
		require.ErrorContains(t, err, "the outcome is unknown")
		require.ErrorContains(t, err, "another leader")
		require.Equal(t, 503, apierror.From(err).Status())
		require.InDelta(t, 10.5, time.Since(began).Seconds(), 0.2)
	})
}

// As long as the leadership goes on, a slow leader is waited for.
func TestSlowLeaderIsWaitedFor(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A"}, term: 1})
		f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			time.Sleep(20 * time.Second)
			return a, nil
		}
		time.AfterFunc(5*time.Second, func() { f.plan.become(t, layout{leaders: []string{"_A"}, term: 1}) })
		out, err := f.send(t, nil, inserts(1)...)
		require.NoError(t, err)
		_, err = only(out)
		require.NoError(t, err)
		require.Len(t, f.servers.log, 1)
	})
}

// A request that waits for a leader keeps no other from its shard, and is served
// when there is one again.
func TestWaitingForALeaderBlocksNobody(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "_B"}, term: 1})
		time.AfterFunc(2*time.Second, func() { f.plan.become(t, layout{leaders: []string{"A", "C"}, term: 2}) })
		began := time.Now()
		waiting := make(chan error, 200)
		for range cap(waiting) {
			go func() {
				out, err := f.send(t, nil, inserts(8)...)
				for _, r := range out.Results {
					if err == nil && r.Error != nil {
						err = r.Error
					}
				}
				waiting <- err
			}()
		}
		synctest.Wait()
		free := ""
		for _, op := range inserts(8) {
			if route.ShardIndex(op.Key, 2) == 0 {
				free = op.Key
			}
		}
		out, err := f.send(t, nil, dbclient.Op{Kind: dbclient.OpInsert, Key: free})
		require.NoError(t, err)
		_, err = only(out)
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
		for range cap(waiting) {
			require.NoError(t, <-waiting)
		}
		require.InDelta(t, 2, time.Since(began).Seconds(), 0.3)
	})
}

// A shard whose replicas in sync are too few refuses writes; the client hears that
// at once, as it is.
func TestWriteConcernIsPassedThrough(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A"}})
		f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			return a, &apierror.Error{Num: apierror.ReadOnly, Code: 403, Message: "1 of 2 replicas in sync"}
		}
		out, err := f.send(t, nil, inserts(25)...)
		require.NoError(t, err)
		require.Len(t, f.servers.log, 1)
		for _, r := range out.Results {
			require.ErrorIs(t, r.Error, apierror.ReadOnly)
			require.Equal(t, 403, r.Error.Status())
			require.Equal(t, "1 of 2 replicas in sync", r.Error.Message)
		}
		err = f.router.Truncate(t.Context(), route.Ref{Database: "db", Name: "c"}, false)
		require.ErrorIs(t, err, apierror.ReadOnly)
		require.Equal(t, 403, apierror.From(err).Status())
	})
}

// While the agency cannot be asked, what is known is tried again.
func TestRetriesWithoutTheAgency(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A"}})
		f.plan.fail = apierror.New(apierror.AgencyFailed, "no majority")
		refusals := 2
		f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			if refusals--; refusals >= 0 {
				err = apierror.NotLeader
			}
			return a, err
		}
		out, err := f.send(t, nil, inserts(1)...)
		require.NoError(t, err)
		_, err = only(out)
		require.NoError(t, err)
		require.Len(t, f.servers.log, 3)
	})
}

// The checksum of a collection is the sum of its shards', modulo 2^64.
func TestChecksumsAddUp(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "B", "A"}})
		sum, revision, err := f.router.Checksum(t.Context(), route.Ref{Database: "db", Name: "c"})
		require.NoError(t, err)
		require.Equal(t, uint64(0xfffffffffffffd06), sum)
		require.Equal(t, "_s3", revision)
	})
}
