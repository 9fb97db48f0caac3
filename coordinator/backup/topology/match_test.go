package topology

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/apierror"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name            string
		backup, cluster []string
		want            map[string]string
	}{
		{"same", []string{"a", "b"}, []string{"a", "b"}, map[string]string{"a": "a", "b": "b"}},
		{"all other", []string{"a", "b"}, []string{"y", "x"}, map[string]string{"x": "a", "y": "b"}},
		{"one replaced", []string{"a", "b", "c"}, []string{"a", "c", "z"}, map[string]string{"a": "a", "c": "c", "z": "b"}},
		{"replaced by a smaller id", []string{"b", "c"}, []string{"a", "c"}, map[string]string{"a": "b", "c": "c"}},
		{"more now", []string{"a"}, []string{"a", "b", "c"}, map[string]string{"a": "a", "b": "", "c": ""}},
		{"more now, none the same", []string{"m"}, []string{"z", "y"}, map[string]string{"y": "m", "z": ""}},
		{"nothing", nil, []string{"a"}, map[string]string{"a": ""}},
		{"twice the same", []string{"a", "a"}, []string{"a"}, map[string]string{"a": "a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Match(c.backup, c.cluster)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := Match([]string{"a", "b"}, []string{"a"})
	require.ErrorIs(t, err, apierror.BackupTopology)
	require.ErrorContains(t, err, "2 DB servers, the cluster only 1")
}

// The answer depends on the sets alone: a download and a restore compute it
// separately.
func TestMatchIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-d]{1,2}`)
		cluster := rapid.SliceOfDistinct(id, rapid.ID[string]).Draw(t, "cluster")
		backup := rapid.SliceOfNDistinct(id, 0, len(cluster), rapid.ID[string]).Draw(t, "backup")
		before := slices.Clone(cluster)
		got, err := Match(backup, cluster)
		require.NoError(t, err)
		require.Equal(t, before, cluster, "the input was changed")

		seed := rapid.Uint64().Draw(t, "seed")
		shuffle := rand.New(rand.NewPCG(seed, 1))
		shuffle.Shuffle(len(cluster), func(i, j int) { cluster[i], cluster[j] = cluster[j], cluster[i] })
		shuffle.Shuffle(len(backup), func(i, j int) { backup[i], backup[j] = backup[j], backup[i] })
		again, err := Match(backup, cluster)
		require.NoError(t, err)
		require.Equal(t, got, again)

		placed := Placed(got)
		require.Len(t, placed, len(backup), "every piece is taken exactly once")
		require.ElementsMatch(t, cluster, slices.Collect(maps.Keys(got)))
		for _, b := range backup {
			require.Contains(t, placed, b)
			if slices.Contains(cluster, b) {
				require.Equal(t, b, placed[b], "equal ids match themselves")
			}
		}
	})
}
