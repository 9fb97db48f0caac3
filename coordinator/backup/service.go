package backup

import (
	"context"
	"sync"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/coordinator/backup/create"
	"stasis/coordinator/backup/list"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/remove"
	"stasis/coordinator/backup/restore"
	"stasis/coordinator/backup/signing"
	"stasis/coordinator/backup/topology"
	"stasis/coordinator/backup/transfer"
	"stasis/coordinator/backup/verify"
	"stasis/internal/network"
)

// Service runs the commands on backups. It keeps no state about operations: any number of
// services may run any number of them, and the agency lock decides which may go on. Any
// goroutine may call its methods.
type Service struct {
	life      *operation.Life
	creator   *create.Creator
	restorer  *restore.Restorer
	recovery  *restore.Recovery
	remover   *remove.Remover
	lister    *list.Lister
	verifier  *verify.Verifier
	signer    *signing.Signer
	transfers *transfer.Service
	locks     *lock.Inspector
}

// New makes a service. Run does its work in the background.
func New(d Options) *Service {
	d = d.withDefaults()
	t := d.Timeouts
	life := operation.NewLife()
	locks := &lock.Locker{Agency: d.Agency, Cache: d.Cache, Coordinator: d.ID, RebootID: d.RebootID, Lease: t.Lease, Call: t.Agency, Wall: d.Wall}
	clusters := &topology.Reader{Agency: d.Agency, Cache: d.Cache, Call: t.Agency, Log: d.Logger}
	signer := &signing.Signer{Agency: d.Agency, Cache: d.Cache, Key: d.SigningKey, Coordinator: d.ID, Call: t.Agency, Wall: d.Wall, Log: d.Logger}
	return &Service{
		life: life, signer: signer, locks: &lock.Inspector{Locker: locks, Transient: d.Agency, Steps: d.Steps, Log: d.Logger},
		creator: &create.Creator{
			Life: life, Locks: locks, Clusters: clusters, Servers: d.Servers, Signer: signer, Coordinator: d.ID, Steps: d.Steps, Log: d.Logger, Tally: &create.Tally{},
			Timeouts: create.Timeouts{Answer: t.Answer, Stall: t.Stall, Cut: t.Cut, Pause: t.Pause, Undo: t.Undo},
		},
		restorer: &restore.Restorer{
			Life: life, Locks: locks, Clusters: clusters, Cache: d.Cache, Servers: d.Servers, Peers: d.Peers,
			Coordinator: d.ID, Version: d.Version, Steps: d.Steps, Log: d.Logger,
			Timeouts: restore.Timeouts{
				Call: t.Agency, Answer: t.Answer, Stall: t.Stall, Undo: t.Undo,
				Converge: t.Converge, Succession: t.Succession, Peers: t.Peers,
			},
		},
		recovery: &restore.Recovery{Agency: d.Agency, Locks: locks, Cache: d.Cache, Coordinator: d.ID, Call: t.Agency, Log: d.Logger},
		remover: &remove.Remover{
			Life: life, Agency: d.Agency, Clusters: clusters, Servers: d.Servers, Coordinator: d.ID,
			Call: t.Agency, Answer: t.Answer, Removal: t.Stall, Steps: d.Steps, Log: d.Logger, Wall: d.Wall,
		},
		lister:   &list.Lister{Life: life, Clusters: clusters, Servers: d.Servers, Answer: t.List, Log: d.Logger},
		verifier: &verify.Verifier{Life: life, Clusters: clusters, Servers: d.Servers, Steps: d.Steps, Stall: t.Stall},
		transfers: &transfer.Service{
			Life: life, Agency: d.Agency, Cache: d.Cache, Clusters: clusters, Lister: d.Servers, Movers: d.Movers,
			Coordinator: d.ID, RebootID: d.RebootID, Steps: d.Steps, Log: d.Logger, Wall: d.Wall,
			Timeouts: transfer.Timeouts{Call: t.Agency, Answer: t.Answer, Stall: t.Stall, Remote: t.Remote, Gone: t.Gone},
		},
	}
}

// Run completes restores whose coordinator has died, deletes failsafe backups that a newer one
// has replaced, and ends transfers that no server can finish, until ctx ends. Then it ends the
// service: it cancels the running commands, which undo what is not committed, waits for them,
// and refuses later ones.
func (s *Service) Run(ctx context.Context) error {
	var background sync.WaitGroup
	background.Go(func() { s.recovery.Run(ctx) })
	background.Go(func() { s.signer.Enroll(ctx) })
	if s.transfers.Movers != nil {
		background.Go(func() { s.transfers.Sweep(ctx) })
	}
	background.Wait()
	s.life.End()
	return context.Cause(ctx)
}

// Metrics are what the service counts.
func (s *Service) Metrics() []network.Metric { return s.creator.Tally.Metrics() }

// Create makes a backup; see [create.Creator.Create].
func (s *Service) Create(ctx context.Context, r CreateRequest) (CreateResult, error) {
	return s.creator.Create(ctx, r)
}

// Restore brings the cluster back to a backup; see [restore.Restorer.Restore].
func (s *Service) Restore(ctx context.Context, r RestoreRequest) (RestoreResult, error) {
	return s.restorer.Restore(ctx, r)
}

// Delete deletes a backup; see [remove.Remover.Delete].
func (s *Service) Delete(ctx context.Context, id string) (DeleteResult, error) {
	return s.remover.Delete(ctx, id)
}

// List returns which backups exist; see [list.Lister.List].
func (s *Service) List(ctx context.Context, r ListRequest) (ListResult, error) {
	return s.lister.List(ctx, r)
}

// show returns what is known of a backup without reading its data; see [list.Lister.Show].
func (s *Service) show(ctx context.Context, id string) (list.Shown, error) {
	return s.lister.Show(ctx, id)
}

// agencyLock returns the agency lock; see [lock.Inspector.Lock].
func (s *Service) agencyLock(ctx context.Context) (client.AgencyLock, error) {
	return s.locks.Lock(ctx)
}

// breakLock removes the agency lock; see [lock.Inspector.Break].
func (s *Service) breakLock(ctx context.Context, value, nonce string) error {
	return s.locks.Break(ctx, value, nonce)
}

// Verify checks a whole backup; see [verify.Verifier.Verify].
func (s *Service) Verify(ctx context.Context, id string, keys ...certificate.PublicKey) (VerifyResult, error) {
	return s.verifier.Verify(ctx, id, keys...)
}
