package show

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"stasis/client"
)

// Shards prints a table of shards, with the replicas of each that were asked.
func Shards(out io.Writer, shards []client.Shard, n Names) error {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SHARD\tOF\tTERM\tLEADER\tFOLLOWERS\tIN SYNC\tSTATE")
	for _, s := range shards {
		followers := []string{}
		for _, f := range s.Followers {
			followers = append(followers, n.Of(f))
		}
		fmt.Fprintf(w, "%s\t%s/%s\t%d\t%s\t%s\t%d/%d\t%s\n", s.Shard, s.Database, s.Collection, s.Term, n.Of(s.Leader), strings.Join(followers, " "),
			s.Replicated(), s.ReplicationFactor, shardState(s, n))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	lines := strings.SplitAfter(table.String(), "\n")
	fmt.Fprint(out, lines[0])
	for i, s := range shards {
		fmt.Fprint(out, lines[i+1])
		for _, r := range s.Replicas {
			fmt.Fprintln(out, "       "+replicaLine(r, n))
		}
	}
	return nil
}

func shardState(s client.Shard, n Names) string {
	switch good := s.Replicated(); {
	case s.Diverged():
		return "DIVERGED"
	case s.Leader == "":
		return "has no leader"
	case s.Resigns:
		return "the leader resigns"
	case !s.Serving:
		return n.Of(s.Leader) + " does not lead it yet"
	case good < s.WriteConcern:
		return fmt.Sprintf("read only: the write concern is %d", s.WriteConcern)
	case len(s.Followers)+1 < s.ReplicationFactor:
		return fmt.Sprintf("%d more replicas are wanted", s.ReplicationFactor-len(s.Followers)-1)
	case good < len(s.Followers)+1:
		return "replicas catch up"
	case len(s.Replicas) > 0 && !s.Identical():
		return "replicas are at different writes"
	case len(s.Replicas) > 0:
		return "identical"
	}
	return "good"
}

func replicaLine(r client.Replica, n Names) string {
	if r.Error != "" {
		return fmt.Sprintf("%s: %s", n.Of(r.Server), r.Error)
	}
	note := r.Role
	if !r.InSync {
		note += ", not in sync"
	}
	if r.Copying {
		note += ", getting a copy"
	}
	return fmt.Sprintf("%s: checksum %s, %d documents, at %d.%d, committed %d (%s)", n.Of(r.Server), r.Checksum, r.Count, r.Term, r.Seq, r.Committed, note)
}
