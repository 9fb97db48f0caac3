// Package signing signs the certificates of backups with the key of the cluster, and keeps the
// public keys of the cluster in the agency.
//
// All coordinators of a cluster have the same key, from a file. The first one that starts records
// its public half. From then on the cluster signs its backups: a coordinator with another key, or
// without one, says so when it starts, and makes no backup. A second key is accepted on request
// only, so that a wrong file is noticed and not adopted.
package signing

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/signingkey"
	"stasis/internal/wait"
	"stasis/internal/wall"
)

// Agency is the part of the agency that keys need. Read is linearizable.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
	Read(ctx context.Context, paths ...string) (*agencyclient.Node, error)
}

// Cache is the watch cache.
type Cache interface {
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Signer signs for one coordinator. Any goroutine may use it.
type Signer struct {
	Agency      Agency
	Cache       Cache
	Key         *signingkey.Key // nil: this coordinator has none
	Coordinator string          // server id
	Call        time.Duration   // bounds one call to the agency
	Wall        wall.Clock
	Log         hclog.Logger
}

// Sign returns the certificate as it is stored: signed, if this coordinator has a key.
func (s *Signer) Sign(c *certificate.Certificate) (json.RawMessage, error) {
	if s.Key == nil || failpoint.Off("create-signs") {
		return c.Encode()
	}
	return c.Sign(s.Key)
}

// Ready returns an error if this coordinator may not make a backup of a cluster with these keys:
// a backup that the cluster's keys do not show to be its own would be refused when it is needed. If
// the cluster has no key, Ready records that of this coordinator.
func (s *Signer) Ready(ctx context.Context, known []certificate.PublicKey) error {
	if len(known) == 0 && s.Key != nil {
		return s.enroll(ctx)
	}
	return s.agrees(known)
}

// agrees compares this coordinator's key with those of the cluster.
func (s *Signer) agrees(known []certificate.PublicKey) error {
	switch {
	case s.Key == nil && len(known) == 0, failpoint.Off("create-requires-key"):
		return nil
	case s.Key == nil:
		return apierror.New(apierror.BackupCreate, "the backups of this cluster are signed with key %s, and coordinator %s has no key: start it with --backup.signing-key and the file that the other coordinators have, or ask one of them; if the file is lost, make a new one (stasis key new) and have it accepted (stasis key accept)", named(known), s.Coordinator)
	case !slices.Contains(known, s.public()):
		return apierror.New(apierror.BackupCreate, "coordinator %s has the signing key %s, and the backups of this cluster are signed with key %s: start it with the file that the other coordinators have, or, if the key shall change, have the new one accepted first (stasis key accept)", s.Coordinator, s.public().ID(), named(known))
	}
	return nil
}

func named(all []certificate.PublicKey) string {
	ids := make([]string, len(all))
	for i, k := range all {
		ids[i] = k.ID()
	}
	return strings.Join(ids, " or ")
}

func (s *Signer) public() certificate.PublicKey {
	return certificate.PublicKey(s.Key.Public().(ed25519.PublicKey))
}

// enrollPause is the time between two attempts to compare keys with an agency that does not answer.
const enrollPause = time.Second

// Enroll records this coordinator's key if the cluster has none, and logs whether both agree. It
// returns when it knows, or when ctx ends. A coordinator without a key waits for the cluster to have
// one.
func (s *Signer) Enroll(ctx context.Context) {
	if s.Key == nil {
		s.Log.Info("this coordinator has no signing key")
		_, err := s.Cache.Wait(ctx, func(now agencyclient.Snapshot) bool { return now.Root.At(keys.HotBackupKeys).Len() > 0 })
		if err != nil { // ctx has ended
			return
		}
	}
	for {
		err := s.enroll(ctx)
		var answer *apierror.Error
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &answer) && answer.Num == apierror.BackupCreate:
			s.Log.Error("this coordinator makes no backups", "because", err)
			return
		case err == nil && s.Key == nil: // the key was taken back
			return
		case err == nil:
			s.Log.Info("backups are signed", "key", s.public().ID())
			return
		}
		s.Log.Debug("cannot compare the signing key with those of the cluster", "error", err)
		if wait.For(ctx, enrollPause) != nil {
			return
		}
	}
}

// enroll records the key if the cluster has none. Two coordinators that do so at once agree, or one
// of them finds the key of the other.
func (s *Signer) enroll(ctx context.Context) error {
	for {
		known, root, err := s.known(ctx)
		if err != nil {
			return err
		}
		if len(known) > 0 || s.Key == nil {
			return s.agrees(known)
		}
		if err := s.record(ctx, s.public(), root); !errors.Is(err, agencyclient.ErrPrecondition) {
			return err
		}
	}
}

// known reads the keys of the cluster.
func (s *Signer) known(ctx context.Context) ([]certificate.PublicKey, *agencyclient.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Call)
	defer cancel()
	root, err := s.Agency.Read(ctx, keys.HotBackupKeys)
	if err != nil {
		return nil, nil, operation.AgencyError(fmt.Errorf("read the signing keys of the cluster: %w", err))
	}
	known, err := topology.SigningKeys(root)
	return known, root, err
}

// record writes a key beside those that were read.
func (s *Signer) record(ctx context.Context, k certificate.PublicKey, read *agencyclient.Node) error {
	return s.change(ctx, map[string]any{
		keys.HotBackupKey(k.ID()): agencyclient.Set(keys.SigningKey{Public: k.String(), Since: s.Wall.Stamp(), Coordinator: s.Coordinator}),
	}, read)
}

// change applies a change if the keys are those that were read.
func (s *Signer) change(ctx context.Context, ops map[string]any, read *agencyclient.Node) error {
	ctx, cancel := context.WithTimeout(ctx, s.Call)
	defer cancel()
	_, err := s.Agency.Write(ctx, agencyclient.Tx{Ops: ops, Pre: map[string]any{keys.HotBackupKeys: agencyclient.Exactly(read.At(keys.HotBackupKeys))}})
	if err != nil && !errors.Is(err, agencyclient.ErrPrecondition) {
		return operation.AgencyError(fmt.Errorf("change the signing keys of the cluster: %w", err))
	}
	return err
}
