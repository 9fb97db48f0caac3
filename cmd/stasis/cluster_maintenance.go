package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
)

// pauseWish is what the argument of maintenance asks for.
type pauseWish struct {
	change bool
	on     bool
	lasts  time.Duration // 0: as long as the coordinator's default
}

func parsePause(args []string) (w pauseWish, err error) {
	if len(args) == 0 {
		return w, nil
	}
	switch args[0] {
	case "on":
		return pauseWish{change: true, on: true}, nil
	case "off":
		return pauseWish{change: true}, nil
	}
	n, err := strconv.ParseFloat(args[0], 64)
	if err != nil || !(n > 0 && n < maxPause) {
		return w, fmt.Errorf("maintenance %q: want on, off or a number of seconds", args[0])
	}
	return pauseWish{change: true, on: true, lasts: flags.Seconds(n)}, nil
}

// maxPause is more seconds than any coordinator accepts.
const maxPause = 1e9

func clusterMaintenanceCommand(o *clusterOptions) *cobra.Command {
	server := ""
	cmd := &cobra.Command{
		Use:   "maintenance [on|off|SECONDS] [--server SERVER]",
		Short: "Pause the supervision, or let the failure of one DB server be without consequences",
		Long: `Pause the supervision: no failover, no moves, no clean-up. The pause ends with "off", or
after the given number of seconds, or an hour after "on". With --server only the failure
of that DB server has no consequences. Without an argument: show the present mode.`,
		Args: flags.Arguments(cobra.MaximumNArgs(1)),
		RunE: o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			wish, err := parsePause(args)
			if err != nil {
				return err
			}
			if server != "" {
				return o.serverMaintenance(cmd, c, server, wish)
			}
			return o.maintenance(cmd, c, wish)
		}),
	}
	cmd.Flags().StringVar(&server, "server", "", "only this DB `server`, by name, id or short name")
	return cmd
}

func (o *clusterOptions) maintenance(cmd *cobra.Command, c *client.Client, wish pauseWish) (err error) {
	var answer struct {
		Mode    string `json:"result,omitempty"`
		Warning string `json:"warning,omitempty"`
	}
	switch ctx := cmd.Context(); {
	case !wish.change:
		answer.Mode, err = c.Cluster().Supervision(ctx)
	case wish.on:
		answer.Warning, err = c.Cluster().PauseSupervision(ctx, wish.lasts)
	default:
		answer.Warning, err = c.Cluster().ResumeSupervision(ctx)
	}
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), answer)
	}
	fmt.Fprintln(cmd.OutOrStdout(), answer.Mode+answer.Warning)
	return nil
}

func (o *clusterOptions) serverMaintenance(cmd *cobra.Command, c *client.Client, server string, wish pauseWish) (err error) {
	switch ctx := cmd.Context(); {
	case wish.on:
		err = c.Cluster().PauseServer(ctx, server, wish.lasts)
	case wish.change:
		err = c.Cluster().ResumeServer(ctx, server)
	}
	if err != nil {
		return err
	}
	now, err := c.Cluster().Server(cmd.Context(), server)
	switch {
	case err != nil:
		return err
	case o.json:
		return printJSON(cmd.OutOrStdout(), now)
	case now.Mode == "" && wish.on:
		return errors.New("the maintenance is over already")
	case now.Mode == "":
		fmt.Fprintln(cmd.OutOrStdout(), server+": normal")
	default:
		fmt.Fprintf(cmd.OutOrStdout(), "%s: maintenance until %s\n", server, now.Until)
	}
	return nil
}
