package transactions_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/api/transactions"
	"stasis/coordinator/catalog"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

const (
	me    = "CRDN-1"
	owner = "CRDN-2"
	id    = "562949953421313" // of the coordinator whose number is 2
)

// cache is the agency's tree: two coordinators, of which the other one may have FAILED.
type cache struct {
	mu      sync.Mutex
	latest  agencyclient.Snapshot
	changed chan struct{}
}

func (c *cache) become(t *testing.T, url, health string) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"arango": map[string]any{
		"Plan":        map[string]any{"Coordinators": map[string]string{me: "none", owner: "none"}},
		"Current":     map[string]any{"ServersRegistered": map[string]any{owner: keys.Registered{Endpoint: strings.Replace(url, "http", "tcp", 1)}}},
		"Target":      map[string]any{"MapUniqueToShortID": map[string]any{me: keys.ShortID{TransactionID: 1}, owner: keys.ShortID{TransactionID: 2}}},
		"Supervision": map[string]any{"Health": map[string]any{owner: keys.HealthEntry{Status: health}}},
	}})
	require.NoError(t, err)
	root, err := fsm.Parse(raw)
	require.NoError(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = agencyclient.Snapshot{Index: c.latest.Index + 1, Root: root}
	if c.changed != nil {
		close(c.changed)
	}
	c.changed = make(chan struct{})
}

func (c *cache) Snapshot() agencyclient.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

func (c *cache) Sync(context.Context) (agencyclient.Snapshot, error) { return c.Snapshot(), nil }

func (c *cache) Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	for {
		c.mu.Lock()
		s, changed := c.latest, c.changed
		c.mu.Unlock()
		if ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// coordinator is one that passes requests on to the other, which a test is.
func coordinator(t *testing.T, other http.HandlerFunc) (*cache, http.Handler, string) {
	t.Helper()
	server := httptest.NewServer(other)
	t.Cleanup(server.Close)
	c := &cache{}
	c.become(t, server.URL, "GOOD")
	known := catalog.New(catalog.Options{AgencyTimeout: time.Second, Cache: c, Logger: hclog.NewNullLogger()})
	t.Cleanup(known.Close)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	api := &transactions.API{ID: me, Catalog: known, HTTP: client}
	unjoined := func(*rest.Call) error { panic("it is done here") }
	routes := append(api.Routes(), rest.Route{Method: "POST", Pattern: "/_api/document/{collection}", Handler: unjoined, Transaction: rest.Joins})
	return c, rest.NewMux(rest.Options{BodyBytes: 1 << 20, Join: api.Join, Logger: hclog.NewNullLogger()}, routes...), server.URL
}

func answered(mux http.Handler, method, path string, header http.Header) *apierror.Error {
	r := httptest.NewRequest(method, path, strings.NewReader("{}"))
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if err := apierror.FromResponse(w.Result()); err != nil {
		return apierror.From(err)
	}
	return nil
}

// A request that the other coordinator does not answer ends when that has FAILED. What became of the transaction is then unknown.
func TestOwnerStops(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	c, mux, url := coordinator(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // then the server notices that its client has gone
		close(arrived)
		<-r.Context().Done()
		close(gone)
	})
	done := make(chan *apierror.Error, 1)
	go func() { done <- answered(mux, "PUT", "/_api/transaction/"+id, nil) }()
	<-arrived
	c.become(t, url, keys.StatusFailed)
	select {
	case err := <-done:
		require.Equal(t, apierror.ConnectionLost, err.Num)
		require.Equal(t, apierror.OutcomeUnknown, err.Extra[apierror.Outcome])
		require.ErrorContains(t, err, "FAILED")
	case <-time.After(20 * time.Second):
		require.Fail(t, "the request waits for a coordinator that has FAILED")
	}
	<-gone

	for _, method := range []string{"GET", "PUT", "DELETE"} {
		err := answered(mux, method, "/_api/transaction/"+id, nil)
		require.Equal(t, apierror.TransactionNotFound, err.Num, "it may be committed, so it is not said to be aborted")
		require.Equal(t, apierror.OutcomeUnknown, err.Extra[apierror.Outcome])
	}
	require.Equal(t, apierror.TransactionAborted, answered(mux, "POST", "/_api/document/c", http.Header{rest.TransactionHeader: {id}}).Num)
}

// A request is passed on with the transaction that it is part of, whatever the client says of its headers.
func TestHeadersArePassedOn(t *testing.T) {
	got := make(chan http.Header, 1)
	_, mux, _ := coordinator(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	require.Nil(t, answered(mux, "POST", "/_api/document/c", http.Header{
		rest.TransactionHeader: {id}, "Connection": {"X-Arango-Trx-Id, X-Stasis-Forwarded-By"}, "Authorization": {"Basic x"},
	}))
	header := <-got
	require.Equal(t, id, header.Get(rest.TransactionHeader), "it would be done outside of the transaction")
	require.Equal(t, me, header.Get("X-Stasis-Forwarded-By"))
	require.Equal(t, "Basic x", header.Get("Authorization"))
}
