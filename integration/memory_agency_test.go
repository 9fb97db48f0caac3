//go:build linux

package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	agencyclient "stasis/agency/client"
	"stasis/internal/bubbles"
	"stasis/internal/network"
	"stasis/minicluster"
)

const agentMemory = 1 << 30 // what an agent may use in these tests

// besieged is an agency of processes with little memory, and a client of it that goes on
// whatever others do.
type besieged struct {
	*cluster
	t      *testing.T
	agents []minicluster.Node
	agency *agencyclient.Client
	web    *http.Client
	leader agencyclient.Config
	url    string // of the leader
}

func besiege(t *testing.T) *besieged {
	t.Helper()
	o := options(t, minicluster.Processes)
	o.Program.Path = after(t, "export GOMEMLIMIT=1GiB", o.Program.Path)
	o.DBServers, o.Coordinators = 0, 0
	b := &besieged{cluster: start(t, o), t: t, web: network.NewHTTPClient(network.TCP())}
	t.Cleanup(b.web.CloseIdleConnections)
	b.agents, _, _ = b.Nodes()
	var urls []string
	for _, a := range b.agents {
		urls = append(urls, a.URL)
		hard := unix.Rlimit{Cur: agentMemory * 5 / 4, Max: agentMemory * 5 / 4}
		require.NoError(t, unix.Prlimit(a.PID, unix.RLIMIT_DATA, &hard, nil))
	}
	b.agency = agencyclient.New(agencyclient.Options{Endpoints: urls, HTTP: b.web})
	var err error
	b.leader, err = b.agency.Config(t.Context())
	require.NoError(t, err)
	b.url = b.urlOfLeader()
	return b
}

// goOn writes and reads all the time, as a client does that has nothing to do with what
// goes on, until the function is called: it demands that everything was served.
func (b *besieged) goOn() (end func()) {
	ctx, stop := context.WithCancel(b.t.Context())
	var served sync.WaitGroup
	done, slowest, failed := 0, time.Duration(0), error(nil)
	served.Go(func() {
		for ctx.Err() == nil && failed == nil {
			begin := time.Now()
			one, cancel := context.WithTimeout(context.Background(), time.Minute)
			if _, failed = b.agency.Write(one, agencyclient.Tx{Ops: map[string]any{"/beside": done}}); failed == nil {
				_, failed = b.agency.Read(one, "/beside")
			}
			cancel()
			slowest, done = max(slowest, time.Since(begin)), done+1
		}
	})
	return func() {
		b.t.Helper()
		stop()
		served.Wait()
		require.NoError(b.t, failed, "a client beside the attack is not served")
		require.Positive(b.t, done)
		b.t.Logf("%d writes and reads beside it, the slowest %s", done, slowest)
	}
}

func (b *besieged) urlOfLeader() string {
	for _, a := range b.agents {
		if a.ID == b.leader.LeaderID {
			return a.URL
		}
	}
	require.Fail(b.t, "no leader")
	return ""
}

// post sends a write of one key to the leader, and gives the status.
func (b *besieged) post(path string, size int) (status int, text string) {
	b.t.Helper()
	begin, end := `[[{"`+path+`":"`, `"}]]` // the value is made as it is sent: many are at once
	body := io.MultiReader(repeated(begin, "x", size), strings.NewReader(end))
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/_api/agency/write", body)
	require.NoError(b.t, err)
	request.ContentLength = int64(len(begin) + size + len(end))
	r, err := b.web.Do(request)
	require.NoError(b.t, err)
	raw, err := io.ReadAll(r.Body)
	require.NoError(b.t, err)
	require.NoError(b.t, r.Body.Close())
	return r.StatusCode, string(raw)
}

// survived demands that the same agent leads, in the same term, and that no agent needed
// more memory than it may have.
func (b *besieged) survived() {
	b.t.Helper()
	now, err := b.agency.Config(b.t.Context())
	require.NoError(b.t, err)
	if !bubbles.Race { // beside whose tests there is too little processor time for a promise
		require.Equal(b.t, b.leader.LeaderID, now.LeaderID, "the attack has cost the leadership")
		require.Equal(b.t, b.leader.Term, now.Term, "the attack has cost the leadership")
	}
	for _, a := range b.agents {
		peak := peakMemory(b.t, a.PID)
		b.t.Logf("%s: at most %d MB", a.ID, peak>>20)
		require.Less(b.t, peak, int64(agentMemory), a.ID)
	}
}

// peakMemory is the most that a process has had in memory.
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(raw), "VmHWM:")
	require.True(t, ok)
	kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	require.NoError(t, err)
	return kb << 10
}

// An agency of little memory serves a client whatever others do. What is done to it comes in this order: the last fills its
// tree.
func TestAgencyMemory(t *testing.T) {
	if bubbles.Race { // otherwise it may cost no leadership, which needs a processor
		t.Parallel()
	}
	b := besiege(t)
	for _, attack := range []struct {
		name string
		run  func(*testing.T)
	}{{"large values are refused", b.refusesLargeValues}, {"overwritten values are forgotten", b.forgetsOverwrittenValues}, {"polls of a large tree", b.pollsOfALargeTree}} {
		t.Run(attack.name, func(t *testing.T) {
			b.t = t
			attack.run(t)
		})
	}
}

// Values of 60 MB are refused by number, many at once, and cost neither memory nor
// leadership.
func (b *besieged) refusesLargeValues(t *testing.T) {
	end := b.goOn()
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			status, text := b.post(fmt.Sprintf("/large/%d", i), 60_000_000)
			if status != 413 && status != 503 || !strings.Contains(text, `"errorNum"`) {
				t.Errorf("a value of 60 MB: %d %.200s", status, text)
			}
		})
	}
	all.Wait()
	end()
	b.survived()
}

// One key that is overwritten with large values takes the memory of a few of them.
func (b *besieged) forgetsOverwrittenValues(t *testing.T) {
	end := b.goOn()
	rounds := scale(20, 1000)
	for range rounds {
		status, text := b.post("/key", 2_000_000)
		require.Equal(t, 200, status, text)
	}
	end()
	b.survived()
}

// Polls of a tree near its quota, many at once and some that are not read, are answered
// one after the other.
func (b *besieged) pollsOfALargeTree(t *testing.T) {
	const quota = 256 << 20
	size := 2_000_000
	for i := range scale(30, quota/size-8) {
		status, text := b.post(fmt.Sprintf("/fill/%d", i), size)
		require.Equal(t, 200, status, text)
	}
	end := b.goOn()
	url := b.url + "/_api/agency/poll?index=0"
	slow, err := b.web.Get(url) // nothing of it is read
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 20 { // all at once they would be more than an agent may have
		all.Go(func() {
			r, err := b.web.Get(url)
			if err != nil {
				t.Error(err)
				return
			}
			n, err := io.Copy(io.Discard, r.Body)
			if cerr := r.Body.Close(); err != nil || cerr != nil || r.StatusCode != 200 || n < int64(size) {
				t.Errorf("a poll: %d, %d bytes, %v, %v", r.StatusCode, n, err, cerr)
			}
		})
	}
	all.Wait()
	require.NoError(t, slow.Body.Close())
	end()
	b.survived()
}
