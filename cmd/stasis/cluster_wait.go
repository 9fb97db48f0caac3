package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/internal/apierror"
)

// jobPoll is the time between two questions for a job.
const jobPoll = 300 * time.Millisecond

// maxMisses is how many answers in a row may be missed: the coordinator may be busy,
// or the agency be choosing a leader.
const maxMisses = 100

// awaitJobs shows how jobs go until all are over.
func (o *clusterOptions) awaitJobs(cmd *cobra.Command, c *client.Client, ids ...string) ([]client.Job, error) {
	w := &jobWatch{client: c, out: cmd.ErrOrStderr(), names: shortNames(cmd.Context(), c), said: map[string]string{}}
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

// jobWatch follows jobs and tells what is new.
type jobWatch struct {
	client *client.Client
	out    io.Writer
	names  names
	said   map[string]string // by job
}

func (w *jobWatch) await(ctx context.Context, id string) (client.Job, error) {
	tick := time.NewTicker(jobPoll)
	defer tick.Stop()
	for misses := 0; ; {
		j, err := w.client.Job(ctx, id)
		switch {
		case ctx.Err() != nil:
			return j, w.interrupted(id)
		case err == nil:
			misses = 0
			w.tell(ctx, j)
			if j.Over() {
				return j, nil
			}
		case apierror.From(err).Status() == http.StatusNotFound, misses >= maxMisses:
			return j, fmt.Errorf("job %s: %w", id, err)
		default:
			misses++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return j, w.interrupted(id)
		}
	}
}

func (w *jobWatch) interrupted(id string) error {
	return fmt.Errorf("interrupted; job %s goes on: stasis cluster jobs %s [--cancel]", id, id)
}

// tell shows a job and its children, as far as something is new.
func (w *jobWatch) tell(ctx context.Context, j client.Job) {
	if children, err := w.client.Jobs(ctx, j.ID); err == nil {
		for _, child := range children {
			if child.ID != j.ID {
				w.say(child.ID, "  "+jobLine(child, w.names))
			}
		}
	}
	line := jobLine(j, w.names)
	if !j.Over() && j.Reason == "" {
		line += w.blocked(ctx)
	}
	w.say(j.ID, line)
}

func (w *jobWatch) say(job, line string) {
	if w.said[job] != line {
		w.said[job] = line
		fmt.Fprintln(w.out, line)
	}
}

// blocked is what keeps the whole supervision from working, "" if nothing does.
func (w *jobWatch) blocked(ctx context.Context) string {
	var s client.Status
	if w.client.Do(ctx, http.MethodGet, client.PathStatus, nil, &s) == nil && s.Lock != nil {
		return fmt.Sprintf(": waits for the end of %s of backup %s", s.Lock.Operation, s.Lock.ID)
	}
	var mode struct {
		Result string `json:"result"`
	}
	if w.client.Do(ctx, http.MethodGet, "/_admin/cluster/maintenance", nil, &mode) == nil && mode.Result == "Maintenance" {
		return ": waits, because the supervision is in maintenance"
	}
	return ""
}

// jobLine is a job in words.
func jobLine(j client.Job, n names) string {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s %s", j.ID, j.Type)
	if j.Shard != "" {
		b.WriteString(" " + j.Shard)
	}
	if j.Server != "" {
		b.WriteString(" " + n.of(j.Server))
	}
	if j.FromServer != "" {
		b.WriteString(" from " + n.of(j.FromServer))
	}
	if j.ToServer != "" {
		b.WriteString(" to " + n.of(j.ToServer))
	}
	b.WriteString(": " + map[string]string{
		client.JobToDo: "to do", client.JobPending: "under way", client.JobFinished: "done", client.JobFailed: "failed",
	}[j.Status])
	if j.Abort && !j.Over() {
		b.WriteString(", being cancelled")
	}
	if j.Reason != "" {
		b.WriteString(": " + n.within(j.Reason))
	}
	return b.String()
}
