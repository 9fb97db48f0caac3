package minicluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/apierror"
	"stasis/internal/network"
)

// browser talks to the cluster as any client.
type browser struct {
	*testing.T
	http *http.Client
}

func browse(t *testing.T) browser {
	b := browser{T: t, http: network.NewHTTPClient(network.TCP())}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

func (b browser) do(method, url, body string) (string, error) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if err := apierror.FromResponse(resp); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(resp.Body)
	return string(answer), err
}

func (b browser) must(method, url, body string) string {
	b.Helper()
	answer, err := b.do(method, url, body)
	require.NoError(b, err, "%s %s", method, url)
	return answer
}

func requireNobodyListens(t *testing.T, c *Cluster) {
	t.Helper()
	for _, n := range c.servers.all() {
		l, err := network.TCP().Listen(n.at.address)
		require.NoError(t, err, n.name)
		require.NoError(t, l.Close())
	}
}

// The same cluster, with its ids and its data, comes back from its directory,
// also with more servers.
func TestComesBackFromItsDirectory(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			o, b := options(t, mode), browse(t)
			o.BasePort = 0
			c := start(t, o)
			agents, dbservers, coordinators := c.Nodes()
			require.Len(t, agents, 1)
			require.Len(t, dbservers, 2)
			require.Len(t, coordinators, 1)
			require.Contains(t, agents[0].ID, "AGNT-")
			require.Contains(t, dbservers[1].ID, "PRMR-")
			require.Contains(t, coordinators[0].ID, "CRDN-")
			require.Equal(t, "dbserver-2", dbservers[1].Name)
			require.Equal(t, mode == Processes, dbservers[0].PID != 0)
			require.Contains(t, b.must("GET", dbservers[1].URL+"/_admin/server/id", ""), dbservers[1].ID)

			url := coordinators[0].URL
			b.must("POST", url+"/_api/collection", `{"name":"c","numberOfShards":2}`)
			b.must("POST", url+"/_api/document/c?waitForSync=true", `{"_key":"k","v":1}`)
			require.NoError(t, c.Stop(t.Context()))
			require.NoError(t, c.Stop(t.Context()), "again is harmless")
			requireNobodyListens(t, c)

			o.DBServers++
			c = start(t, o)
			againAgents, againDBServers, againCoordinators := c.Nodes()
			require.Equal(t, agents[0].ID, againAgents[0].ID)
			require.Equal(t, coordinators[0].URL, againCoordinators[0].URL, "free ports are chosen once")
			require.Len(t, againDBServers, 3)
			require.Equal(t, dbservers[1].ID, againDBServers[1].ID)
			require.Contains(t, b.must("GET", url+"/_api/document/c/k", ""), `"v":1`)
			require.NoError(t, c.Stop(t.Context()))
			require.Empty(t, c.Err())
		})
	}
}

func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, b := options(t, mode), browse(t)
			o.Agents = 3
			c := start(t, o)
			for _, name := range []string{"dbserver-2", "coordinator-1", "agent-1"} {
				n, err := c.servers.named(name)
				require.NoError(t, err)
				before := n.describe()
				require.NoError(t, c.Kill(name))
				require.NoError(t, c.Kill(name), "again is harmless")
				_, err = b.do("GET", before.URL+"/_api/version", "")
				require.Error(t, err, name)
				require.Zero(t, n.describe().PID)
				err = c.Ready(t.Context())
				require.ErrorContains(t, err, name+" does not run")

				require.NoError(t, c.Restart(t.Context(), name))
				b.must("GET", before.URL+"/_api/version", "")
				after := n.describe()
				require.Equal(t, before.ID, after.ID)
				if mode == Processes {
					require.NotEqual(t, before.PID, after.PID)
				}
			}
			require.NoError(t, c.Restart(t.Context(), "dbserver-1"), "one that runs is stopped first")
			require.NoError(t, c.Ready(t.Context()))
			require.Empty(t, c.Err(), "who was killed did not die by itself")
			require.NoError(t, c.Stop(t.Context()))
		})
	}
}

func TestKillAll(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, b := options(t, mode), browse(t)
			c := start(t, o)
			_, _, coordinators := c.Nodes()
			url := coordinators[0].URL
			b.must("POST", url+"/_api/collection", `{"name":"c","numberOfShards":2}`)
			b.must("POST", url+"/_api/document/c?waitForSync=true", `{"_key":"k","v":1}`)
			c.KillAll()
			requireNobodyListens(t, c)
			require.NoError(t, c.Stop(t.Context()), "who was killed did not die by itself")
			start(t, o)
			require.Contains(t, b.must("GET", url+"/_api/document/c/k", ""), `"v":1`)
		})
	}
}

func TestAgencyAlone(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, b := options(t, mode), browse(t)
			o.Agents, o.DBServers, o.Coordinators = 3, 0, 0
			c := start(t, o)
			agents, dbservers, coordinators := c.Nodes()
			require.Len(t, agents, 3)
			require.Empty(t, dbservers)
			require.Empty(t, coordinators)
			require.Equal(t, `[{}]`, strings.TrimSpace(b.must("POST", agents[0].URL+"/_api/agency/read", `[["/"]]`)))
			require.NoError(t, c.Kill("agent-2"))
			require.NoError(t, c.Restart(t.Context(), "agent-2"))
			require.NoError(t, c.Stop(t.Context()))
		})
	}
}

// A port in use is told, with whose it would be, before anything is started.
func TestPortInUse(t *testing.T) {
	o := options(t, InProcess)
	l, err := (&layout{}).freePort(&place{})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	port := l.Addr().(*net.TCPAddr).Port
	o.BasePort = port - perRole - 1
	_, err = Start(t.Context(), o)
	require.ErrorContains(t, err, fmt.Sprintf("port %d (dbserver-2)", port))
	require.NoDirExists(t, o.Dir+"/dbserver-1")
	require.NoFileExists(t, o.Dir+"/"+layoutFile)
}

// Two clusters cannot work on one directory at once, and who tries in vain changes
// nothing there.
func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	o := options(t, InProcess)
	o.BasePort = 0
	c := start(t, o)
	before, err := os.ReadFile(filepath.Join(o.Dir, layoutFile))
	require.NoError(t, err)
	larger := o
	larger.BasePort, larger.DBServers = firstFreePort-1000, o.DBServers+1
	for _, other := range []Options{o, larger} {
		_, err := Start(t.Context(), other)
		require.ErrorContains(t, err, o.Dir+" is in use by another process")
	}
	after, err := os.ReadFile(filepath.Join(o.Dir, layoutFile))
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	require.NoDirExists(t, o.Dir+"/dbserver-3")
	require.NoError(t, c.Stop(t.Context()))
	start(t, o)
}

// A server's data directory is no place for a cluster.
func TestDirectoryOfAServer(t *testing.T) {
	t.Parallel()
	o := options(t, InProcess)
	o.DBServers, o.Coordinators = 0, 0
	c := start(t, o)
	require.NoError(t, c.Stop(t.Context()))
	o.Dir = filepath.Join(o.Dir, "agent-1")
	_, err := Start(t.Context(), o)
	require.ErrorContains(t, err, o.Dir+" is the data directory of the server "+c.servers.agents[0].id)
	require.NoFileExists(t, filepath.Join(o.Dir, layoutFile))
}

// A context that has ended ends a start; nothing is left.
func TestStartGivesUp(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			c, err := Start(ctx, options(t, mode))
			if mode == InProcess {
				require.ErrorIs(t, err, context.Canceled)
				return
			}
			require.NoError(t, err) // processes start by themselves
			require.ErrorIs(t, c.Ready(ctx), context.Canceled)
			require.NoError(t, c.Stop(t.Context()))
			requireNobodyListens(t, c)
		})
	}
}

// Ready says who is missing and what it answers.
func TestReadyNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	o := options(t, InProcess)
	o.Agents = 3
	c := start(t, o)
	require.NoError(t, c.Kill("agent-1"))
	require.NoError(t, c.Kill("agent-2"))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := awaitAll(ctx, newObserver(network.TCP(), c.servers.agencyURLs()), append(c.servers.dbservers, c.servers.agents[2]))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Regexp(t, `not ready after \d+\.\d s`, err.Error())
	require.ErrorContains(t, err, "no agent leads")
	require.NoError(t, c.Stop(t.Context()))
}

func TestUnknownNode(t *testing.T) {
	t.Parallel()
	o := options(t, InProcess)
	o.DBServers, o.Coordinators = 0, 0
	c := start(t, o)
	require.ErrorContains(t, c.Kill("dbserver-1"), `there is no server "dbserver-1"`)
	require.ErrorContains(t, c.Restart(t.Context(), "queen"), `there is no server "queen"`)
}

func TestOptionsAreChecked(t *testing.T) {
	memory := fault.NewNetwork()
	for want, spoil := range map[string]func(*Options){
		"at least one agent":     func(o *Options) { o.Agents = 0 },
		"cannot be negative":     func(o *Options) { o.DBServers = -1 },
		"need each other":        func(o *Options) { o.Coordinators = 0 },
		"at most 100":            func(o *Options) { o.DBServers = 101 },
		"base port":              func(o *Options) { o.BasePort = 65500 },
		"needs a directory":      func(o *Options) { o.Dir = "" },
		"needs the program":      func(o *Options) { o.Mode = Processes },
		"in mode InProcess only": func(o *Options) { o.Mode, o.Program.Path, o.Seams.Network = Processes, "x", memory.Host },
		"system's network":       func(o *Options) { o.Mode, o.Program.Path, o.Seams.Disks = Processes, "x", fault.NewDisks().FS },
		"no program is started":  func(o *Options) { o.Program.AgentFlags = []string{"--x"} },
		"trusted origin":         func(o *Options) { o.Pages.TrustedOrigins = []string{"app"} },
	} {
		o := options(t, InProcess)
		spoil(&o)
		_, err := Start(t.Context(), o)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, memory.Close())
}

// Logs of a node carry its name.
func TestLogsNameTheNode(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := options(t, InProcess)
	o.Logger = newSafeLogger(&out)
	o.DBServers, o.Coordinators = 0, 0
	c := start(t, o)
	require.NoError(t, c.Stop(t.Context()))
	require.Contains(t, out.String(), "agent-1")
}

// A directory that holds other work does not become a cluster's, be it a folder, a file
// or hidden.
func TestForeignDirectoryIsRefused(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"thesis":    func(path string) error { return os.Mkdir(path, 0o700) },
		"notes.txt": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		".git":      func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		dir := t.TempDir()
		require.NoError(t, put(filepath.Join(dir, name)))
		_, err := Start(t.Context(), Options{Dir: dir, Agents: 1, DBServers: 1, Coordinators: 1})
		require.ErrorContains(t, err, name)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing was put into it")
	}
}

// What a start leaves that died before it wrote the layout is no foreign work.
func TestDirectoryOfAnUnfinishedStart(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, logsDir), 0o700))
	for _, name := range []string{lockFile, layoutFile + ".tmp"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, refuseForeign(dir))
}
