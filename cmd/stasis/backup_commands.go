package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
)

func backupListCommand(o *serverOptions) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List backups",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var res backup.ListResult
			var request any
			if id != "" {
				request = map[string]any{"id": id}
			}
			return o.call(cmd, "list", request, &res, callOptions{}, func(r report) { showList(r, res) })
		},
	}
	cmd.Flags().StringVar(&id, "identifier", "", "only this one")
	return cmd
}

func showList(r report, res backup.ListResult) {
	for _, server := range res.Unreachable {
		r.line(levelWarning, idWarning, "%s did not answer; its pieces count as missing", res.Named([]string{server}))
	}
	if len(res.List) == 0 {
		r.info(idList, "There are no backups available.")
		return
	}
	r.info(idList, "The following backups are available:")
	for _, id := range slices.Sorted(maps.Keys(res.List)) {
		b := res.List[id]
		r.info(idList, " - %s", id)
		r.info(idList, "      version: %s", b.Version)
		r.info(idList, "      date/time: %s", b.DateTime)
		r.info(idList, "      size in bytes: %d", b.SizeInBytes)
		r.info(idList, "      number of files: %d", b.NrFiles)
		r.info(idList, "      number of DBServers: %d", b.NrDBServers)
		r.info(idList, "      number of available pieces: %d", b.NrPiecesPresent)
		r.info(idList, "      potentiallyInconsistent: %t", b.PotentiallyInconsistent)
		r.info(idList, "      available: %t", b.Available)
		if len(b.Missing) > 0 {
			r.info(idList, "      missing pieces of: %s", res.Named(b.Missing))
		}
	}
}

// addIdentifier adds the flag that names the backup; it must be given.
func addIdentifier(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "identifier", "", "the backup's `id`, as create and list give it (required)")
	if err := cmd.MarkFlagRequired("identifier"); err != nil {
		panic(err) // the flag is defined above
	}
}

func backupDeleteCommand(o *serverOptions) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "delete --identifier ID",
		Short: "Delete a backup from all DB servers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var res backup.DeleteResult
			return o.call(cmd, "delete", map[string]any{"id": id}, &res, callOptions{}, func(r report) {
				r.info(idResult, "Successfully deleted '%s'", id)
				if len(res.Pending) > 0 {
					r.line(levelWarning, idWarning, "not there, and will remove its piece when it is back: %s", res.Named(res.Pending))
				}
			})
		},
	}
	addIdentifier(cmd, &id)
	return cmd
}

func backupRestoreCommand(o *serverOptions) *cobra.Command {
	var id string
	var ignoreVersion, steps bool
	var maxWait, deadline float64
	cmd := &cobra.Command{
		Use:   "restore --identifier ID",
		Short: "Bring the whole deployment back to a backup: all or nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if maxWait < 0 {
				return errors.New("--max-wait-for-restart must not be negative")
			}
			if cmd.Flags().Changed("deadline") && deadline <= 0 {
				return errNoDeadline
			}
			request := map[string]any{"id": id}
			if ignoreVersion {
				request["ignoreVersion"] = true
			}
			if deadline != 0 {
				request["deadline"] = deadline
			}
			var res backup.RestoreResult
			err := o.call(cmd, "restore", request, &res, callOptions{locks: true, steps: steps, operation: keys.OperationRestore, id: id}, func(r report) {
				r.info(idResult, "Successfully restored '%s'", id)
				r.info(idProgress, "The state before is kept as '%s'", res.Previous)
			})
			if err != nil || maxWait == 0 {
				return err
			}
			return o.waitAvailable(cmd, seconds(maxWait))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&ignoreVersion, "ignore-version", false, "restore also a backup of another version")
	f.Float64Var(&maxWait, "max-wait-for-restart", 0, "`seconds` to wait afterwards until the server serves again; 0: do not wait")
	f.Float64Var(&deadline, "deadline", 0, "`seconds` after which the restore is given up, unless it is committed by then (default: none)")
	f.BoolVar(&steps, "steps", false, "show the steps as they happen")
	addIdentifier(cmd, &id)
	return cmd
}

// waitAvailable waits until the coordinator says that it serves.
func (o *serverOptions) waitAvailable(cmd *cobra.Command, limit time.Duration) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.Do(ctx, http.MethodGet, "/_admin/server/availability", nil, nil)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("restored, but the server does not serve after %v: %w", limit, err)
		}
	}
}

func backupVerifyCommand(o *serverOptions) *cobra.Command {
	var id, dir string
	cmd := &cobra.Command{
		Use:   "verify --identifier ID | --dir DIR [--identifier ID]",
		Short: "Read a backup again and check every file, the Plan dump and the certificate",
		Long: `Read a backup again and check every file, the Plan dump and the certificate, which
says how it is known to be one instant.

With --identifier alone the servers of a running cluster do it. With --dir it is done
offline, without any server: DIR is a cluster's directory (of stasis up), or any
folder below which are the pieces of all DB servers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir != "" {
				return verifyOffline(cmd, o, dir, id)
			}
			if id == "" {
				return errors.New("verify: --identifier says which backup; or --dir where backups are, to check them offline")
			}
			var res backup.VerifyResult
			err := o.call(cmd, "verify", map[string]any{"id": id}, &res, callOptions{}, func(r report) { showVerify(r, res) })
			if err == nil && !res.Intact {
				return fmt.Errorf("%w: not intact", errReported)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&id, "identifier", "", "the backup's `id`")
	f.StringVar(&dir, "dir", "", "check offline what is in this `directory`")
	return cmd
}

func showVerify(r report, res backup.VerifyResult) {
	for _, server := range slices.Sorted(maps.Keys(res.Pieces)) {
		p := res.Pieces[server]
		r.info(idList, "piece of %s: %d files, %d bytes read", p.Source, p.Files, p.Bytes)
	}
	for _, problem := range res.Problems {
		r.line(levelError, idError, "%s", problem)
	}
	if res.Certificate != nil {
		for _, line := range lockReportLines(res.Certificate.History.Lock) {
			r.info(idProgress, "%s", line)
		}
	}
	switch {
	case !res.Intact:
		r.line(levelError, idError, "'%s' is NOT intact", res.ID)
	case res.PotentiallyInconsistent:
		r.line(levelWarning, idWarning, "'%s' is intact, but was taken without the global lock: it may be no single instant", res.ID)
	case res.Certificate == nil:
		r.info(idResult, "'%s' is intact: the state that a restore set aside", res.ID)
	default:
		r.info(idResult, "'%s' is intact and one instant", res.ID)
	}
}
