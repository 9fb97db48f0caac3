package fanout

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
	"stasis/internal/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func members() []Member {
	var all []Member
	for _, id := range []string{"PRMR-1", "PRMR-2", "PRMR-3"} {
		all = append(all, Member{ID: id, Name: "DBServer (" + id + ")", Target: dbclient.Target{URL: "http://" + id + ":1"}})
	}
	return all
}

// All members are asked at once, and the answers come in their order, whichever came first.
func TestAskAsksAllAtOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		left := map[string]time.Duration{"PRMR-1": 3 * time.Second, "PRMR-2": time.Second, "PRMR-3": 2 * time.Second}
		start := time.Now()
		answers := Ask(t.Context(), members(), 0, nil, func(ctx context.Context, m Member) (string, error) {
			return "of " + m.ID, wait.For(ctx, left[m.ID])
		})
		require.Equal(t, 3*time.Second, time.Since(start))
		for i, m := range members() {
			require.Equal(t, "of "+m.ID, answers[i].Value)
			require.Equal(t, left[m.ID], answers[i].At.Sub(start))
		}
		require.NoError(t, AllErrors(answers))
	})
}

// A fatal error cancels the other requests, and is the error of the whole: not one of those
// that it cut off, whichever was noted first. Every error names its member.
func TestFatalErrorCutsTheOthersOff(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		broken := errors.New("disk full")
		ask := func(fatal func(error) bool) []Answer[struct{}] {
			return Ask(t.Context(), members(), time.Minute, fatal, Silently(func(ctx context.Context, m Member) error {
				if m.ID == "PRMR-2" {
					return broken
				}
				return wait.For(ctx, time.Hour)
			}))
		}
		start := time.Now()
		err := FirstError(ask(AnyError))
		require.ErrorIs(t, err, broken)
		require.EqualError(t, err, "DBServer (PRMR-2): disk full")
		require.Zero(t, time.Since(start))

		answers := ask(nil)
		require.Equal(t, time.Minute, time.Since(start), "each request has its timeout")
		require.EqualError(t, answers[0].Err, "DB server DBServer (PRMR-1) does not answer at PRMR-1:1: start it, or remove it with stasis cluster remove PRMR-1")
		require.ErrorIs(t, answers[0].Err, context.DeadlineExceeded)
	})
}

// A server that is needed and does not answer makes a 503 that has its id; another error
// stays what it is.
func TestUnavailableNamesTheServer(t *testing.T) {
	silent := members()[1].Explain(apierror.New(apierror.ConnectionLost, "connection refused"))
	var e *apierror.Error
	require.ErrorAs(t, Unavailable("all are needed", fmt.Errorf("prepare: %w", silent)), &e)
	require.Equal(t, apierror.ServiceUnavailable, e.Num)
	require.Equal(t, map[string]any{"server": "PRMR-2"}, e.Extra)
	other := errors.New("no")
	require.Equal(t, other, Unavailable("all are needed", other))
	require.NoError(t, Unavailable("all are needed", nil))
}

// Long work is bounded by its progress: it may take hours, but not ten seconds in which
// nothing happens.
func TestWorkIsBoundedByProgress(t *testing.T) {
	const limit = 10 * time.Second
	for name, c := range map[string]struct {
		report func(n int) *dbclient.Progress // in the n-th second; nil: none
		took   time.Duration
		says   string
	}{
		"progress": {func(n int) *dbclient.Progress { return &dbclient.Progress{Doing: "links", Done: uint64(n)} }, time.Hour, ""},
		"silent":   {func(int) *dbclient.Progress { return nil }, limit, "does not answer"},
		"stalled":  {func(int) *dbclient.Progress { return &dbclient.Progress{Doing: "links", Done: 7} }, limit + time.Second, "makes no progress: it links"},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := WhileItProgresses(t.Context(), limit, members()[0], func(ctx context.Context) (struct{}, error) {
					for n := 1; n <= int(time.Hour/time.Second); n++ {
						if err := wait.For(ctx, time.Second); err != nil {
							return struct{}{}, err
						}
						if p := c.report(n); p != nil {
							dbclient.TellProgress(ctx, *p)
						}
					}
					return struct{}{}, nil
				})
				require.Equal(t, c.took, time.Since(start))
				if c.says == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, c.says)
				var named memberError
				require.ErrorAs(t, err, &named)
				require.Equal(t, "PRMR-1", named.MemberID())
			})
		})
	}
}
