package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"stasis/client"
)

func clusterEventsCommand(o *clusterOptions) *cobra.Command {
	last, follow := 50, false
	cmd := &cobra.Command{
		Use:   "events [--last N] [--follow]",
		Short: "Show what the supervision decided, and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if last < 0 {
				return fmt.Errorf("--last %d: want a number of events", last)
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			n := shortNames(cmd.Context(), c)
			q := url.Values{"last": {strconv.Itoa(last)}, "follow": {strconv.FormatBool(follow)}}
			err = c.Stream(cmd.Context(), client.PathEvents+"?"+q.Encode(), func() {}, func(raw json.RawMessage) error {
				if o.json {
					fmt.Fprintf(cmd.OutOrStdout(), "%s\n", raw)
					return nil
				}
				var e client.Event
				if err := json.Unmarshal(raw, &e); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), eventLine(e, n))
				return nil
			})
			if cmd.Context().Err() != nil && follow {
				return nil // the way to end it
			}
			return err
		},
	}
	f := cmd.Flags()
	f.IntVar(&last, "last", last, "how many of the events that are kept to show")
	f.BoolVar(&follow, "follow", false, "go on with every new one until interrupted")
	return cmd
}

func eventLine(e client.Event, n names) string {
	parts := []string{e.Time, e.Step}
	if e.Job != "" {
		parts = append(parts, "job "+e.Job)
	}
	for _, part := range []string{e.Database, e.Shard, n.of(e.Server)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	line := strings.Join(parts, "  ")
	if e.Detail != "" {
		line += ": " + n.within(e.Detail)
	}
	return line
}
