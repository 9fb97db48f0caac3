package status

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// nodeTimeout bounds a question to another server.
const nodeTimeout = 10 * time.Second

// node answers with what another server answers at a path. The parameter has its id.
func (a *API) node(parameter, path string) rest.Handler {
	return func(c *rest.Call) error {
		id := c.Query.Get(parameter)
		if id == "" {
			return apierror.New(apierror.BadParameter, "the parameter %s is missing", parameter)
		}
		snap := a.Catalog.Cached()
		url, ok := snap.URL(id)
		if !ok {
			return apierror.New(apierror.BadParameter, "unknown server %q", id)
		}
		answer, err := a.fetch(c.R.Context(), url+path)
		if err != nil {
			return apierror.New(http.StatusGatewayTimeout, "server %s does not answer: %w", id, err).WithStatus(http.StatusRequestTimeout)
		}
		return c.OK(http.StatusOK, answer)
	}
}

func (a *API) fetch(ctx context.Context, url string) (rest.Fields, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := apierror.FromResponse(resp); err != nil {
		return nil, err
	}
	answer := rest.Fields{}
	return answer, json.NewDecoder(resp.Body).Decode(&answer)
}
