package minicluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/datadir"
)

func ports(l *layout) map[string]int {
	all := map[string]int{}
	_ = l.each(func(name string, _ datadir.Role, _ int, p *place) error { // never fails
		all[name] = p.Port
		return nil
	})
	return all
}

func TestPortsFromBase(t *testing.T) {
	l, _, err := (*layout)(nil).fit(Options{Agents: 2, DBServers: 2, Coordinators: 2, BasePort: 8529})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"coordinator-1": 8529, "coordinator-2": 8530, "dbserver-1": 8629, "dbserver-2": 8630, "agent-1": 8729, "agent-2": 8730}, ports(l))
}

func TestLayoutIsRemembered(t *testing.T) {
	dir := t.TempDir()
	none, err := readLayout(dir)
	require.NoError(t, err)
	require.Nil(t, none)
	o := Options{Dir: dir, Agents: 3, DBServers: 2, Coordinators: 1}
	l, changed, err := none.fit(o)
	require.NoError(t, err)
	require.True(t, changed)
	distinct := map[int]bool{}
	for _, p := range ports(l) {
		distinct[p] = true
	}
	require.Len(t, distinct, 6)
	require.NoError(t, l.write(dir))

	again, err := readLayout(dir)
	require.NoError(t, err)
	require.Equal(t, l, again)
	_, changed, err = again.fit(o)
	require.NoError(t, err)
	require.False(t, changed, "nothing to write for the same cluster")

	o.DBServers, o.Coordinators = 3, 2
	grown, changed, err := again.fit(o)
	require.NoError(t, err)
	require.True(t, changed)
	for name, port := range ports(l) {
		require.Equal(t, port, ports(grown)[name], name)
	}
	require.Len(t, ports(grown), 8)

	o.BasePort = 9000
	moved, changed, err := grown.fit(o)
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, 9000, ports(moved)["coordinator-1"])
	require.Equal(t, l.Agents[0].ID, moved.Agents[0].ID)
}

func TestOtherSizesAreRefused(t *testing.T) {
	made := func() *layout {
		l, _, err := (*layout)(nil).fit(Options{Agents: 3, DBServers: 2, Coordinators: 2, BasePort: 8529})
		require.NoError(t, err)
		return l
	}
	for _, o := range []Options{
		{Agents: 1, DBServers: 2, Coordinators: 2},
		{Agents: 5, DBServers: 2, Coordinators: 2},
		{Agents: 3, DBServers: 1, Coordinators: 2},
		{Agents: 3, DBServers: 2, Coordinators: 1},
	} {
		o.Dir = "somewhere"
		_, _, err := made().fit(o)
		require.ErrorContains(t, err, "the cluster in somewhere was created with 3 agents, 2 DB servers and 2 coordinators; ")
	}
}

func TestDamagedLayout(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, layoutFile)
	for content, want := range map[string]string{"{": "is damaged", `{"format":2}`: "has format 2, this program reads 1"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := readLayout(dir)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, want)
	}
}
