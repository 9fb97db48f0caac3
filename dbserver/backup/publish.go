package backup

import (
	"context"
	"encoding/json"
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Seal stores the certificate in the pending piece, durably. Sealing again replaces it.
func (a *Attempts) Seal(ctx context.Context, req dbclient.SealRequest) error {
	_, end, err := a.turns.begin(ctx, req.ID)
	if err != nil {
		return err
	}
	defer end()
	if err := a.owned(req.ID, req.Nonce); err != nil {
		return err
	}
	if !json.Valid(req.Certificate) {
		return apierror.New(apierror.BadParameter, "certificate of backup %s is no JSON", req.ID)
	}
	if _, err := a.pending(req.ID).Meta(); err != nil {
		return fmt.Errorf("seal piece %s before it is linked: %w", req.ID, err)
	}
	return a.pending(req.ID).WriteCertificate(req.Certificate)
}

// Publish makes a sealed pending piece a published one. The caller knows that its backup
// is committed. A second call does nothing.
func (a *Attempts) Publish(ctx context.Context, id, nonce string) error {
	turn, end, err := a.turns.begin(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	found, err := a.published(id).Exists()
	switch {
	case err != nil:
	case found:
		err = a.publishedBefore(id, nonce)
	default:
		err = a.publish(id, nonce)
	}
	if err == nil {
		turn.cut, turn.linked = nil, false
	}
	return err
}

// publishedBefore removes a pending piece whose published name is there too, as a crash
// may leave it.
func (a *Attempts) publishedBefore(id, nonce string) error {
	meta, err := a.published(id).Meta()
	if err != nil {
		return err
	}
	if meta.Nonce != nonce {
		return conflict(id, true)
	}
	return a.disk.Discard(a.pendingPath(id))
}

func (a *Attempts) publish(id, nonce string) error {
	if err := a.owned(id, nonce); err != nil {
		return err
	}
	if err := a.pending(id).IsComplete(); err != nil {
		return fmt.Errorf("publish piece %s before it is complete: %w", id, err)
	}
	if err := a.disk.Move(a.pendingPath(id), a.publishedPath(id)); err != nil {
		return fmt.Errorf("publish piece %s: %w", id, err)
	}
	return nil
}
