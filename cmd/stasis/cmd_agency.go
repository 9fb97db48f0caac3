package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stasis/agency/client"
	"stasis/internal/network"
)

// agencyOptions say which agents to ask, and how long.
type agencyOptions struct {
	endpoints []string
	timeout   time.Duration
}

func (o *agencyOptions) client() (*client.Client, func()) {
	http := network.NewHTTPClient(network.TCP())
	endpoints := make([]string, len(o.endpoints))
	for i, e := range o.endpoints {
		if endpoints[i] = e; !strings.Contains(e, "://") {
			endpoints[i] = "http://" + e
		}
	}
	o.endpoints = endpoints
	return client.New(client.Options{Endpoints: endpoints, HTTP: http}), http.CloseIdleConnections
}

func agencyCommand() *cobra.Command {
	var o agencyOptions
	cmd := &cobra.Command{
		Use:   "agency",
		Short: "Look into an agency, change its members, read and write its tree",
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			const those = "members, add, remove, leader, transfer, dump, watch, read or write"
			if len(args) == 0 {
				return errors.New("agency: say what to do: " + those)
			}
			return fmt.Errorf("agency: unknown command %q; want %s", args[0], those)
		},
	}
	f := cmd.PersistentFlags()
	f.StringSliceVar(&o.endpoints, "agent", []string{"127.0.0.1:8729"}, "`HOST:PORT` of an agent; several with commas: any one that leads to the leader will do")
	f.DurationVar(&o.timeout, "timeout", 15*time.Second, "give up after this long")
	cmd.AddCommand(agencyMembersCommand(&o), agencyAddCommand(&o), agencyRemoveCommand(&o), agencyLeaderCommand(&o),
		agencyTransferCommand(&o), agencyDumpCommand(&o), agencyWatchCommand(&o), agencyReadCommand(&o), agencyWriteCommand(&o))
	return cmd
}

// agencyCall is what one of the commands does.
type agencyCall func(ctx context.Context, c *client.Client, out io.Writer, args []string) error

// run makes a cobra function of a call, and explains an agency without leader.
func (o *agencyOptions) run(call agencyCall) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, done := o.client()
		defer done()
		ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
		defer cancel()
		err := call(ctx, c, cmd.OutOrStdout(), args)
		if errors.Is(err, client.ErrUnavailable) {
			return errors.New(diagnose(context.WithoutCancel(cmd.Context()), c, o.endpoints))
		}
		return err
	}
}

// diagnose says in words why no leader answers, and what to do.
func diagnose(ctx context.Context, c *client.Client, endpoints []string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pool := map[string]string{}
	answered, hung := map[string]bool{}, map[string]bool{}
	leader := ""
	var missing []string
	note := func(config client.Config) {
		id := config.Configuration.ID
		if answered[id] || hung[id] {
			return
		}
		if config.DiskHangs != nil { // it answers, and takes no part
			hung[id] = true
			missing = append(missing, id+" ("+config.DiskHangs.String()+": it goes on by itself when the disk does)")
			return
		}
		answered[id] = true
		leader = cmp.Or(config.LeaderID, leader)
	}
	for _, e := range endpoints {
		if config, err := c.ConfigOf(ctx, e); err == nil {
			maps.Copy(pool, config.Configuration.Pool)
			note(config)
		}
	}
	for id, endpoint := range pool {
		if answered[id] || hung[id] {
			continue
		}
		if config, err := c.ConfigOf(ctx, endpoint); err == nil {
			note(config)
		} else {
			missing = append(missing, id+" ("+endpoint+")")
		}
	}
	switch need := len(pool)/2 + 1; {
	case len(answered) == 0 && len(hung) == 0:
		return fmt.Sprintf("no agent answers at %s: start the agents, or name others with --agent", strings.Join(endpoints, ", "))
	case len(answered) < need:
		return fmt.Sprintf("the agency has lost its majority: %d of %d agents answer, %d are needed. Nothing can be read or written until one more is back.\n"+
			"Not answering: %s.\nStart them again with their data directories. Nothing acknowledged is lost as long as those are there.\n"+
			"If they are gone for good, restore the cluster from a backup into a new agency: the agents that are left may lack what was acknowledged last.",
			len(answered), len(pool), need, strings.Join(missing, ", "))
	case leader == "":
		return fmt.Sprintf("%d of %d agents answer, which is a majority, but they have no leader: an election may be under way, or they do not reach each other. "+
			"Try again in a few seconds; then look at the network between them and at their logs", len(answered), len(pool))
	}
	return fmt.Sprintf("%s is the leader, but it did not answer in time: raise --timeout, or look at its log", leader)
}

// pretty writes a value with indentation.
func pretty(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
