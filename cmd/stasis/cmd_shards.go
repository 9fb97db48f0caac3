package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
)

func shardsCommand() *cobra.Command {
	var o endpointOptions
	var q client.ShardsQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "shards [--collection C] [--database D] [--checksum]",
		Short: "Show where every shard is, who leads it, and which replicas are in sync",
		Long: `Show where every shard is, who leads it, and which replicas are in sync.

With --checksum every replica is read and says what it holds; the exit status is 1
unless all replicas of every shard hold the same. Followers apply a write a moment
after their leader, so they are asked again for a while; while writers write they
may be at different writes all the same. "DIVERGED" is another thing: different
data up to the same write.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			shards, err := settledShards(cmd.Context(), c, q)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), client.Shards{Shards: shards})
			} else {
				err = printShards(cmd.OutOrStdout(), shards, shortNames(cmd.Context(), c))
			}
			if err != nil || !q.Checksum {
				return err
			}
			return unlike(shards)
		},
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Database, "database", "", "only shards of this database, by `name`")
	f.StringVar(&q.Collection, "collection", "", "only shards of this collection, by `name` or id")
	f.BoolVar(&q.Checksum, "checksum", false, "ask every replica what it holds, and compare")
	f.BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// How long replicas have to come to the same write, and how often they are asked.
const (
	settleLimit = 5 * time.Second
	settlePause = 250 * time.Millisecond
)

// settledShards asks until all replicas are at the same write, or one has diverged,
// for a bounded time.
func settledShards(ctx context.Context, c *client.Client, q client.ShardsQuery) ([]client.Shard, error) {
	tick := time.NewTicker(settlePause)
	defer tick.Stop()
	for end := time.Now().Add(settleLimit); ; {
		shards, err := c.Shards(ctx, q)
		moves := func(s client.Shard) bool { return !s.Identical() && !s.Diverged() }
		if err != nil || !q.Checksum || !slices.ContainsFunc(shards, moves) || slices.ContainsFunc(shards, client.Shard.Diverged) || time.Now().After(end) {
			return shards, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// unlike is an error if replicas of some shard are not the same.
func unlike(shards []client.Shard) error {
	var bad []string
	for _, s := range shards {
		if !s.Identical() {
			bad = append(bad, s.Shard)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("the replicas of %d of %d shards are not identical: %s", len(bad), len(shards), strings.Join(bad, ", "))
	}
	return nil
}

// names turns ids of servers into what people read.
type names map[string]string

func (n names) of(id string) string {
	if short := n[id]; short != "" {
		return short
	}
	return id
}

// within replaces ids in a text.
func (n names) within(text string) string {
	for id, short := range n {
		if short != "" {
			text = strings.ReplaceAll(text, id, short)
		}
	}
	return text
}

// shortNames asks for the short names of servers; without an answer ids must do.
func shortNames(ctx context.Context, c *client.Client) names {
	var s client.Status
	if c.Do(ctx, http.MethodGet, client.PathStatus, nil, &s) != nil {
		return nil
	}
	n := names{}
	for id, server := range s.DBServers {
		n[id] = server.Name
	}
	return n
}

func printShards(out io.Writer, shards []client.Shard, n names) error {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SHARD\tOF\tTERM\tLEADER\tFOLLOWERS\tIN SYNC\tSTATE")
	for _, s := range shards {
		followers := []string{}
		for _, f := range s.Followers {
			followers = append(followers, n.of(f))
		}
		fmt.Fprintf(w, "%s\t%s/%s\t%d\t%s\t%s\t%d/%d\t%s\n", s.Shard, s.Database, s.Collection, s.Term, n.of(s.Leader), strings.Join(followers, " "),
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

func shardState(s client.Shard, n names) string {
	switch good := s.Replicated(); {
	case s.Diverged():
		return "DIVERGED"
	case s.Leader == "":
		return "has no leader"
	case s.Resigns:
		return "the leader resigns"
	case !s.Serving:
		return n.of(s.Leader) + " does not lead it yet"
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

func replicaLine(r client.Replica, n names) string {
	if r.Error != "" {
		return fmt.Sprintf("%s: %s", n.of(r.Server), r.Error)
	}
	note := r.Role
	if !r.InSync {
		note += ", not in sync"
	}
	if r.Copying {
		note += ", getting a copy"
	}
	return fmt.Sprintf("%s: checksum %s, %d documents, at %d.%d, committed %d (%s)", n.of(r.Server), r.Checksum, r.Count, r.Term, r.Seq, r.Committed, note)
}
