package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/client"
	"stasis/internal/apierror"
)

// Peers asks other coordinators.
type Peers interface {
	// Epoch is the restore epoch that the coordinator at url has seen.
	Epoch(ctx context.Context, url string) (uint64, error)
}

// StatusPeers asks over HTTP, at coordinator/client.PathStatus.
type StatusPeers struct{ HTTP *http.Client }

var errNoEpoch = errors.New("no epoch in its status")

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

// awaitPeers waits until the other coordinators have seen the epoch, so that a
// client that goes on with another one sees the restored state. One that does not
// answer is not waited for: it will see the epoch before it answers data requests.
func (s *Service) awaitPeers(ctx context.Context, root *agency.Node, epoch uint64) {
	if s.Peers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timing.Others)
	defer cancel()
	var group sync.WaitGroup
	for id := range root.At(keys.PlanCoordinators).Children() {
		url, err := serverURL(root, id)
		if id == s.ID || err != nil {
			continue
		}
		group.Go(func() {
			if err := s.awaitPeer(ctx, url, epoch); err != nil {
				s.Logger.Info("not waiting for coordinator", "id", id, "error", err)
			}
		})
	}
	group.Wait()
}

func (s *Service) awaitPeer(ctx context.Context, url string, epoch uint64) error {
	for {
		seen, err := s.Peers.Epoch(ctx, url)
		if err != nil || seen >= epoch {
			return err
		}
		if err := pause(ctx, undoPause); err != nil {
			return err
		}
	}
}
