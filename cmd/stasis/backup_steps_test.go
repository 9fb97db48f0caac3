package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
)

// lateSteps is a coordinator whose stream of steps lags: what an operation emits is delivered
// only when the operation has been answered, and the client has asked what the last step is.
type lateSteps struct {
	t       *testing.T
	mu      sync.Mutex
	log     []event.Event
	emits   []event.Event // by the operation
	asked   int           // how often for the last step
	overdue chan struct{} // closed when the last step was asked for after the answer
}

func (s *lateSteps) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := json.NewEncoder(w)
	switch {
	case r.URL.Path == "/_api/version":
		_ = out.Encode(map[string]string{"version": "3.12.5"})
	case r.URL.Path == "/_admin/backup/create":
		s.mu.Lock()
		s.log = append(s.log, s.emits...)
		s.mu.Unlock()
		_ = out.Encode(map[string]client.CreateResult{"result": {ID: "T_x"}})
	case r.URL.Path == client.PathSteps && r.URL.Query().Get("follow") == "false":
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asked++; s.asked == 2 {
			close(s.overdue)
		}
		if n := len(s.log); n > 0 {
			_ = out.Encode(s.log[n-1])
		}
	case r.URL.Path == client.PathSteps:
		s.mu.Lock()
		from := max(len(s.log)-1, 0)
		s.mu.Unlock()
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-s.overdue:
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
		for _, e := range s.log[from:] {
			_ = out.Encode(e)
		}
		s.mu.Unlock()
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case r.URL.Path == "/_stasis/status":
		w.WriteHeader(http.StatusNotFound) // who has which name; ids must do
	default:
		s.t.Errorf("%s %s", r.Method, r.URL)
	}
}

// No step is lost if the answer overtakes the stream, and none of an earlier or another
// operation is shown.
func TestLastStepsAreShown(t *testing.T) {
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	earlier := event.Event{Operation: client.OperationCreate, ID: "S_x", Step: "of the backup before", At: at(1)}
	for name, log := range map[string][]event.Event{"first operation": nil, "later operation": {earlier}} {
		t.Run(name, func(t *testing.T) {
			s := &lateSteps{t: t, log: log, overdue: make(chan struct{}), emits: []event.Event{
				{Operation: client.OperationCreate, ID: "T_x", Step: event.Cut, At: at(2)},
				{Operation: client.OperationRestore, ID: "T_x", Step: "of a restore", At: at(3)},
				{Operation: client.OperationCreate, ID: "T_y", Step: "of another backup", At: at(4)},
				{Operation: client.OperationCreate, ID: "T_x", Step: event.Published, At: at(5)},
			}}
			server := httptest.NewServer(s)
			defer server.Close()
			status, out, errOut := stasis("backup", "create", "--label", "x", "--steps", "--endpoint", server.URL)
			require.Zero(t, status, errOut)
			require.Contains(t, out, " s  cutting")
			require.Contains(t, out, " s  published", "the last step is lost")
			require.Less(t, strings.Index(out, "published"), strings.Index(out, "Backup succeeded"))
			for _, not := range []string{"of the backup before", "of a restore", "of another backup"} {
				require.NotContains(t, out, not)
			}
			require.NotContains(t, out+errOut, "WARNING")
		})
	}
}
