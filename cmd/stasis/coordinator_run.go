package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/coordinator"
	"stasis/internal/signingkey"
)

func coordinatorCommand() *cobra.Command {
	var o roleOptions
	var agents flags.Agents
	var cursors flags.Size
	var keyFile string
	cmd := &cobra.Command{
		Use:   "coordinator --dir DIR --listen HOST:PORT --agency URL[,URL...]",
		Short: "Run one coordinator",
		Args:  flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := agents.Check(); err != nil {
				return err
			}
			if cursors != 0 && cursors < leastCursors {
				return fmt.Errorf("--cursor.memory %s: want 64K or more", cursors.String())
			}
			var key *signingkey.Key
			if keyFile != "" {
				var err error
				if key, err = signingkey.Read(keyFile); err != nil {
					return fmt.Errorf("--backup.signing-key: %w", err)
				}
			}
			return runRole(cmd, &o, func(ctx context.Context, log hclog.Logger) (server, error) {
				return coordinator.Start(ctx, coordinator.Config{
					Dir: o.dir, Listen: o.listen, Advertise: o.advertise, Agency: agents.Addresses,
					Network: o.lab.network(), FS: o.lab.fs(), Steps: o.lab.sink(), Wall: o.lab.wall(), Name: o.name, PID: os.Getpid(), Browsers: o.browsers, HTTP: o.http, Logger: log.Named("coordinator"),
					Limits: coordinator.Limits{BodyBytes: int64(o.memory.MaxBody), CursorBytes: int64(cursors)}, SigningKey: key,
				})
			})
		},
	}
	o.addFlags(cmd)
	agents.Add(cmd)
	cmd.Flags().StringVar(&keyFile, "backup.signing-key", "", "`file` with the private key that signs the certificates of backups, readable by its user alone; the same for all coordinators of the cluster. \"stasis key new\" makes one (default: backups are not signed)")
	cmd.Flags().Var(&cursors, "cursor.memory", "memory that open cursors may take together, 2 KiB each, as a `size` such as 64M, 64K or more; beyond it requests that need a cursor are answered 503. Default: 64M, or a sixteenth of --http.memory if that is less")
	return cmd
}

// leastCursors is the memory of 32 cursors: with none, no answer of several batches could be given.
const leastCursors = 64 << 10
