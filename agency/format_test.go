package agency

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/agency/store"
	"stasis/internal/datadir"
	"stasis/internal/fixture"
)

// eachFormat runs a test for every format that there are fixtures of.
func eachFormat(t *testing.T, test func(t *testing.T, format string)) {
	formats, err := fixture.Formats()
	require.NoError(t, err)
	require.NotEmpty(t, formats)
	for _, format := range formats {
		t.Run(format, func(t *testing.T) { test(t, format) })
	}
}

// An agent opens the directory of an earlier version, with either kind of log, a snapshot
// and entries after it; it goes on from there, and finds what it wrote.
func TestAgentOfEarlierFormat(t *testing.T) {
	eachFormat(t, func(t *testing.T, format string) {
		dir := t.TempDir()
		require.NoError(t, fixture.Unpack(format, "agents.tar.gz", dir))
		for _, kind := range []string{store.LogBolt, store.LogWAL} {
			t.Run(kind, func(t *testing.T) {
				for start := range 2 {
					s := alone(t, filepath.Join(dir, kind))
					for i := range 20 {
						want := fmt.Sprintf(`200 [{"arango":{"Fixture":{"%d":"%s"}}}]`, i, strings.Repeat(kind, i))
						require.Equal(t, want, s.post("read", fmt.Sprintf(`[["/arango/Fixture/%d"]]`, i)).String())
					}
					got := s.post("write", `[[{"/arango/Fixture/later":{"op":"increment"}}]]`)
					require.Equal(t, 200, got.status, got)
					got = s.post("read", `[["/arango/Fixture/later"]]`)
					require.Equal(t, fmt.Sprintf(`200 [{"arango":{"Fixture":{"later":%d}}}]`, start+1), got.String())
					require.Equal(t, 200, s.post("compact", "").status)
					s.end()
				}
			})
		}
	})
}

// The agents of an earlier version's cluster, one of them with the other kind of log,
// find each other at new addresses and lead.
func TestAgencyOfEarlierFormat(t *testing.T) {
	eachFormat(t, func(t *testing.T, format string) {
		dir := t.TempDir()
		require.NoError(t, fixture.Unpack(format, "cluster.tar.gz", dir))
		inBubble(t, 0, Timing{}, func(t *testing.T, c *cluster) {
			c.dirs = map[string]string{}
			found, err := filepath.Glob(filepath.Join(dir, "agent-*"))
			require.NoError(t, err)
			kinds := map[string]bool{}
			for _, d := range found {
				id, err := datadir.Owner(vfs.Default, d)
				require.NoError(t, err)
				name := strings.TrimPrefix(id, "AGNT-")
				c.dirs[name], c.peers["AGNT-"+name] = d, name+":1"
				_, err = os.Stat(filepath.Join(d, "raft-wal"))
				kinds[fmt.Sprint(err == nil)] = true
			}
			require.Len(t, c.dirs, 3)
			require.Len(t, kinds, 2, "both kinds of log")
			for _, name := range slices.Sorted(maps.Keys(c.dirs)) {
				c.start(name)
			}
			leader := c.leader()
			got := c.ask(leader, "read", `[["/arango/Target/HotBackup/Committed"]]`)
			require.Equal(t, 200, got.status, got)
			require.Contains(t, got.body, "certificateSha256")
			for name := range c.agents { // all take part
				if name != leader {
					c.kill(name)
					break
				}
			}
			require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"/later":1}]]`).status)
		})
	})
}
