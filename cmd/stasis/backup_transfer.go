package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stasis/coordinator/backup"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// remoteOptions say where backups are kept.
type remoteOptions struct {
	path string
	file string
}

func (o *remoteOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.path, "remote-path", "", "`NAME:PATH`: where; NAME is a section of the configuration file")
	cmd.Flags().StringVar(&o.file, "rclone-config-file", "", "`file` with the remote's configuration, as JSON: {\"NAME\": {\"type\": \"s3\", …}}")
}

// request adds the remote to a request.
func (o *remoteOptions) request(into map[string]any) error {
	if o.path == "" || o.file == "" {
		return errors.New("--remote-path and --rclone-config-file say where")
	}
	raw, err := os.ReadFile(o.file)
	if err != nil {
		return fmt.Errorf("--rclone-config-file: %w", err)
	}
	var config map[string]map[string]any
	if json.Unmarshal(raw, &config) != nil { // its error may quote the file
		return fmt.Errorf(`--rclone-config-file %s: want JSON: {"NAME": {"type": "…", …}}`, o.file)
	}
	into["remoteRepository"], into["config"] = o.path, config
	return nil
}

// transferOptions are those of upload and download.
type transferOptions struct {
	remote    remoteOptions
	id        string
	statusID  string
	abort     bool
	wait      bool
	transfers int
	bandwidth string
}

func backupTransferCommand(o *serverOptions, command string) *cobra.Command {
	t := transferOptions{}
	short := "Bring a backup to remote storage; what is there already is not sent again"
	if command == "download" {
		short = "Fetch a backup from remote storage, check every byte, and list it when it is complete"
	}
	cmd := &cobra.Command{
		Use:   command + " --identifier ID --remote-path NAME:PATH --rclone-config-file FILE [--wait] | --status-id ID [--abort]",
		Short: short,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return t.run(cmd, o, command) },
	}
	f := cmd.Flags()
	f.StringVar(&t.id, "identifier", "", "the backup's `id`")
	t.remote.addFlags(cmd)
	f.StringVar(&t.statusID, "status-id", "", "say how this `transfer` stands (with --wait: until it is over)")
	f.BoolVar(&t.abort, "abort", false, "abort the transfer of --status-id")
	f.BoolVar(&t.wait, "wait", false, "wait until it is over, showing the progress of every DB server")
	f.IntVar(&t.transfers, "transfers", 0, fmt.Sprintf("files at once per DB server (default 4, at most %d)", dbclient.MostTransfers))
	f.StringVar(&t.bandwidth, "bandwidth-limit", "", "`bytes` per second of each DB server, with K, M or G if you like (default: no limit)")
	return cmd
}

func (t transferOptions) check() error {
	switch {
	case (t.id == "") == (t.statusID == ""):
		return errors.New("give either --identifier, to start, or --status-id")
	case t.abort && t.statusID == "":
		return errors.New("--abort needs --status-id")
	case t.transfers < 0 || t.transfers > dbclient.MostTransfers:
		return fmt.Errorf("--transfers must be from 0 to %d", dbclient.MostTransfers)
	}
	return nil
}

func (t transferOptions) run(cmd *cobra.Command, o *serverOptions, command string) error {
	if err := t.check(); err != nil {
		return err
	}
	idKey := command + "Id"
	if t.statusID != "" {
		if t.abort {
			request := map[string]any{idKey: t.statusID, "abort": true}
			return o.call(cmd, command, request, &map[string]any{}, callOptions{}, func(r report) { r.info(idResult, "aborting transfer") })
		}
		if t.wait {
			return o.awaitTransfer(cmd, command, t.statusID)
		}
		var st backup.TransferStatus
		return o.call(cmd, command, map[string]any{idKey: t.statusID}, &st, callOptions{}, func(r report) { showTransfer(r, st) })
	}
	request := map[string]any{"id": t.id}
	if err := t.remote.request(request); err != nil {
		return err
	}
	limit, err := byteCount(t.bandwidth)
	if err != nil {
		return fmt.Errorf("--bandwidth-limit: %w", err)
	}
	request["transfers"], request["bytesPerSecond"] = t.transfers, limit
	started := map[string]string{}
	err = o.call(cmd, command, request, &started, callOptions{}, func(r report) {
		what := "Backup" // as the reference's program says, also of downloads
		if command == "download" {
			what = "Download"
		}
		r.info(idResult, "%s initiated, use ", what)
		r.info(idResult, "    stasis backup %s --status-id=%s", command, started[idKey])
		r.info(idResult, " to query progress.")
	})
	if err != nil || !t.wait {
		return err
	}
	return o.awaitTransfer(cmd, command, started[idKey])
}

// byteCount reads a number of bytes, with an optional K, M or G.
func byteCount(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	factor := int64(1)
	for unit, f := range map[string]int64{"K": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
		if rest, ok := strings.CutSuffix(strings.ToUpper(text), unit); ok {
			text, factor = rest, f
			break
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n <= 0 || n*float64(factor) >= 1<<62 {
		return 0, errors.New("want a positive number of bytes, such as 500K or 20M")
	}
	return int64(n * float64(factor)), nil
}

func showTransfer(r report, st backup.TransferStatus) {
	for _, server := range slices.Sorted(maps.Keys(st.DBServers)) {
		e := st.DBServers[server]
		r.info(idList, "%s Status: %s", server, e.Status)
		if p := e.Progress; p != nil {
			r.info(idList, "Last progress update %s: %d/%d files done", p.Time, p.Done, p.Total)
			r.info(idProgress, "%d of %d bytes there, %d sent or fetched, %.0f bytes per second", p.BytesDone, p.BytesTotal, p.BytesMoved, p.BytesPerSecond)
		}
		if e.Error != 0 {
			r.line(levelError, idError, "Error: %d", e.Error)
			r.line(levelError, idError, "ErrorMessage: %s", e.ErrorMessage)
		}
	}
}

// awaitPoll is the time between two questions for a transfer's progress.
const awaitPoll = 500 * time.Millisecond

// awaitTransfer shows the progress of every DB server until all are done. An answer
// that is missed now and then does not end the waiting: the transfer goes on, and
// another coordinator may be asked.
func (o *serverOptions) awaitTransfer(cmd *cobra.Command, command, id string) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	r, bars := newReport(cmd, o), newBars(cmd, o)
	tick := time.NewTicker(awaitPoll)
	defer tick.Stop()
	for misses := 0; ; {
		var st backup.TransferStatus
		err := c.Backup(cmd.Context(), command, map[string]any{command + "Id": id}, &st)
		switch {
		case err == nil:
			misses = 0
			bars.show(st)
			if !st.Finished() {
				break
			}
			bars.end()
			return o.transferOver(cmd, r, st)
		case apierror.From(err).Status() == 404, misses >= 20:
			bars.end()
			return r.failed(command, err)
		default:
			misses++
		}
		select {
		case <-tick.C:
		case <-cmd.Context().Done():
			bars.end()
			return fmt.Errorf("interrupted; the transfer goes on: stasis backup %s --status-id=%s [--abort]", command, id)
		}
	}
}

func (o *serverOptions) transferOver(cmd *cobra.Command, r report, st backup.TransferStatus) error {
	if o.json {
		if err := printJSON(cmd.OutOrStdout(), st); err != nil {
			return err
		}
	} else {
		showTransfer(r, st)
	}
	if !st.Completed() {
		return fmt.Errorf("%w: the transfer did not complete", errReported)
	}
	return nil
}

func backupTransfersCommand(o *serverOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "transfers",
		Short: "List uploads and downloads, under way and over",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var res struct {
				Transfers map[string]backup.TransferStatus `json:"transfers"`
			}
			return o.call(cmd, "transfers", nil, &res, callOptions{}, func(r report) {
				if len(res.Transfers) == 0 {
					r.info(idList, "There are no transfers.")
				}
				for _, id := range slices.Sorted(maps.Keys(res.Transfers)) {
					st := res.Transfers[id]
					kind := "upload"
					if st.DownloadID != "" {
						kind = "download"
					}
					r.info(idList, " - %s: %s of %s, %s", id, kind, st.BackupID, st.Remote)
					showTransfer(r, st)
				}
			})
		},
	}
}
