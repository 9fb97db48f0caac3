package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"stasis/client"
	"stasis/internal/apierror"
)

// Peers asks other coordinators.
type Peers interface {
	// Epoch is the restore epoch that the coordinator at url has seen.
	Epoch(ctx context.Context, url string) (uint64, error)
}

// StatusPeers asks them over HTTP for their status ([client.PathStatus]).
type StatusPeers struct{ HTTP *http.Client }

var errNoEpoch = errors.New("its status has no epoch")

// Epoch implements Peers.
func (p StatusPeers) Epoch(ctx context.Context, url string) (uint64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+client.PathStatus, nil)
	if err != nil {
		return 0, err
	}
	response, err := p.HTTP.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // nothing was written to it
	if err := apierror.FromResponse(response); err != nil {
		return 0, err
	}
	var status struct {
		Epoch *uint64 `json:"epoch"`
	}
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		return 0, fmt.Errorf("read %s%s: %w", url, client.PathStatus, err)
	}
	if status.Epoch == nil {
		return 0, errNoEpoch
	}
	return *status.Epoch, nil
}
