package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/internal/network"
	"stasis/minicluster"
)

// hangingAgency is a cluster of processes whose first agent has a disk of its own, and
// leads.
type hangingAgency struct {
	*cluster
	t            *testing.T
	web          *http.Client
	agency       *agencyclient.Client
	agents       []minicluster.Node
	freeze, thaw func()
}

func startHanging(t *testing.T, o minicluster.Options) *hangingAgency {
	t.Helper()
	c := start(t, o)
	c.stop(t)
	dir := filepath.Join(o.Dir, "agent-1")
	kept := filepath.Join(t.TempDir(), "agent-1")
	require.NoError(t, os.CopyFS(kept, os.DirFS(dir)))
	require.NoError(t, os.RemoveAll(dir))
	h := &hangingAgency{t: t, web: network.NewHTTPClient(network.TCP())}
	h.freeze, h.thaw = frozenDisk(t, dir)
	require.NoError(t, os.CopyFS(dir, os.DirFS(kept)))
	h.cluster = start(t, o)
	t.Cleanup(h.thaw) // what hangs cannot be stopped
	t.Cleanup(h.web.CloseIdleConnections)
	h.agents, _, _ = h.Nodes()
	var urls []string
	for _, a := range h.agents {
		urls = append(urls, a.URL)
	}
	h.agency = agencyclient.New(agencyclient.Options{Endpoints: urls, HTTP: h.web})
	eventually(t, time.Minute, func() error {
		if leader := h.leader(h.agents[1].URL); leader == h.agents[0].ID {
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return fmt.Errorf("agent-1 does not lead: %w", h.agency.TransferLeadership(ctx, h.agents[0].ID))
	})
	return h
}

// leader is the agent that leads by what an agent knows, "" if none does or the agent does not answer.
func (h *hangingAgency) leader(url string) string {
	config, err := h.agency.ConfigOf(h.t.Context(), url)
	if err != nil {
		return ""
	}
	return config.LeaderID
}

// anotherLeads waits until both know another agent as leader.
func (h *hangingAgency) anotherLeads(since time.Time) {
	h.t.Helper()
	eventually(h.t, 2*time.Minute, func() error {
		one, two := h.leader(h.agents[1].URL), h.leader(h.agents[2].URL)
		if one != two || one == "" || one == h.agents[0].ID {
			return fmt.Errorf("leaders: %q and %q", one, two)
		}
		return nil
	})
	h.t.Logf("another agent leads %v after the freeze", time.Since(since).Round(time.Millisecond))
}

// hangs proves that the process is there, hanging in its disk.
func (h *hangingAgency) hangs() {
	h.t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", h.agents[0].PID))
	require.NoError(h.t, err)
	for _, task := range tasks {
		if stat, err := os.ReadFile(task); err == nil && strings.Contains(string(stat), ") D ") {
			return
		}
	}
	require.Fail(h.t, "no thread of the agent hangs in the system")
}

// portTaken demands that the agent's port cannot be opened by another process.
func (h *hangingAgency) portTaken() {
	h.t.Helper()
	l, err := net.Listen("tcp", strings.TrimPrefix(h.agents[0].URL, "http://"))
	if err == nil {
		require.NoError(h.t, l.Close())
	}
	require.ErrorIs(h.t, err, syscall.EADDRINUSE)
}

// sameTrees waits until all agents have the same tree.
func (h *hangingAgency) sameTrees() {
	h.t.Helper()
	eventually(h.t, 2*time.Minute, func() error {
		var trees []string
		for _, a := range h.agents {
			tree, err := h.get(a.URL + "/_api/agency/state")
			if err != nil {
				return err
			}
			_, tree, _ = strings.Cut(tree, `"agency":`)
			tree, _, _ = strings.Cut(tree, `"compaction"`)
			trees = append(trees, tree)
		}
		if trees[0] == "" || trees[0] != trees[1] || trees[1] != trees[2] {
			return fmt.Errorf("the trees differ")
		}
		return nil
	})
}

func (h *hangingAgency) get(url string) (string, error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := h.web.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return fmt.Sprint(response.StatusCode, " ", string(raw)), err
}

// TestLeadingAgentsDiskHangs: the disk of the agent that leads hangs. Another one leads
// while the old one's process and port are still there; data definition works again; the
// old one says what is wrong with it, and follows when its disk is back.
func TestLeadingAgentsDiskHangs(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	o.DBServers, o.Coordinators = 2, 1
	o.Timing.DiskTimeout = time.Hour
	h := startHanging(t, o)
	ctx := t.Context()
	require.NoError(t, h.db(0).CreateCollection(ctx, "before", 1))
	h.freeze()
	frozen := time.Now()
	created := make(chan error, 1)
	go func() { created <- h.db(0).CreateCollection(ctx, "during", 1) }()
	h.anotherLeads(frozen)
	h.hangs()
	h.portTaken()
	t.Logf("the collection asked for when the disk froze: %v, %v after the freeze", <-created, time.Since(frozen).Round(time.Millisecond))
	require.NoError(t, h.db(0).CreateCollection(ctx, "after", 1), "the cluster goes on")
	require.NoError(t, h.db(0).Put(ctx, "after", map[string]any{"_key": "x"}))

	config, err := h.agency.ConfigOf(ctx, h.agents[0].URL)
	require.NoError(t, err)
	require.NotNil(t, config.DiskHangs)
	require.Empty(t, config.LeaderID)
	answer, err := h.get(h.agents[0].URL + "/_admin/server/availability")
	require.NoError(t, err)
	require.Contains(t, answer, "503 ")
	require.Contains(t, answer, "disk")
	require.Contains(t, status(t, h.clients[0]).Agents[h.agents[0].ID].Note, "its disk hangs")
	h.hangs()
	h.portTaken()

	h.thaw()
	h.sameTrees()
	eventually(t, time.Minute, func() error {
		answer, err := h.get(h.agents[0].URL + "/_admin/server/availability")
		if err == nil && !strings.HasPrefix(answer, "200 ") {
			err = fmt.Errorf("%s", answer)
		}
		return err
	})
	require.NoError(t, syscall.Kill(h.agents[0].PID, 0), "it is the same process")
	require.NoError(t, h.db(0).CreateCollection(ctx, "last", 1))
	h.sameTrees()
}

// TestAgentEndsWhenItsDiskHangsTooLong: it says why and ends, as far as the system lets
// it: a thread that hangs in it keeps the process there until the disk is back.
func TestAgentEndsWhenItsDiskHangsTooLong(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	o.DBServers, o.Coordinators = 0, 0
	o.Timing.DiskTimeout = 10 * time.Second
	h := startHanging(t, o)
	ctx := t.Context()
	write := func(key string) error {
		_, err := h.agency.Write(ctx, agencyclient.Tx{Ops: map[string]any{"/" + key: 1}})
		return err
	}
	require.NoError(t, write("before"))
	h.freeze()
	frozen := time.Now()
	require.NoError(t, write("during"), "it takes another leader")
	h.anotherLeads(frozen)
	eventually(t, 2*time.Minute, func() error {
		said, err := os.ReadFile(filepath.Join(o.Dir, "logs", "agent-1.log"))
		if err == nil && !strings.Contains(string(said), "stasis: ") {
			err = fmt.Errorf("it has not ended yet: %.2000s", said[max(0, len(said)-2000):])
		}
		return err
	})
	h.hangs()
	require.NoError(t, write("without"))
	h.thaw()
	eventually(t, time.Minute, func() error {
		if agents, _, _ := h.Nodes(); agents[0].PID != 0 {
			return fmt.Errorf("process %d is still there", agents[0].PID)
		}
		return nil
	})
	said, err := os.ReadFile(filepath.Join(o.Dir, "logs", "agent-1.log"))
	require.NoError(t, err)
	require.Contains(t, string(said), "the disk of this agent hangs since")
	require.NoError(t, h.Restart(ctx, "agent-1"))
	h.agents, _, _ = h.Nodes()
	h.sameTrees()
	require.NoError(t, write("after"))
}
