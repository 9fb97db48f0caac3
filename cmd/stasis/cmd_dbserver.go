package main

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/dbserver"
	"stasis/internal/bootclock"
	"stasis/internal/network"
)

func dbserverCommand() *cobra.Command {
	var o roleOptions
	var agents []string
	var rules remoteRules
	cmd := &cobra.Command{
		Use:   "dbserver --dir DIR --listen HOST:PORT --agency URL[,URL...]",
		Short: "Run one DB server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := withoutCredentials("agency", agents); err != nil {
				return err
			}
			remotes, err := rules.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			outside, engine := engineMemory()
			o.memory.outside = outside
			return runRole(cmd, &o, func(ctx context.Context, log hclog.Logger) (server, error) {
				return dbserver.Start(ctx, dbserver.Config{
					Dir: o.dir, Listen: o.listen, Advertise: o.advertise, Agency: agents,
					Network: network.TCP(), Browsers: o.browsers, HTTP: o.http, Engine: engine, Logger: log.Named("dbserver"), MaxBodyBytes: int64(o.memory.maxBody), Remotes: remotes,
					Clock: dbserver.Clock{Elapsed: bootclock.Elapsed},
				})
			})
		},
	}
	o.addFlags(cmd)
	rules.addFlags(cmd)
	addAgencyFlag(cmd, &agents)
	return cmd
}

func addAgencyFlag(cmd *cobra.Command, agents *[]string) {
	cmd.Flags().StringSliceVar(agents, "agency", nil, "`URLs` of the agents, separated by commas (required)")
	if err := cmd.MarkFlagRequired("agency"); err != nil {
		panic(err) // the flag is defined above
	}
}

// explain turns an error that was only "interrupted" into words.
func explain(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before it was ready")
	}
	return err
}
