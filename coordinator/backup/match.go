package backup

import (
	"slices"

	"stasis/internal/apierror"
)

// Match pairs the DB servers of a backup with those of the cluster: equal ids
// match themselves; the rest of the backup's, sorted, are paired with the rest of
// the cluster's, sorted. The result has every server of the cluster, with the
// backup's server whose piece it takes, or "" if there is none left for it.
//
// It depends on the two sets only, not on their order, because a download and a
// restore compute it separately and must come to the same answer.
func Match(backup, cluster []string) (map[string]string, error) {
	backup, cluster = sortedSet(backup), sortedSet(cluster)
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

// inverse gives, for every server of the backup, the server of the cluster that
// takes its piece.
func inverse(sources map[string]string) map[string]string {
	out := make(map[string]string, len(sources))
	for now, source := range sources {
		if source != "" {
			out[source] = now
		}
	}
	return out
}

func sortedSet(ids []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}
