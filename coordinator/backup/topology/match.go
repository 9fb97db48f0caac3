package topology

import (
	"slices"

	"stasis/internal/apierror"
)

// Match pairs the DB servers of a backup with those of the cluster. Equal ids match
// themselves. The rest of the backup's servers, sorted, match the rest of the cluster's,
// sorted. The result has, for every server of the cluster, the backup's server whose piece it
// takes, or "" if no piece is left for it. apierror.BackupTopology: the backup has more
// servers than the cluster.
//
// The result depends on the two sets only, not on their order: a download and a restore
// compute it separately and must agree.
func Match(backup, cluster []string) (map[string]string, error) {
	backup, cluster = SortedSet(backup), SortedSet(cluster)
	if len(backup) > len(cluster) {
		return nil, apierror.New(apierror.BackupTopology, "the backup has %d DB servers, the cluster only %d", len(backup), len(cluster))
	}
	sources := make(map[string]string, len(cluster))
	var open []string
	for _, id := range cluster {
		if _, same := slices.BinarySearch(backup, id); same {
			sources[id] = id
			continue
		}
		sources[id] = ""
		open = append(open, id)
	}
	for _, id := range backup {
		if _, same := slices.BinarySearch(cluster, id); !same {
			sources[open[0]], open = id, open[1:]
		}
	}
	return sources, nil
}

// Placed inverts a match: it has, for every server of the backup, the server of the cluster that
// takes its piece.
func Placed(sources map[string]string) map[string]string {
	out := make(map[string]string, len(sources))
	for now, source := range sources {
		if source != "" {
			out[source] = now
		}
	}
	return out
}

// SortedSet returns the ids in order, each once.
func SortedSet(ids []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}
