//go:build linux

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"stasis/internal/apierror"
	"stasis/internal/network"
	"stasis/minicluster"
)

// memoryLimit is what each process has, in KiB: ulimit -d, which counts all that is
// allocated whether or not it is used. The program sets GOMEMLIMIT by it.
const memoryLimit = 1 << 20

// siege is a cluster whose processes have little memory, and a client that reads and
// writes all along.
type siege struct {
	*cluster
	http      *http.Client // the attacker's
	agent     string       // URLs
	dbserver  string
	coord     string
	served    atomic.Int64 // requests of the client
	waited    atomic.Int64 // of them were told to come back
	keys      atomic.Int64 // that the client has used: what was cut off may still be written
	processes []minicluster.Node
}

// attack is what one row of the table does. It returns how many requests were answered
// with which status; 0 counts those that got no answer.
type attack struct {
	name string
	run  func(t *testing.T, s *siege) map[int]int
	want []int // at least one of these statuses must have come: the attack was met
	also []int // what may come beside them, and 0
}

// attacks are the rows. A row is added here; what it needs stored is stored by setUp.
var attacks = []attack{
	{"gzip bombs at a coordinator", gzipBombs(func(s *siege) string { return s.coord + "/_api/document/siege" }, "[", "{},"), []int{413, 503}, nil},
	{"gzip bombs at an import", gzipBombs(func(s *siege) string { return s.coord + "/_api/import?collection=siege&type=list" }, `["`, "x"), []int{413, 503}, nil},
	{"gzip bombs at a DB server", gzipBombs(func(s *siege) string { return s.dbserver + "/_stasis/v1/shards/s1/documents" }, "[", "{},"), []int{400}, nil},
	{"gzip bombs at an agent", gzipBombs(func(s *siege) string { return s.agent + "/_api/agency/write" }, "[", "{},"), []int{400}, nil},
	{"small gzip of 1.5 million bad documents", badDocuments, []int{413}, []int{503}},
	{"large bodies at a coordinator", largeBodies(func(s *siege) string { return s.coord + "/_api/document/siege" }, "[", "{},", "{}]"), []int{413, 503}, []int{202}},
	{"large objects at a coordinator", largeBodies(func(s *siege) string { return s.coord + "/_api/collection" }, `{"name":[`, "{},", "{}]}"), []int{413, 503}, []int{400}},
	{"large bodies at a DB server", largeBodies(func(s *siege) string { return s.dbserver + "/_stasis/v1/shards/s1/documents" }, `{"ops":[`, "{},", "{}]}"), []int{413, 503}, []int{400, 404, 421}},
	{"large bodies at a DB server's replication", largeBodies(func(s *siege) string { return s.dbserver + "/_stasis/v1/shards/s1/accept" }, `{"records":[`, "{},", "{}]}"), []int{503}, []int{400, 404, 421}},
	{"large bodies at an agent", largeBodies(func(s *siege) string { return s.agent + "/_api/agency/write" }, `[[{"/siege":{"op":"set","new":[`, "{},", "{}]}}]]"), []int{413, 503}, []int{200, 400}},
	{"nested bodies", nestedBodies, []int{400, 413}, []int{503}},
	{"slow bodies", slowBodies, nil, nil},
	{"answers that are not read", unreadAnswers, []int{503}, []int{201}},
	{"a thousand cursors with a day to live", longCursors, []int{201}, nil},
	{"one large document, a thousand times", sameDocument, []int{413, 503}, nil},
}

// The processes live, and a client is served all along: no request of it fails with
// anything but a 503 that says when to come back, and each is served in the end.
func TestMemoryAttacks(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			var client sync.WaitGroup
			client.Go(func() { failed <- s.useAllAlong(ctx) })
			before := s.served.Load()
			got := a.run(t, s)
			eventually(t, time.Minute, func() error { // it is served after the attack, too
				if n := s.served.Load(); n < before+10 {
					return fmt.Errorf("%d requests served", n-before)
				}
				return nil
			})
			stop()
			client.Wait()
			require.NoError(t, <-failed)
			t.Log(got, "client:", s.served.Load()-before, "served,", s.waited.Load(), "told to come back")
			for status := range got {
				require.Contains(t, append(append(a.want, a.also...), 0), status, "answers of the attack: %v", got)
			}
			met := false
			for _, status := range a.want {
				met = met || got[status] > 0
			}
			require.True(t, met || len(a.want) == 0, "the attack was not met: %v", got)
			s.requireAlive(t)
		})
	}
}

func newSiege(t *testing.T) *siege {
	t.Helper()
	o := options(t, minicluster.Processes)
	o.Agents, o.DBServers, o.Coordinators = 1, 1, 1
	o.Program.Path = after(t, fmt.Sprintf("ulimit -d %d", memoryLimit), o.Program.Path)
	t.Cleanup(func() { tellLogs(t, filepath.Join(o.Dir, "logs")) })
	s := &siege{cluster: start(t, o), http: network.NewHTTPClient(network.TCP())}
	t.Cleanup(s.http.CloseIdleConnections)
	agents, dbservers, coordinators := s.Nodes()
	s.agent, s.dbserver, s.coord = agents[0].URL, dbservers[0].URL, coordinators[0].URL
	s.processes = append(append(agents, dbservers...), coordinators...)
	for _, n := range s.processes {
		var has unix.Rlimit
		require.NoError(t, unix.Prlimit(n.PID, unix.RLIMIT_DATA, nil, &has))
		require.EqualValues(t, memoryLimit<<10, has.Cur, n.Name)
	}
	require.NoError(t, s.db(0).CreateCollection(t.Context(), "client", 3))
	require.NoError(t, s.db(0).CreateCollection(t.Context(), "siege", 3))
	require.NoError(t, s.db(0).CreateCollection(t.Context(), "large", 3))
	large := strings.Repeat("x", 1<<20)
	for i := range 24 {
		require.NoError(t, s.db(0).Put(t.Context(), "large", map[string]any{"_key": fmt.Sprint("large", i), "text": large}))
	}
	return s
}

// after is a program that does something first.
func after(t *testing.T, first, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "after.sh")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n%s && exec '%s' \"$@\"\n", first, program), 0o700))
	return path
}

// tellLogs shows why processes died, if any did.
func tellLogs(t *testing.T, dir string) {
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, why := range []string{"fatal error:", "panic:", "runtime: out of memory"} {
			if at := bytes.Index(raw, []byte(why)); at >= 0 {
				t.Errorf("%s: %s", name, raw[at:min(at+2000, len(raw))])
				break
			}
		}
	}
}

// requireAlive: the very processes that were there at the beginning are.
func (s *siege) requireAlive(t *testing.T) {
	t.Helper()
	agents, dbservers, coordinators := s.Nodes()
	for i, n := range append(append(agents, dbservers...), coordinators...) {
		require.Equal(t, s.processes[i].PID, n.PID, n.Name)
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID))
		require.NoError(t, err, n.Name)
		for _, line := range strings.Split(string(raw), "\n") {
			if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmData") || strings.HasPrefix(line, "State") {
				t.Log(n.Name, line)
			}
		}
	}
}

// useAllAlong writes and reads until ctx ends. An error is what no client has to expect.
func (s *siege) useAllAlong(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("k%d", s.keys.Add(1))
		if err := s.do(ctx, http.MethodPost, "/_api/document/client?overwriteMode=replace", fmt.Sprintf(`{"_key":%q,"n":%d}`, key, n), nil); err != nil {
			return fmt.Errorf("write %s: %w", key, err)
		}
		var back struct{ N int }
		if err := s.do(ctx, http.MethodGet, "/_api/document/client/"+key, "", &back); err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		if ctx.Err() == nil && back.N != n {
			return fmt.Errorf("read %s: %d is there, %d was acknowledged", key, back.N, n)
		}
	}
	return nil
}

// do makes one request, again and again while it is told to come back, for a minute.
func (s *siege) do(ctx context.Context, method, path, body string, into any) error {
	for deadline := time.Now().Add(time.Minute); ; {
		status, header, raw, err := s.send(ctx, method, s.coord+path, strings.NewReader(body), "")
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case status < 300:
			s.served.Add(1)
			if into == nil {
				return nil
			}
			return json.Unmarshal(raw, into)
		case status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || time.Now().After(deadline):
			return fmt.Errorf("%d %v: %s", status, header, raw)
		}
		s.waited.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *siege) send(ctx context.Context, method, url string, body io.Reader, encoding string) (int, http.Header, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, nil, nil, err
	}
	if encoding != "" {
		request.Header.Set("Content-Encoding", encoding)
	}
	request.Header.Set("X-Stasis-Epoch", "0")
	response, err := s.http.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, response.Header, raw, errors.Join(err, response.Body.Close())
}

// together sends a body so many times at once, and counts the answers.
func (s *siege) together(t *testing.T, times int, url, encoding string, body func() io.Reader) map[int]int {
	t.Helper()
	var mu sync.Mutex
	got := map[int]int{}
	var all sync.WaitGroup
	for range times {
		all.Go(func() {
			status, header, raw, err := s.send(t.Context(), http.MethodPost, url, body(), encoding)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				status = 0
			}
			got[status]++
			var e apierror.Error
			if status >= 400 && (json.Unmarshal(raw, &e) != nil || e.Message == "" && !bytes.Contains(raw, []byte(`"message"`))) {
				t.Errorf("%d without a reason: %s", status, raw)
			}
			if status == http.StatusServiceUnavailable && header.Get("Retry-After") == "" {
				t.Errorf("503 without Retry-After: %s", raw)
			}
		})
	}
	all.Wait()
	return got
}
