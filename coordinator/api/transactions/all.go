package transactions

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// Bounds of the questions to the other coordinators.
const (
	peerTimeout = 10 * time.Second
	peerBytes   = 64 << 20
)

// listed is an entry of a list.
type listed struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// list answers with the transactions of the database that have not ended, at all coordinators.
func (a *API) list(c *rest.Call) error {
	all := []listed{}
	for _, s := range a.Transactions.Open(c.DB) {
		all = append(all, listed{s.ID.String(), s.State})
	}
	var mu sync.Mutex
	err := a.others(c, func(raw json.RawMessage) error {
		var answer struct{ Transactions []listed }
		if err := json.Unmarshal(raw, &answer); err != nil {
			return fmt.Errorf("its list: %w", err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, answer.Transactions...)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b listed) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	return c.OK(http.StatusOK, rest.Fields{"transactions": all})
}

// abortWrites aborts all transactions that may write, of all databases and coordinators.
func (a *API) abortWrites(c *rest.Call) error {
	a.Transactions.AbortWrites(c.R.Context(), "a client has asked to abort all transactions that may write")
	if err := a.others(c, func(json.RawMessage) error { return nil }); err != nil {
		return err
	}
	return c.Result(http.StatusOK, true)
}

// others asks the same of all other coordinators that have not failed. If one does not answer, the answer would be less than was
// asked for.
func (a *API) others(c *rest.Call, each func(json.RawMessage) error) error {
	if c.R.Header.Get(forwardedBy) != "" {
		return nil
	}
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.R.Context(), peerTimeout)
	defer cancel()
	coordinators := snap.Coordinators()
	errs := make([]error, len(coordinators))
	var all sync.WaitGroup
	for i, id := range coordinators {
		if id == a.ID || snap.Failed(id) {
			continue
		}
		all.Go(func() {
			raw, err := a.ask(ctx, c, snap, id)
			if err == nil {
				err = each(raw)
			}
			if err != nil {
				errs[i] = apierror.New(apierror.BackendUnavailable, "coordinator %s has not answered for its transactions: try again: %w", id, err).WithStatus(http.StatusServiceUnavailable)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ask makes the client's request at another coordinator, with the client's credentials.
func (a *API) ask(ctx context.Context, c *rest.Call, snap *catalog.Snapshot, id string) (json.RawMessage, error) {
	target, err := urlOf(snap, id)
	if err != nil {
		return nil, err
	}
	path := "/_db/" + url.PathEscape(c.DB) + "/_api/transaction"
	if c.R.Method == http.MethodDelete {
		path += "/write"
	}
	req, err := http.NewRequestWithContext(ctx, c.R.Method, target.String()+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set(forwardedBy, a.ID)
	if credentials := c.R.Header.Get("Authorization"); credentials != "" {
		req.Header.Set("Authorization", credentials)
	}
	resp, err := a.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := apierror.FromResponse(resp); err != nil {
		return nil, err
	}
	var raw json.RawMessage
	return raw, json.NewDecoder(http.MaxBytesReader(nil, resp.Body, peerBytes)).Decode(&raw)
}
