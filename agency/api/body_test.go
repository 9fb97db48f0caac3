package api

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/asyncjob"
	"stasis/internal/budget"
)

// TestBodyOfAJobIsNotReadAgain: a job's body was read, and bounded, before the job began.
func TestBodyOfAJobIsNotReadAgain(t *testing.T) {
	b := budget.New(64 << 20)
	jobs := asyncjob.New(b, nil)
	account := b.Open(budget.Client)
	defer account.Close()
	request := httptest.NewRequest(http.MethodPost, Prefix+"/write", nil).WithContext(budget.With(context.Background(), account))
	raw := bytes.Repeat([]byte(" "), 100)
	require.NoError(t, jobs.Begin(httptest.NewRecorder(), request, raw, func(_ http.ResponseWriter, r *http.Request) {
		text, err := bodies{max: 1}.read(r)
		if err != nil || &text[0] != &raw[0] {
			t.Errorf("a body that was read is read again: %v", err)
		}
	}))
	jobs.Close()
}
