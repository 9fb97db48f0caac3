package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

// remoteOptions say where backups are kept.
type remoteOptions struct {
	path string
	file string
}

func (o *remoteOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.path, "remote-path", "", "`NAME:PATH` of the storage; NAME is a section of the configuration file")
	cmd.Flags().StringVar(&o.file, "rclone-config-file", "", "`file` with the configuration of the storage, as JSON: {\"NAME\": {\"type\": \"s3\", …}}")
}

func (o *remoteOptions) read() (client.Remote, error) {
	if o.path == "" || o.file == "" {
		return client.Remote{}, errors.New("--remote-path and --rclone-config-file are needed: they say where the storage is")
	}
	raw, err := os.ReadFile(o.file)
	if err != nil {
		return client.Remote{}, fmt.Errorf("--rclone-config-file: %w", err)
	}
	config, err := client.ParseRemoteConfig(raw)
	if err != nil {
		return client.Remote{}, fmt.Errorf("--rclone-config-file %s: %w", o.file, err)
	}
	return client.Remote{Path: o.path, Config: config}, nil
}

// transferOptions are those of upload and download.
type transferOptions struct {
	kind      client.TransferKind
	remote    remoteOptions
	id        string
	statusID  string
	abort     bool
	wait      bool
	transfers int
	bandwidth string
	keys      flags.Keys // of a download
}

func backupUploadCommand(b *flags.Backup) *cobra.Command {
	return transferCommand(b, client.Upload, "Send a backup to remote storage, except for what is there already")
}

func backupDownloadCommand(b *flags.Backup) *cobra.Command {
	return transferCommand(b, client.Download, "Fetch a backup from remote storage, check every byte, and list it when it is complete")
}

func transferCommand(b *flags.Backup, kind client.TransferKind, short string) *cobra.Command {
	t := transferOptions{kind: kind}
	cmd := &cobra.Command{
		Use:   string(kind) + " --identifier ID --remote-path NAME:PATH --rclone-config-file FILE [--wait] | --status-id ID [--abort]",
		Short: short,
		Args:  flags.NoArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return t.run(cmd, b) },
	}
	f := cmd.Flags()
	f.StringVar(&t.id, "identifier", "", "`id` of the backup")
	t.remote.addFlags(cmd)
	f.StringVar(&t.statusID, "status-id", "", "`id` of a transfer: show how it stands (with --wait: until it is over)")
	f.BoolVar(&t.abort, "abort", false, "abort the transfer of --status-id")
	f.BoolVar(&t.wait, "wait", false, "wait until it is over, and show the progress of every DB server")
	f.IntVar(&t.transfers, "transfers", 0, fmt.Sprintf("`number` of files at once per DB server (default 4, at most %d)", client.MostTransfers))
	f.StringVar(&t.bandwidth, "bandwidth-limit", "", "`bytes` per second of each DB server, such as 500K or 20M (default: no limit)")
	if kind == client.Download {
		t.keys.Add(cmd, "fetch only a backup that it has signed")
	}
	return cmd
}

func (t transferOptions) check() error {
	switch {
	case (t.id == "") == (t.statusID == ""):
		return errors.New("give either --identifier, to start a transfer, or --status-id, to ask about one")
	case t.keys.Given() && t.id == "":
		return errors.New("--key needs --identifier: it is checked while a backup is fetched")
	case t.abort && t.statusID == "":
		return errors.New("--abort needs --status-id")
	case t.transfers < 0 || t.transfers > client.MostTransfers:
		return fmt.Errorf("--transfers must be from 0 to %d", client.MostTransfers)
	}
	return nil
}

func (t transferOptions) run(cmd *cobra.Command, b *flags.Backup) error {
	if err := t.check(); err != nil {
		return err
	}
	if t.statusID != "" {
		return t.about(cmd, b)
	}
	remote, err := t.remote.read()
	if err != nil {
		return err
	}
	trusted, err := t.keys.Read()
	if err != nil {
		return err
	}
	limit, err := byteCount(t.bandwidth)
	if err != nil {
		return fmt.Errorf("--bandwidth-limit: %w", err)
	}
	c, err := beginBackup(cmd, b, string(t.kind))
	if err != nil {
		return err
	}
	id, err := c.backups().Transfer(cmd.Context(), t.kind, client.TransferRequest{ID: t.id, Remote: remote, Transfers: t.transfers, BytesPerSecond: limit, Keys: trusted})
	err = c.end(err, map[string]string{string(t.kind) + "Id": id}, func(r show.Report) {
		what := "Backup" // as arangobackup says
		if t.kind == client.Download {
			what = "Download"
		}
		r.Info(show.Result, "%s initiated, use ", what)
		r.Info(show.Result, "    stasis backup %s --status-id=%s", t.kind, id)
		r.Info(show.Result, " to query progress.")
	})
	if err != nil || !t.wait {
		return err
	}
	return c.awaitTransfer(id)
}

// about is what is asked of a transfer that has begun.
func (t transferOptions) about(cmd *cobra.Command, b *flags.Backup) error {
	c, err := beginBackup(cmd, b, string(t.kind))
	switch {
	case err != nil:
		return err
	case t.abort:
		err := c.backups().AbortTransfer(cmd.Context(), t.statusID)
		return c.end(err, struct{}{}, func(r show.Report) { r.Info(show.Result, "aborting transfer") })
	case t.wait:
		return c.awaitTransfer(t.statusID)
	}
	st, err := c.backups().TransferStatus(cmd.Context(), t.statusID)
	return c.end(err, st, func(r show.Report) { show.Transfer(r, st) })
}

// byteCount reads a number of bytes, with an optional K, M or G.
func byteCount(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, factor := strings.ToUpper(text), 1.0
	switch number[len(number)-1] {
	case 'K':
		factor = 1 << 10
	case 'M':
		factor = 1 << 20
	case 'G':
		factor = 1 << 30
	}
	if factor > 1 {
		number = number[:len(number)-1]
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0 && n*factor < math.MaxInt64/2) {
		return 0, errors.New("want a positive number of bytes, such as 500K or 20M")
	}
	return int64(n * factor), nil
}
