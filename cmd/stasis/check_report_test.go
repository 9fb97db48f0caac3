package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/lab/workload"
)

// named is a workload of which only the name is asked.
type named struct {
	workload.Workload
	name string
}

func (n named) Spec() workload.Spec { return workload.Spec{Name: n.name} }

// What is violated is the exit status, whatever is not known beside it, and in whatever order; what is not known is told. The texts
// are what scripts and people read.
func TestCheckReport(t *testing.T) {
	findings := map[string]workload.Findings{
		"bank":  {Problems: []string{"missing: take 1.2 of account-1"}, Present: 3, Absent: 1},
		"chain": {Present: 5, Absent: 2, Unknown: 1, Earliest: 1500 * time.Microsecond, Latest: 2 * time.Second},
	}
	undecided := fmt.Errorf("workload register: %w: 7 operations", workload.ErrUndecided)
	s := subject{name: "the cluster", judge: func(_ context.Context, w workload.Workload) (workload.Findings, error) {
		if f, ok := findings[w.Spec().Name]; ok {
			return f, nil
		}
		return workload.Findings{}, undecided
	}}
	const (
		bank     = "VIOLATED bank: missing: take 1.2 of account-1\nthe cluster, by the history of bank: 3 writes are there, 1 are not; the outcome of 0 was not known to clients\n"
		chain    = "the cluster, by the history of chain: 5 writes are there, 2 are not; the outcome of 1 was not known to clients\nit is the state of one instant, between 1.5ms and 2s of the history\n"
		register = "NOT JUDGED register: workload register: undecided: 7 operations\n"
	)
	closing := errors.New("close the backup: disk error")
	for i, c := range []struct {
		workloads []string
		also      error
		out       string
		status    int
		err       string
	}{
		{[]string{"chain"}, nil, chain, 0, ""},
		{[]string{"chain", "bank"}, nil, chain + bank, 1, "check: violated"},
		{[]string{"chain", "register"}, nil, chain + register, 2, "register could not be judged: workload register: undecided: 7 operations"},
		{[]string{"bank", "register"}, nil, bank + register, 1, "check: violated, and not all of it is known: register could not be judged: workload register: undecided: 7 operations"},
		{[]string{"register", "bank"}, nil, register + bank, 1, "check: violated, and not all of it is known: register could not be judged: workload register: undecided: 7 operations"},
		{[]string{"bank"}, closing, bank, 1, "check: violated, and not all of it is known: close the backup: disk error"},
		{[]string{"chain"}, closing, chain, 2, "close the backup: disk error"},
	} {
		var out bytes.Buffer
		var r report
		r.also(c.also)
		for _, name := range c.workloads {
			one := judged(t.Context(), named{name: name}, s)
			one.show(&out, s.name)
			r.all = append(r.all, one)
		}
		err := r.end(t.Context())
		require.Equal(t, c.out, out.String(), i)
		require.Equal(t, c.status, exitStatus(err), i)
		if err != nil || c.err != "" {
			require.EqualError(t, err, c.err, i)
		}
	}
	var out bytes.Buffer
	require.NoError(t, printJSON(&out, []checked{judged(t.Context(), named{name: "register"}, s)}))
	require.Contains(t, out.String(), `"notJudged": "workload register: undecided: 7 operations"`)
}
