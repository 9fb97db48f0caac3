package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func clusterMaintenanceCommand(o *clusterOptions) *cobra.Command {
	server := ""
	cmd := &cobra.Command{
		Use:   "maintenance [on|off|SECONDS] [--server SERVER]",
		Short: "Pause the supervision, or let the failure of one DB server be without consequences",
		Long: `Pause the supervision: no failover, no moves, no clean-up, until it is switched off
or its time is over (an hour, or so many seconds). With --server only the failure
of that DB server has no consequences. Without an argument: say how it is.`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			want := ""
			if len(args) > 0 {
				want = args[0]
			}
			if n, err := strconv.ParseFloat(want, 64); want != "" && want != "on" && want != "off" && (err != nil || n <= 0) {
				return fmt.Errorf("maintenance %q: want on, off or a number of seconds", want)
			}
			if server != "" {
				return o.serverMaintenance(cmd, server, want)
			}
			return o.maintenance(cmd, want)
		},
	}
	cmd.Flags().StringVar(&server, "server", "", "only this DB `server`, by id or short name")
	return cmd
}

const maintenancePath = "/_admin/cluster/maintenance"

func (o *clusterOptions) maintenance(cmd *cobra.Command, want string) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	var answer struct {
		Mode    string `json:"result,omitempty"`
		Warning string `json:"warning,omitempty"`
	}
	if want == "" {
		err = c.Do(cmd.Context(), http.MethodGet, maintenancePath, nil, &answer)
	} else {
		err = c.Do(cmd.Context(), http.MethodPut, maintenancePath, want, &answer)
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

func (o *clusterOptions) serverMaintenance(cmd *cobra.Command, server, want string) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	path := maintenancePath + "/" + url.PathEscape(server)
	if want != "" {
		request := map[string]any{"mode": "maintenance"}
		if want == "off" {
			request["mode"] = "normal"
		} else if n, err := strconv.ParseFloat(want, 64); err == nil {
			request["timeout"] = n
		}
		if err := c.Do(cmd.Context(), http.MethodPut, path, request, nil); err != nil {
			return err
		}
	}
	var answer struct {
		Result struct {
			Mode  string `json:"Mode,omitempty"`
			Until string `json:"Until,omitempty"`
		} `json:"result"`
	}
	if err := c.Do(cmd.Context(), http.MethodGet, path, nil, &answer); err != nil {
		return err
	}
	switch {
	case o.json:
		return printJSON(cmd.OutOrStdout(), answer.Result)
	case answer.Result.Mode == "" && want != "" && want != "off":
		return errors.New("the maintenance is over already")
	case answer.Result.Mode == "":
		fmt.Fprintln(cmd.OutOrStdout(), server+": normal")
	default:
		fmt.Fprintf(cmd.OutOrStdout(), "%s: maintenance until %s\n", server, answer.Result.Until)
	}
	return nil
}
