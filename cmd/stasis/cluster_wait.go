package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/show"
	"stasis/internal/wait"
)

// jobPause is the pause between two questions for a job.
const jobPause = 300 * time.Millisecond

// maxMisses is how many questions in a row may fail: the coordinator may be busy, or the
// agency be choosing a leader.
const maxMisses = 100

// addWait adds the flag of commands that start jobs.
func (o *clusterOptions) addWait(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.wait, "wait", true, "wait until it is done, and show what it waits for")
}

// started shows a job that has begun, and waits for its end unless the user does not want
// that.
func (o *clusterOptions) started(cmd *cobra.Command, c *client.Client, id string) error {
	if o.wait {
		over, err := o.awaitJobs(cmd, c, id)
		if err != nil {
			return err
		}
		return o.conclude(cmd, over)
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), map[string]string{"id": id})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "job %s; \"stasis cluster jobs %s\" shows how it stands\n", id, id)
	return nil
}

// awaitJobs shows how jobs go until all are over.
func (o *clusterOptions) awaitJobs(cmd *cobra.Command, c *client.Client, ids ...string) ([]client.Job, error) {
	w := &jobWatch{client: c, out: cmd.ErrOrStderr(), names: serverNames(cmd.Context(), c), shown: map[string]string{}}
	if o.json {
		w.out = io.Discard
	}
	var over []client.Job
	for _, id := range ids {
		j, err := w.await(cmd.Context(), id)
		if err != nil {
			return over, err
		}
		over = append(over, j)
	}
	return over, nil
}

// conclude prints jobs that are over for programs, and fails if one of them has.
func (o *clusterOptions) conclude(cmd *cobra.Command, over []client.Job) error {
	if o.json {
		if err := printJSON(cmd.OutOrStdout(), client.Jobs{Jobs: append([]client.Job{}, over...)}); err != nil {
			return err
		}
	}
	var failed []string
	for _, j := range over {
		if j.Status == client.JobFailed {
			failed = append(failed, fmt.Sprintf("job %s (%s) failed: %s", j.ID, j.Type, j.Reason))
		}
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, "\n"))
	}
	return nil
}

// jobWatch follows jobs and prints what is new.
type jobWatch struct {
	client *client.Client
	out    io.Writer
	names  show.Names
	shown  map[string]string // by job
}

func (w *jobWatch) await(ctx context.Context, id string) (client.Job, error) {
	for misses := 0; ; {
		j, err := w.client.Job(ctx, id)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			misses = 0
			w.tell(ctx, j)
			if j.Over() {
				return j, nil
			}
		case errors.Is(err, client.ErrNotFound), misses >= maxMisses:
			return j, fmt.Errorf("job %s: %w", id, err)
		default:
			misses++
		}
		if wait.For(ctx, jobPause) != nil {
			return j, fmt.Errorf("interrupted; job %s goes on: stasis cluster jobs %s [--cancel]", id, id)
		}
	}
}

// tell prints a job and its children, as far as something is new.
func (w *jobWatch) tell(ctx context.Context, j client.Job) {
	if children, err := w.client.Jobs(ctx, j.ID); err == nil {
		for _, child := range children {
			if child.ID != j.ID {
				w.say(child.ID, "  "+show.Job(child, w.names))
			}
		}
	}
	line := show.Job(j, w.names)
	if !j.Over() && j.Reason == "" {
		line += w.blocked(ctx)
	}
	w.say(j.ID, line)
}

func (w *jobWatch) say(job, line string) {
	if w.shown[job] != line {
		w.shown[job] = line
		fmt.Fprintln(w.out, line)
	}
}

// blocked is what keeps the whole supervision from working, "" if nothing does.
func (w *jobWatch) blocked(ctx context.Context) string {
	if s, err := w.client.Status(ctx); err == nil && s.Lock != nil {
		return fmt.Sprintf(": waits for the end of %s of backup %s", s.Lock.Operation, s.Lock.ID)
	}
	if mode, err := w.client.Cluster().Supervision(ctx); err == nil && mode == client.ModeMaintenance {
		return ": waits, because the supervision is in maintenance"
	}
	return ""
}
