package survey

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// nodeTimeout is how long another server may take to answer for itself.
const nodeTimeout = 10 * time.Second

// Node answers with what another server says at a path; the parameter names it.
func (s *Survey) Node(parameter, path string) rest.Handler {
	return func(c *rest.Call) error {
		id := c.Query.Get(parameter)
		if id == "" {
			return apierror.New(apierror.BadParameter, "the parameter %s is missing", parameter)
		}
		snap := s.Catalog.Cached()
		url, ok := snap.URL(id)
		if !ok {
			return apierror.New(apierror.BadParameter, "unknown server %q", id)
		}
		answer, err := s.fetch(c.R.Context(), url+path)
		if err != nil {
			return apierror.New(http.StatusGatewayTimeout, "server %s does not answer: %w", id, err).WithStatus(http.StatusRequestTimeout)
		}
		return c.OK(http.StatusOK, answer)
	}
}

func (s *Survey) fetch(ctx context.Context, url string) (rest.Fields, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.HTTP.Do(req)
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
