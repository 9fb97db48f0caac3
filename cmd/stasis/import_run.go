package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/progress"
)

type importOptions struct {
	database    string
	collection  string
	layout      client.Layout
	onDuplicate string
}

func importCommand() *cobra.Command {
	o := importOptions{}
	var coordinator flags.Coordinator
	cmd := &cobra.Command{
		Use:   "import --collection C [--database D] [--shards N] [--replication-factor N] FILE.jsonl",
		Short: "Put the documents of a file, one JSON object a line, into a collection",
		Long: `Put the documents of a file, one JSON object a line, into a collection. Database
and collection are created if they do not exist. "-" reads standard input.

Lines are sent in batches. If the import ends half way, what was sent is stored. If
the documents have keys, run it again with --on-duplicate ignore (or replace).`,
		Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return coordinator.Run(func(cmd *cobra.Command, c *client.Client, args []string) error {
				return o.run(cmd, c, args[0])
			})(cmd, args)
		},
	}
	coordinator.Add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.database, "database", "_system", "`name` of the database")
	f.StringVar(&o.collection, "collection", "", "`name` of the collection (required)")
	f.IntVar(&o.layout.Shards, "shards", 3, "`number` of shards, if the collection is created")
	f.IntVar(&o.layout.ReplicationFactor, "replication-factor", 0, "`number` of DB servers that each shard is on, if the collection is created (default: that of the database)")
	f.IntVar(&o.layout.WriteConcern, "write-concern", 0, "`number` of replicas that must be in sync for writes, if the collection is created (default: that of the database)")
	f.StringVar(&o.onDuplicate, "on-duplicate", "error", "`what` to do when a key exists: error, update, replace or ignore")
	flags.Require(cmd, "collection")
	return cmd
}

// check refuses what the server would, before anything has been created there.
func (o importOptions) check() error {
	if !slices.Contains([]string{"error", "update", "replace", "ignore"}, o.onDuplicate) {
		return fmt.Errorf("--on-duplicate %q: want error, update, replace or ignore", o.onDuplicate)
	}
	l := o.layout
	switch {
	case l.Shards < 1:
		return fmt.Errorf("--shards %d: want at least 1", l.Shards)
	case l.ReplicationFactor < 0:
		return fmt.Errorf("--replication-factor %d: want at least 1", l.ReplicationFactor)
	case l.WriteConcern < 0 || l.ReplicationFactor > 0 && l.WriteConcern > l.ReplicationFactor:
		return fmt.Errorf("--write-concern %d: want a number from 1 to the replication factor", l.WriteConcern)
	}
	return nil
}

func (o importOptions) run(cmd *cobra.Command, c *client.Client, path string) error {
	ctx := cmd.Context()
	in, size, err := openInput(cmd, path)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := c.EnsureDatabase(ctx, o.database); err != nil {
		return fmt.Errorf("database %s: %w", o.database, err)
	}
	db := c.Database(o.database)
	if err := db.EnsureCollection(ctx, o.collection, o.layout); err != nil {
		return fmt.Errorf("collection %s: %w", o.collection, err)
	}
	bar := progress.NewBytes(cmd.ErrOrStderr(), "importing", size)
	total, err := importer{db, o.collection, client.OnDuplicate(o.onDuplicate)}.send(ctx, in, bar)
	bar.Close()
	fmt.Fprintf(cmd.OutOrStdout(), "%s/%s: %d created, %d updated, %d ignored, %d errors, %d empty lines\n",
		o.database, o.collection, total.Created, total.Updated, total.Ignored, total.Errors, total.Empty)
	for _, d := range total.Details {
		fmt.Fprintln(cmd.ErrOrStderr(), "  "+d)
	}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return errors.New("interrupted; what is counted above is in the collection, the lines after it are not")
	case err != nil:
		return err
	case total.Errors > 0:
		return fmt.Errorf("%d of the lines were not imported", total.Errors)
	}
	return nil
}

func openInput(cmd *cobra.Command, path string) (io.ReadCloser, int64, error) {
	if path == "-" {
		return io.NopCloser(cmd.InOrStdin()), -1, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory: name a file with one JSON object a line", path)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}
