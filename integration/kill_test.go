package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/lab"
	"stasis/lab/workload"
	"stasis/lab/world"
)

// struck is a scenario in which every process gets SIGKILL at a step of the second backup, or of the restore of the first one.
// What was acknowledged is there afterwards, as writes wait for the disk: others are in the memory of processes for 100 ms. Every
// backup that is listed is whole and restores, and nothing is half done.
const struck = `
cluster: {agents: 3, dbservers: 3, coordinators: 2, grace: 5s}
load: [bank: {clients: 2, accounts: 8, shards: 6, replication: 1, waitForSync: true, pace: 100ms}]
do:
  - at 500ms: backup cold on coordinator-1
  - after cold: %s
  - when %s: ['kill every agent, every dbserver, every coordinator', 'restart every agent, every dbserver, every coordinator']
  - 5s after %s: heal
expect: [cold succeeds, cold is listed, one instant, %snothing left within 60s, serves within 60s, nothing lost]
`

// killed plays struck at chosen steps, or with STASIS_SOAK=1 again and again at all steps.
func killed(t *testing.T, begin, operation, expect string, steps ...event.Name) {
	t.Helper()
	t.Parallel()
	var all []lab.Scenario
	for _, step := range steps {
		all = append(all, lab.Text("all processes killed at "+string(step), fmt.Sprintf(struck, begin, operation+` is "`+string(step)+`"`, operation, expect)))
	}
	o := lab.Options{World: world.Processes}
	if scale(0, 1) > 0 {
		all, o.Runs = []lab.Scenario{lab.Text("all processes killed", fmt.Sprintf(struck, begin, operation+" is some step", operation, expect))}, 50
	}
	play(t, o, all...)
}

// SIGKILL of every process during a create: after the restart
// nothing is half done, every listed backup is whole, and one whose create was
// answered is listed.
func TestKillEverythingDuringCreate(t *testing.T) {
	killed(t, "backup a on coordinator-2", "a", "restored cold within 60s, ", event.Linking, event.Committed)
}

// SIGKILL of every process during a restore: after the restart
// there is the state before or the state of the backup, whole.
func TestKillEverythingDuringRestore(t *testing.T) {
	killed(t, "restore cold on coordinator-2", "restore-cold", "", event.PlanSwitching, event.EngineSwapped)
}

// requirePrivate demands that only the user may read what processes have made below dir.
func requirePrivate(t *testing.T, dir string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		if path == dir || slices.Contains([]string{"cluster.lock", "STASIS", "STASIS.lock"}, e.Name()) {
			return nil // made by this process, which has its own umask
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is %v", path, info.Mode())
		files++
		return nil
	}))
	require.Greater(t, files, 50)
}

func mustCreate(t testing.TB, c *cluster, label string) backup.CreateResult {
	t.Helper()
	var res backup.CreateResult
	require.NoError(t, c.clients[0].Backup(t.Context(), "create", map[string]any{"label": label}, &res))
	return res
}

func listBackups(t testing.TB, cl *client.Client) map[string]backup.Entry {
	t.Helper()
	var res backup.ListResult
	require.NoError(t, cl.Backup(t.Context(), "list", nil, &res))
	return res.List
}

func sumOf(t *testing.T, c *cluster) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, sum, err := workload.Sum(ctx, c.db(0), "people")
	require.NoError(t, err)
	return fmt.Sprintf("%d documents, %s", n, sum)
}

// fillPeople imports n people.
func fillPeople(t testing.TB, c *cluster, n int) {
	t.Helper()
	var lines bytes.Buffer
	for _, d := range people(t, n) {
		require.NoError(t, json.NewEncoder(&lines).Encode(d))
	}
	res, err := c.db(0).Import(t.Context(), "people", "error", &lines)
	require.NoError(t, err)
	require.EqualValues(t, n, res.Created)
}
