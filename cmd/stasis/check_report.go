package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"stasis/lab/workload"
)

// subject is what is judged.
type subject struct {
	name  string
	judge func(context.Context, workload.Workload) (workload.Findings, error)
}

// checked is what was found of one workload.
type checked struct {
	Workload  string        `json:"workload"`
	Problems  []string      `json:"problems"`
	Present   int           `json:"present"`
	Absent    int           `json:"absent"`
	Unknown   int           `json:"unknown"`
	Earliest  time.Duration `json:"earliest"` // bounds of the instant, since the history began, in nanoseconds
	Latest    time.Duration `json:"latest"`
	NotJudged string        `json:"notJudged,omitempty"` // why it is not known whether the rest holds
	err       error
}

// judged judges by one workload.
func judged(ctx context.Context, w workload.Workload, s subject) checked {
	f, err := s.judge(ctx, w)
	c := checked{
		Workload: w.Spec().Name, Problems: append([]string{}, f.Problems...), Present: f.Present, Absent: f.Absent, Unknown: f.Unknown,
		Earliest: f.Earliest, Latest: f.Latest, err: err,
	}
	if err != nil {
		c.NotJudged = interrupted(ctx, err).Error()
	}
	return c
}

// show shows it to people.
func (c checked) show(out io.Writer, subject string) {
	for _, p := range c.Problems {
		fmt.Fprintf(out, "VIOLATED %s: %s\n", c.Workload, p)
	}
	if c.NotJudged != "" {
		fmt.Fprintf(out, "NOT JUDGED %s: %s\n", c.Workload, c.NotJudged)
		return
	}
	fmt.Fprintf(out, "%s, by the history of %s: %d writes are there, %d are not; the outcome of %d was not known to clients\n", subject, c.Workload, c.Present, c.Absent, c.Unknown)
	if len(c.Problems) == 0 {
		fmt.Fprintf(out, "it is the state of one instant, between %v and %v of the history\n", c.Earliest.Round(time.Microsecond), c.Latest.Round(time.Microsecond))
	}
}

// report is what a check has found.
type report struct {
	all  []checked
	errs []error // for which something is not known
}

// also notes an error beside what was found.
func (r *report) also(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// end is the error of the command. What is violated stays so, whatever is not known.
func (r *report) end(ctx context.Context) error {
	violated, errs := false, r.errs
	for _, c := range r.all {
		violated = violated || len(c.Problems) > 0
		if c.err != nil {
			errs = append(errs, fmt.Errorf("%s could not be judged: %w", c.Workload, c.err))
		}
	}
	err := interrupted(ctx, errors.Join(errs...))
	switch {
	case violated && err != nil:
		return statusError{exitViolated, fmt.Errorf("check: violated, and not all of it is known: %w", err)}
	case violated:
		return statusError{exitViolated, errors.New("check: violated")}
	}
	return unknown(err)
}
