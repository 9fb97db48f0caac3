package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/fixture"
)

// sums are the hashes and times of all files below dir.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || d.IsDir() {
			all[path] = info.ModTime().String()
			return err
		}
		data, err := os.ReadFile(path)
		all[path] = fmt.Sprintf("%x %s", sha256.Sum256(data), info.ModTime())
		return err
	}))
	return all
}

// unpacked is the directory of a cluster of the first format, and the id of its backup with a certificate.
func unpacked(t *testing.T) (dir, id string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, fixture.Unpack("format-1", "cluster.tar.gz", dir))
	raw, err := fixture.Read("format-1", "expect.json")
	require.NoError(t, err)
	var want struct{ Hot struct{ ID string } }
	require.NoError(t, json.Unmarshal(raw, &want))
	return dir, want.Hot.ID
}

// restoredResult is what a program reads of --json.
type restoredResult struct {
	ID       string
	Intact   bool
	Problems []string
	Restored *struct {
		Databases, Collections, Documents, Shards, Replicas, PlanIndex int
		Sum                                                            string
		Problems                                                       []string
	}
}

func verifyJSON(t *testing.T, args ...string) (status int, results []restoredResult) {
	t.Helper()
	status, out, errOut := stasis(append([]string{"backup", "verify", "--json"}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(out), &results), "%s%s", out, errOut)
	return status, results
}

// TestVerifyRestores: all backups in a directory are restored into memory and read. The directory stays what it was to the bit.
func TestVerifyRestores(t *testing.T) {
	dir, id := unpacked(t)
	was := sums(t, dir)
	status, results := verifyJSON(t, "--restore", "--dir", dir)
	require.Zero(t, status)
	require.Len(t, results, 3)
	for _, r := range results {
		require.True(t, r.Intact, r.Problems)
		require.NotNil(t, r.Restored)
		require.Equal(t, []int{1, 2, 6, 9}, []int{r.Restored.Databases, r.Restored.Collections, r.Restored.Shards, r.Restored.Replicas})
		require.Positive(t, r.Restored.PlanIndex)
		require.NotEmpty(t, r.Restored.Sum)
	}
	status, out, _ := stasis("backup", "verify", "--restore", "--dir", dir, "--identifier", id)
	require.Zero(t, status)
	require.Contains(t, out, "restored in ")
	require.Contains(t, out, "1 databases, 2 collections, 45 documents")
	require.Contains(t, out, "'"+id+"' is intact and one instant")
	require.Equal(t, was, sums(t, dir))

	status, results = verifyJSON(t, "--dir", dir, "--identifier", id)
	require.Zero(t, status)
	require.Nil(t, results[0].Restored, "it was not asked for")
}

// TestVerifyRestoreFindsWhatIsWrong: a backup that cannot be restored is not intact, and the exit status says so.
func TestVerifyRestoreFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir, id string)
		says  string
	}{
		"a piece is missing": {func(t *testing.T, dir, id string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "dbserver-2", "backups", id)))
		}, "not restored: it is not complete: "},
		"a piece is there twice": {func(t *testing.T, dir, id string) {
			require.NoError(t, os.CopyFS(filepath.Join(dir, "copy", id), os.DirFS(filepath.Join(dir, "dbserver-2", "backups", id))))
		}, "not restored: a piece is given twice: "},
		"a table is damaged": {func(t *testing.T, dir, id string) {
			tables, err := filepath.Glob(filepath.Join(dir, "dbserver-2", "backups", id, "engine", "*.sst"))
			require.NoError(t, err)
			require.NotEmpty(t, tables)
			data, err := os.ReadFile(tables[0])
			require.NoError(t, err)
			data[len(data)/2] ^= 0xff
			require.NoError(t, os.Remove(tables[0])) // it is a link to that of the engine
			require.NoError(t, os.WriteFile(tables[0], data, 0o600))
		}, "not restored: its restore is refused: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir, id := unpacked(t)
			c.spoil(t, dir, id)
			was := sums(t, dir)
			status, results := verifyJSON(t, "--restore", "--dir", dir, "--identifier", id)
			require.Equal(t, 1, status)
			require.Len(t, results, 1)
			require.False(t, results[0].Intact)
			require.Contains(t, strings.Join(results[0].Problems, "\n"), c.says)
			status, out, _ := stasis("backup", "verify", "--restore", "--dir", dir, "--identifier", id)
			require.Equal(t, 1, status)
			require.Contains(t, out, "'"+id+"' is NOT intact")
			require.Equal(t, was, sums(t, dir))
		})
	}
}
