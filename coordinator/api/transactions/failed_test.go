package transactions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/agency/agencytest"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/api/transactions"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peers are the other coordinators: they answer what they were asked.
type peers struct{ asked []string }

func (p *peers) RoundTrip(r *http.Request) (*http.Response, error) {
	p.asked = append(p.asked, r.Method+" "+r.URL.Host)
	return &http.Response{
		StatusCode: 200, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"result":{"status":"committed"}}`)),
	}, nil
}

// Only the coordinator that has begun a transaction knows what has become of it. If that has FAILED, the others ask nobody, and do not
// say that a commit that it was asked for before is not done: who asks for the end is told that the outcome is unknown. An operation
// in the transaction is not done, and that is known.
func TestTransactionOfAnotherCoordinator(t *testing.T) {
	const id = 2<<48 | 77 // of the coordinator with the number 2
	agency, other := agencytest.New(), &peers{}
	set := func(ops map[string]any) {
		t.Helper()
		_, err := agency.Apply(agencyclient.Tx{Ops: ops})
		require.NoError(t, err)
	}
	ops := map[string]any{keys.PlanVersion: 1, keys.RestoreEpoch: 0, keys.PlanDatabase("_system"): keys.Database{ID: "1", Name: "_system"}}
	for i, server := range []string{"CRDN-1", "CRDN-2"} {
		ops[keys.PlanCoordinators+"/"+server] = "none"
		ops[keys.ShortIDs+"/"+server] = keys.ShortID{TransactionID: uint64(i + 1)}
		ops[keys.ServerRegistered(server)] = keys.Registered{Endpoint: "tcp://" + strings.ToLower(server)}
	}
	set(ops)
	c := catalog.New(catalog.Options{Agency: agency, Cache: agency, ID: "CRDN-1", Logger: hclog.NewNullLogger(), AgencyTimeout: 10 * time.Second})
	t.Cleanup(c.Close)
	a := &transactions.API{ID: "CRDN-1", Catalog: c, HTTP: &http.Client{Transport: other}} // without a manager: it has begun none of them
	did := false
	operation := rest.Route{Method: "POST", Pattern: "/operation", Transaction: rest.Joins, Handler: func(*rest.Call) error { did = true; return nil }}
	mux := rest.NewMux(rest.Options{
		BodyBytes: 1 << 20, Join: a.Join, Logger: hclog.NewNullLogger(), Database: func(context.Context, string) error { return nil },
	}, append(a.Routes(), operation)...)
	ask := func(method string) (status int, answer map[string]any) {
		t.Helper()
		r := httptest.NewRequest(method, fmt.Sprint("/_api/transaction/", id), nil)
		if method == "POST" {
			r = httptest.NewRequest(method, "/operation", nil)
			r.Header.Set(rest.TransactionHeader, fmt.Sprint(id))
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body.String())
		return w.Code, answer
	}
	methods := []string{"GET", "PUT", "DELETE", "POST"}
	for _, health := range []string{keys.StatusGood, keys.StatusBad} {
		set(map[string]any{keys.ServerHealth("CRDN-2"): keys.HealthEntry{Status: health}})
		other.asked = nil
		for _, method := range methods {
			status, _ := ask(method)
			require.Equal(t, 200, status)
		}
		require.Equal(t, []string{"GET crdn-2", "PUT crdn-2", "DELETE crdn-2", "POST crdn-2"}, other.asked, health)
	}

	other.asked = nil
	set(map[string]any{keys.ServerHealth("CRDN-2"): keys.HealthEntry{Status: keys.StatusFailed}})
	for _, method := range methods {
		status, answer := ask(method)
		require.Contains(t, answer["errorMessage"], "CRDN-2", method)
		if method == "POST" {
			require.Equal(t, http.StatusGone, status)
			require.EqualValues(t, apierror.TransactionAborted, answer["errorNum"])
			require.NotContains(t, answer, apierror.Outcome)
		} else {
			require.Equal(t, http.StatusNotFound, status, method)
			require.EqualValues(t, apierror.TransactionNotFound, answer["errorNum"], method)
			require.Equal(t, apierror.OutcomeUnknown, answer[apierror.Outcome], method)
		}
	}
	require.Empty(t, other.asked)

	set(map[string]any{keys.PlanCoordinators + "/CRDN-2": agencyclient.Delete()})
	status, answer := ask("PUT")
	require.Equal(t, http.StatusNotFound, status)
	require.EqualValues(t, apierror.TransactionNotFound, answer["errorNum"])
	require.False(t, did)
}
