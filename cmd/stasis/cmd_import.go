package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"stasis/client"
	"stasis/internal/apierror"
)

type importOptions struct {
	endpointOptions
	database    string
	collection  string
	layout      client.Layout
	onDuplicate string
}

func importCommand() *cobra.Command {
	o := importOptions{}
	cmd := &cobra.Command{
		Use:   "import --collection C [--database D] [--shards N] [--replication-factor N] FILE.jsonl",
		Short: "Put the documents of a file, one JSON object a line, into a collection",
		Long: `Put the documents of a file, one JSON object a line, into a collection. Database
and collection are created if they do not exist. "-" reads standard input.

Lines go in batches. If the import ends half way, what was sent is there: run it
again with --on-duplicate ignore (or replace) if the documents have keys.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return runImport(cmd, o, args[0]) },
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.database, "database", "_system", "`name` of the database")
	f.StringVar(&o.collection, "collection", "", "`name` of the collection (required)")
	f.IntVar(&o.layout.Shards, "shards", 3, "number of shards, if the collection is created")
	f.IntVar(&o.layout.ReplicationFactor, "replication-factor", 0, "on how many DB servers each shard is, if the collection is created (default: the database's)")
	f.IntVar(&o.layout.WriteConcern, "write-concern", 0, "how many of them must be in sync for writes, if the collection is created (default: the database's)")
	f.StringVar(&o.onDuplicate, "on-duplicate", "error", "`what` to do when a key exists: error, update, replace or ignore")
	if err := cmd.MarkFlagRequired("collection"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// check refuses what the server would, before anything has been created there.
func (o importOptions) check() error {
	if !slices.Contains([]string{"error", "update", "replace", "ignore"}, o.onDuplicate) {
		return fmt.Errorf("--on-duplicate %q: want error, update, replace or ignore", o.onDuplicate)
	}
	l := o.layout
	switch {
	case l.Shards < 1:
		return fmt.Errorf("--shards %d: want at least 1", l.Shards)
	case l.ReplicationFactor < 0:
		return fmt.Errorf("--replication-factor %d: want at least 1", l.ReplicationFactor)
	case l.WriteConcern < 0 || l.ReplicationFactor > 0 && l.WriteConcern > l.ReplicationFactor:
		return fmt.Errorf("--write-concern %d: want 1 to the replication factor", l.WriteConcern)
	}
	return nil
}

func runImport(cmd *cobra.Command, o importOptions, path string) error {
	ctx := cmd.Context()
	if err := o.check(); err != nil {
		return err
	}
	in, size, err := openInput(cmd, path)
	if err != nil {
		return err
	}
	defer in.Close()
	c, err := o.client()
	if err != nil {
		return err
	}
	if err := c.EnsureDatabase(ctx, o.database); err != nil {
		return fmt.Errorf("database %s: %w", o.database, err)
	}
	db := c.Database(o.database)
	if err := db.EnsureCollection(ctx, o.collection, o.layout); err != nil {
		return fmt.Errorf("collection %s: %w", o.collection, err)
	}
	total, err := o.send(ctx, db, in, progress(cmd.ErrOrStderr(), size))
	fmt.Fprintf(cmd.OutOrStdout(), "%s/%s: %d created, %d updated, %d ignored, %d errors, %d empty lines\n",
		o.database, o.collection, total.Created, total.Updated, total.Ignored, total.Errors, total.Empty)
	for _, d := range total.Details {
		fmt.Fprintln(cmd.ErrOrStderr(), "  "+d)
	}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return errors.New("interrupted; what is counted above is in the collection, the lines after it are not")
	case err != nil:
		return err
	case total.Errors > 0:
		return fmt.Errorf("%d of the lines were not imported", total.Errors)
	}
	return nil
}

func openInput(cmd *cobra.Command, path string) (io.ReadCloser, int64, error) {
	if path == "-" {
		return io.NopCloser(cmd.InOrStdin()), -1, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory: name a file with one JSON object a line", path)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// progress is a bar on a terminal, and nothing elsewhere.
func progress(out io.Writer, size int64) io.Writer {
	if f, ok := out.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return io.Discard
	}
	return progressbar.NewOptions64(size, progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("importing"), progressbar.OptionClearOnFinish())
}

// Batches are as large as keeps a request short, and few are under way at once.
const (
	importBatchBytes = 1 << 20
	importAtOnce     = 4
	importDetails    = 10 // how many refused lines are shown
)

// finishLimit bounds how long an interrupted import waits for the answers to what
// it has sent.
const finishLimit = 30 * time.Second

// send reads lines and sends them in batches, a few at once. When ctx ends or a
// batch fails it sends no more, and waits for the answers under way, so that what
// it counts is what is in the collection.
func (o importOptions) send(ctx context.Context, db *client.Database, in io.Reader, done io.Writer) (client.ImportResult, error) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(finishLimit, cancel) })()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	batches := readBatches(reading, in)
	var mu sync.Mutex
	var total client.ImportResult
	var senders errgroup.Group
	senders.SetLimit(importAtOnce)
	var readErr error
	for {
		b, more := next(reading, batches)
		if !more {
			break
		}
		if readErr = b.err; readErr != nil {
			break
		}
		senders.Go(func() error {
			r, err := db.Import(sending, o.collection, o.onDuplicate, bytes.NewReader(b.lines))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				stop()
				return b.failed(err)
			}
			add(&total, r, b.before)
			_, _ = done.Write(b.lines) // a progress bar
			return nil
		})
	}
	return total, errors.Join(senders.Wait(), readErr, ctx.Err())
}

// next gives the next batch, if there is one before ctx ends.
func next(ctx context.Context, batches <-chan batch) (b batch, more bool) {
	select {
	case b, more = <-batches:
		return b, more
	case <-ctx.Done():
		return batch{}, false
	}
}

// add counts one batch's result, which stood after so many lines.
func add(total *client.ImportResult, r client.ImportResult, before int) {
	total.Created += r.Created
	total.Updated += r.Updated
	total.Ignored += r.Ignored
	total.Errors += r.Errors
	total.Empty += r.Empty
	if room := importDetails - len(total.Details); room > 0 {
		details := atLines(r.Details, before)
		total.Details = append(total.Details, details[:min(room, len(details))]...)
	}
}

// batch is some whole lines.
type batch struct {
	lines  []byte
	before int   // lines of the file before these
	err    error // instead: reading failed
}

// failed says what is known of a batch without a result.
func (b batch) failed(err error) error {
	var answer *apierror.Error
	if errors.As(err, &answer) {
		return fmt.Errorf("lines %d and following: %w", b.before+1, err)
	}
	return fmt.Errorf("lines %d to %d: no answer, so it is not known which of them are in the collection: %w",
		b.before+1, b.before+bytes.Count(b.lines, []byte("\n")), err)
}

// readBatches reads until the input or ctx ends. Reading cannot be interrupted, so
// after ctx has ended the goroutine may live until there is input, or the process
// ends; it touches nothing then.
func readBatches(ctx context.Context, in io.Reader) <-chan batch {
	batches := make(chan batch)
	go func() {
		defer close(batches)
		lines, before := bufio.NewReaderSize(in, 1<<16), 0
		for {
			text, err := readBatch(lines)
			b := batch{lines: text, before: before}
			before += bytes.Count(text, []byte("\n"))
			if err != nil && err != io.EOF {
				b = batch{err: fmt.Errorf("reading: %w", err)}
			}
			if len(b.lines) > 0 || b.err != nil {
				select {
				case batches <- b:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return batches
}

// atLines says where the lines that were refused stand in the file; the server has
// counted those of its batch, which begins after so many.
func atLines(details []string, before int) []string {
	for i, d := range details {
		var line int
		if _, err := fmt.Sscanf(d, "at position %d:", &line); err == nil {
			_, said, _ := strings.Cut(d, ": ")
			details[i] = fmt.Sprintf("line %d: %s", before+line, said)
		}
	}
	return details
}

// readBatch reads whole lines until there is enough.
func readBatch(in *bufio.Reader) ([]byte, error) {
	var batch []byte
	for len(batch) < importBatchBytes {
		line, err := in.ReadBytes('\n')
		batch = append(batch, line...)
		if err != nil {
			return batch, err
		}
	}
	return batch, nil
}
