package signing

import (
	"context"
	"errors"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/client/certificate"
	"stasis/internal/apierror"
)

// Keys returns the public keys of the cluster, and which of them this coordinator signs with.
func (s *Signer) Keys(ctx context.Context) (client.SigningKeys, error) {
	known, root, err := s.known(ctx)
	if err != nil {
		return client.SigningKeys{}, err
	}
	found := client.SigningKeys{Keys: []client.SigningKey{}}
	for _, k := range known {
		var stored keys.SigningKey
		if err := root.At(keys.HotBackupKey(k.ID())).Decode(&stored); err != nil {
			return found, err
		}
		found.Keys = append(found.Keys, client.SigningKey{ID: k.ID(), Public: k, Since: stored.Since})
	}
	if s.Key != nil {
		found.Signer = s.public().ID()
	}
	return found, nil
}

// Accept adds a public key to those of the cluster: backups that are signed with it are the
// cluster's, and a coordinator may have it as its key.
func (s *Signer) Accept(ctx context.Context, k certificate.PublicKey) error {
	for {
		known, root, err := s.known(ctx)
		if err != nil || slices.Contains(known, k) {
			return err
		}
		if root.At(keys.HotBackupKey(k.ID())).Exists() {
			return apierror.New(apierror.BadParameter, "another key has the id %s", k.ID())
		}
		if err := s.record(ctx, k, root); !errors.Is(err, agencyclient.ErrPrecondition) {
			return err
		}
	}
}

// Retire removes a public key from those of the cluster: what is signed with it counts as another
// cluster's. The last key stays, because a cluster without one adopts the next that it sees.
// [apierror.NotFound]: there is no such key.
func (s *Signer) Retire(ctx context.Context, id string) error {
	for {
		known, root, err := s.known(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(known, func(k certificate.PublicKey) bool { return k.ID() == id }) {
			return apierror.New(apierror.NotFound, "the cluster has no signing key %q", id)
		}
		if len(known) == 1 {
			return apierror.New(apierror.BackupConflict, "key %s is the only signing key of the cluster: have its successor accepted first", id)
		}
		err = s.change(ctx, map[string]any{keys.HotBackupKey(id): agencyclient.Delete()}, root)
		if !errors.Is(err, agencyclient.ErrPrecondition) {
			return err
		}
	}
}
