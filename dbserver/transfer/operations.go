package transfer

import (
	"context"
	"errors"
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/repository"
	"stasis/internal/apierror"
)

// Remote lists, verifies, deletes or prunes at a remote, and answers when it is done.
func (m *Manager) Remote(ctx context.Context, r dbclient.RemoteRequest) (answer dbclient.RemoteResponse, err error) {
	if m.config.Remotes == nil {
		return answer, errNoRemotes
	}
	if err := m.config.Remotes.Check(r.Remote, r.Config); err != nil || r.Operation == dbclient.RemoteCheck {
		return answer, badRemote(err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.ctx, func() { cancel(errClosing) })()
	remote, err := m.open(ctx, r.Remote, r.Config)
	if err != nil {
		return answer, badRemote(err)
	}
	defer func() { err = errors.Join(err, remote.Close()) }()
	switch r.Operation {
	case dbclient.RemoteList:
		answer.Backups, err = remote.List(ctx, r.ID)
	case dbclient.RemoteVerify:
		var v repository.Verified
		v, err = remote.Verify(ctx, r.ID, r.Trust)
		answer.Backups, answer.Problems, answer.Note = v.Backups, v.Problems, v.Note
	case dbclient.RemotePrune:
		err = prune(ctx, remote, &answer)
	case dbclient.RemoteDelete:
		if answer.Removed, err = remote.Delete(ctx, r.ID); err != nil {
			break
		}
		if perr := prune(ctx, remote, &answer); perr != nil {
			answer.Note = fmt.Sprintf("content that only this backup needed is left for a later prune: %v", perr)
		}
	default:
		err = apierror.New(apierror.BadParameter, "unknown remote operation %q (want list, delete, prune, verify or check)", r.Operation)
	}
	return answer, badRemote(err)
}

func prune(ctx context.Context, r *repository.Repository, answer *dbclient.RemoteResponse) error {
	p, err := r.Prune(ctx)
	answer.Removed += p.Removed
	answer.Freed, answer.Kept = p.Freed, p.Kept
	return err
}
