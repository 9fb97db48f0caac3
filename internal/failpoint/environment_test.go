//go:build failpoints

package failpoint

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const somePoint = "coordinator/backup/lock/commit"

func TestNonsenseInTheEnvironmentIsAnError(t *testing.T) {
	for value, says := range map[string]string{
		"nowhere=kill":                           `there is no point "nowhere"`,
		somePoint:                                "want point=action",
		somePoint + "=":                          "unknown action",
		somePoint + "=sleep":                     "unknown action",
		somePoint + "=wait:":                     "unknown action",
		somePoint + "=kill:now":                  "unknown action",
		somePoint + "=kill; " + somePoint + "=f": "armed twice",
	} {
		_, err := parse(value)
		require.ErrorContains(t, err, says, value)
	}
	armed, err := parse(" ; " + somePoint + "=fail:no luck;" + somePoint + "@CRDN-1=wait")
	require.NoError(t, err)
	require.Len(t, armed, 2)
	require.EqualError(t, armed[key{somePoint, Anybody}](t.Context(), "x"), "no luck")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, armed[key{somePoint, "CRDN-1"}](ended, "CRDN-1"), context.Canceled)
}

// hitting is set in the environment of a process of this test that hits a point.
const hitting = "STASIS_TEST_HITS"

// TestHits is such a process.
func TestHits(t *testing.T) {
	if os.Getenv(hitting) == "" {
		t.Skip("a part of TestEnvironmentArmsAProcess")
	}
	if err := Hit(t.Context(), somePoint, "CRDN-1"); err != nil {
		t.Fatal("hit: " + err.Error())
	}
	t.Log("passed")
}

// process starts a process that hits a point, with this value of the variable.
func process(t *testing.T, value string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHits$", "-test.v")
	cmd.Env = append(os.Environ(), hitting+"=yes", environment+"="+value)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	return cmd, out
}

func TestEnvironmentArmsAProcess(t *testing.T) {
	cmd, out := process(t, somePoint+"@CRDN-1=fail:no luck")
	require.Error(t, cmd.Wait())
	require.Contains(t, out.String(), "hit: no luck")

	cmd, out = process(t, somePoint+"@CRDN-2=fail")
	require.NoError(t, cmd.Wait(), out)
	require.Contains(t, out.String(), "passed")

	cmd, out = process(t, somePoint+"=kill")
	require.EqualError(t, cmd.Wait(), "signal: killed", out)
	require.NotContains(t, out.String(), "passed")

	cmd, out = process(t, somePoint+"=jump")
	exit := (*exec.ExitError)(nil)
	require.True(t, errors.As(cmd.Wait(), &exit))
	require.Equal(t, 2, exit.ExitCode())
	require.Contains(t, out.String(), `STASIS_FAILPOINTS: "`+somePoint+`=jump": unknown action "jump"`)
}

func TestProcessWaitsForAFile(t *testing.T) {
	goOn := filepath.Join(t.TempDir(), "go")
	cmd, out := process(t, somePoint+"=wait:"+goOn)
	require.Eventually(t, func() bool {
		_, err := os.Stat(goOn + ".reached")
		return err == nil
	}, time.Minute, 5*time.Millisecond)
	require.NoError(t, os.WriteFile(goOn, nil, 0o644))
	require.NoError(t, cmd.Wait(), out)
	require.Contains(t, out.String(), "passed")
}

// A build without the tag has random delays and nothing else: no variable of the environment arms it.
func TestUntaggedBuildHasNoFailpoints(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.GoFiles}}", "-tags", "", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "[delays.go doc.go off.go points.go]\n", string(out), "neither the environment nor actions")
}
