package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/backupname"
)

// Pending is a piece that waits to be published.
type Pending struct {
	ID    string
	Nonce string // "" if there is none, or none that makes sense
}

// Pending returns the pending pieces. It leaves out failsafes that a swap is making
// (FinishSwap finishes those), pieces that arrive from elsewhere, and a piece whose
// attempt cannot be read just now, because it may be committed.
func (a *Attempts) Pending() ([]Pending, error) {
	names, err := a.disk.List(a.backups())
	if err != nil {
		return nil, err
	}
	var found []Pending
	for _, name := range names {
		id, ok := strings.CutSuffix(name, piece.SuffixPending)
		if !ok || backupname.CheckID(id) != nil {
			continue
		}
		data, err := a.disk.ReadFile(a.disk.PathJoin(a.backups(), name, fileAttempt))
		if piece.IgnoreMissing(err) != nil {
			a.log.Warn("pending piece stays until its attempt can be read", "id", id, "error", err)
			continue
		}
		var f attemptFile
		if err == nil {
			err = json.Unmarshal(data, &f)
		}
		if err != nil {
			a.log.Warn("pending piece without an attempt", "id", id, "error", err)
		}
		if f.Kind != dbclient.PieceFailsafe && f.Kind != kindReceived {
			found = append(found, Pending{ID: id, Nonce: f.Nonce})
		}
	}
	return found, nil
}

// Resolve publishes, removes or keeps each pending piece. It calls decide for each.
// decide must answer from a linearizable read ([FateOf]) that begins when it is called: an
// earlier read may not know yet of the backup whose piece was found. An error of decide
// keeps the piece. The returned error joins everything that went wrong; an error of one
// piece does not keep Resolve from the others.
func (a *Attempts) Resolve(ctx context.Context, decide func(ctx context.Context, id, nonce string) (Fate, error)) error {
	pending, err := a.Pending()
	if err != nil {
		return err
	}
	var all error
	for _, p := range pending {
		fate, err := decide(ctx, p.ID, p.Nonce)
		if err == nil {
			err = a.meet(ctx, p, fate)
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("pending piece %s: %w", p.ID, err))
		}
	}
	return all
}

func (a *Attempts) meet(ctx context.Context, p Pending, fate Fate) error {
	switch fate {
	case Finish:
		a.log.Info("publishing pending piece", "id", p.ID)
		return a.Publish(ctx, p.ID, p.Nonce)
	case Remove:
		a.log.Info("removing pending piece", "id", p.ID)
		return a.Drop(ctx, p.ID, p.Nonce)
	}
	return nil
}
