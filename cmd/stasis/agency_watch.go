package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
	"stasis/fsm"
)

func agencyWatchCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "watch [PATH]", Short: "Print changes when they are committed, until interrupted", Args: flags.Arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			endless := *o
			endless.timeout = 365 * 24 * time.Hour
			err := endless.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
				return watchChanges(ctx, c, out, "/"+strings.Trim(strings.Join(args, ""), "/"))
			})(cmd, args)
			if errors.Is(err, context.Canceled) || cmd.Context().Err() != nil {
				return nil
			}
			return err
		},
	}
}

// watchChanges prints what touches a path: at it, below it, or above it.
func watchChanges(ctx context.Context, c *agencyclient.Client, out io.Writer, path string) error {
	next := uint64(0)
	for {
		got, err := c.Poll(ctx, next, time.Minute)
		if err != nil {
			return err
		}
		if got.ReadDB.Exists() && next > 0 {
			fmt.Fprintf(out, "# changes up to %d are no longer kept\n", got.CommitIndex)
		}
		for _, e := range got.Log {
			if err := writeChange(out, e, path); err != nil {
				return err
			}
		}
		next = max(next, got.CommitIndex+1)
	}
}

// writeChange prints the operations of a change that touch a path, a line for each.
func writeChange(out io.Writer, e fsm.Entry, path string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.Query, &fields); err != nil {
		return fmt.Errorf("change %d: %w", e.Index, err)
	}
	stamp := time.UnixMilli(e.Timestamp).UTC().Format("15:04:05.000")
	for _, gone := range e.Expired {
		if touches(gone, path) {
			fmt.Fprintf(out, "%d %s %s expired\n", e.Index, stamp, gone)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if touches(key, path) {
			fmt.Fprintf(out, "%d %s %s %s\n", e.Index, stamp, "/"+strings.TrimLeft(key, "/"), fields[key])
		}
	}
	return nil
}

// touches says whether a change at one path is seen at another.
func touches(changed, path string) bool {
	changed, path = "/"+strings.Trim(changed, "/")+"/", "/"+strings.Trim(path, "/")+"/"
	if path == "//" || changed == "//" {
		return true
	}
	return strings.HasPrefix(changed, path) || strings.HasPrefix(path, changed)
}
