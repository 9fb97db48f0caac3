package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	dbclient "stasis/dbserver/client"
	"stasis/internal/backupname"
	"stasis/internal/failpoint"
)

// Fate is what becomes of something that waits for the agency's decision.
type Fate int

// Fates.
const (
	Keep   Fate = iota // undecided: its nonce still holds the agency lock
	Finish             // committed: publish the piece, swap the engine
	Remove             // neither: nobody will finish it
)

// FateOf is the rule: committed with the same nonce, still holding the lock, or
// given up. Both nonces come from one linearizable read; "" is none.
func FateOf(nonce, committed, holder string) Fate {
	switch {
	case nonce == "":
		return Remove
	case nonce == committed:
		return Finish
	case nonce == holder && !failpoint.Off("holder-keeps"):
		return Keep
	}
	return Remove
}

// Pending is a piece that waits to be published.
type Pending struct {
	ID    string
	Nonce string // "" if there is none, or none that makes sense
}

// Pending gives the pending pieces. Failsafes that a swap is making are not among
// them (FinishSwap finishes those), nor pieces that arrive from elsewhere, nor is a
// piece whose attempt cannot be read just now: it may be committed.
func (s *Store) Pending() ([]Pending, error) {
	names, err := s.fs.List(s.backups())
	if err != nil {
		return nil, err
	}
	var found []Pending
	for _, name := range names {
		id, ok := strings.CutSuffix(name, suffixPending)
		if !ok || backupname.CheckID(id) != nil {
			continue
		}
		data, err := s.fs.readFile(s.fs.PathJoin(s.backups(), name, fileAttempt))
		if ignoreMissing(err) != nil {
			s.log.Warn("pending piece stays until its attempt can be read", "id", id, "error", err)
			continue
		}
		var f attemptFile
		if err == nil {
			err = json.Unmarshal(data, &f)
		}
		if err != nil {
			s.log.Warn("pending piece without an attempt", "id", id, "error", err)
		}
		if f.Kind != dbclient.PieceFailsafe && f.Kind != kindReceived {
			found = append(found, Pending{ID: id, Nonce: f.Nonce})
		}
	}
	return found, nil
}

// Resolve settles the pending pieces: decide is asked for each and must answer
// from a linearizable read (FateOf) that begins when it is asked. An earlier read
// may not know yet of the backup whose piece was found. An error of decide keeps the piece. The error
// joins everything that went wrong; the other pieces are settled all the same.
func (s *Store) Resolve(ctx context.Context, decide func(ctx context.Context, id, nonce string) (Fate, error)) error {
	pending, err := s.Pending()
	if err != nil {
		return err
	}
	var all error
	for _, p := range pending {
		fate, err := decide(ctx, p.ID, p.Nonce)
		if err == nil {
			err = s.settle(p, fate)
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("pending piece %s: %w", p.ID, err))
		}
	}
	return all
}

func (s *Store) settle(p Pending, fate Fate) error {
	switch fate {
	case Finish:
		s.log.Info("publishing pending piece", "id", p.ID)
		return s.Publish(p.ID, p.Nonce)
	case Remove:
		s.log.Info("removing pending piece", "id", p.ID)
		return s.Drop(p.ID, p.Nonce)
	}
	return nil
}
