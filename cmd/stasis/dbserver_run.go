package main

import (
	"context"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/dbserver"
	"stasis/internal/bootclock"
)

func dbserverCommand() *cobra.Command {
	var o roleOptions
	var agents flags.Agents
	var rules flags.Remotes
	cmd := &cobra.Command{
		Use:   "dbserver --dir DIR --listen HOST:PORT --agency URL[,URL...]",
		Short: "Run one DB server",
		Args:  flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := agents.Check(); err != nil {
				return err
			}
			remotes, err := rules.Open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			outside, engine := flags.EngineMemory()
			o.memory.Outside = outside
			return runRole(cmd, &o, func(ctx context.Context, log hclog.Logger) (server, error) {
				return dbserver.Start(ctx, dbserver.Config{
					Dir: o.dir, Listen: o.listen, Advertise: o.advertise, Agency: agents.Addresses,
					Network: o.lab.network(), FS: o.lab.fs(), Steps: o.lab.sink(), Wall: o.lab.wall(), Name: o.name, PID: os.Getpid(), Browsers: o.browsers, HTTP: o.http, Engine: engine, Logger: log.Named("dbserver"), MaxBodyBytes: int64(o.memory.MaxBody), Remotes: remotes,
					Clock: dbserver.Clock{Elapsed: bootclock.Elapsed},
				})
			})
		},
	}
	o.addFlags(cmd)
	rules.Add(cmd)
	agents.Add(cmd)
	return cmd
}
