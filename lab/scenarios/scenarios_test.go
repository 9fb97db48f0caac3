package scenarios_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/lab/director"
	"stasis/lab/scenarios"
	"stasis/lab/world"
)

// Each shipped scenario is read, has a paragraph, states what must follow, and fits a world.
func TestShippedScenarios(t *testing.T) {
	names, err := scenarios.Names()
	require.NoError(t, err)
	for _, name := range names {
		s, err := scenarios.Load(name)
		require.NoError(t, err)
		require.Greater(t, len(strings.Fields(s.About)), 25, "%s: a newcomer understands it from its paragraph", name)
		require.NotEmpty(t, s.Expect, name)
		require.LessOrEqual(t, strings.Count(string(s.Source), "\n"), 25, name)
		fits := slices.ContainsFunc([]world.Kind{world.Bubble, world.InProcess, world.Processes}, func(k world.Kind) bool { return director.Fits(s, k) == nil })
		require.True(t, fits, "%s fits no world: %v", name, director.Fits(s, world.Bubble))
	}
}

// A grace period that the program refuses is told before a run, not by agents that do not start.
func TestShortGracePeriodsNeedNoProcesses(t *testing.T) {
	s, err := scenarios.Load("two-backups")
	require.NoError(t, err)
	require.NoError(t, director.Fits(s, world.Processes))
	s.Cluster.Grace = 2 * time.Second
	require.NoError(t, director.Fits(s, world.Bubble))
	require.ErrorContains(t, director.Fits(s, world.Processes), "line 4: `grace`")
}

// rows are those of the table of faults in the design.
var rows = []string{
	"coordinator, before step 9", "coordinator, after step 9", "DB server, while the lock is waited for or held", "DB server, after step 9",
	"agency leader, at any step", "agency majority", "network cut between coordinator and one DB server", "disk full while linking",
	"two backups at once, on different coordinators", "a backup and a failover, move or removal at once", "a backup and data definition at once",
	"any process, during restore", "a disk that hangs: agent, DB server; during any step or none", "a replica that was not in sync at the cut",
	"a coordinator cut off while it holds the gates", "some agents' disks lost, others silent",
}

// README.md names scenarios for each row of the fault table, and each scenario that is shipped.
func TestTableOfScenarios(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	names, err := scenarios.Names()
	require.NoError(t, err)
	of := map[string][]string{}
	var named []string
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || strings.Contains(line, "---") || strings.Contains(line, "| scenarios |") {
			continue
		}
		of[strings.TrimSpace(cells[1])] = strings.Split(strings.TrimSpace(cells[2]), ", ")
		named = append(named, of[strings.TrimSpace(cells[1])]...)
	}
	section, _, _ := strings.Cut(string(text), "## Beside that table")
	require.Equal(t, len(rows)+2, strings.Count(section, "\n|"), "the table has a head, and the rows of the design")
	for _, row := range rows {
		require.NotEmpty(t, of[row], row)
	}
	for _, n := range named {
		require.Contains(t, names, n)
	}
	for _, n := range names {
		require.Contains(t, named, n, "README.md")
	}
}
