package transfer

import (
	"context"
	"errors"

	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// RemoteRequest asks for an operation at a remote.
type RemoteRequest struct {
	Operation  string // dbclient.RemoteList …
	ID         string
	Repository string // <name>:<path>
	Config     dbclient.RemoteConfig
	Keys       []certificate.PublicKey // of a verify, if there are any: refuse what none of them has signed
}

// Remote has the first DB server that answers carry out a request at a remote. It takes as long as
// the remote does, at most Timeouts.Remote.
func (s *Service) Remote(ctx context.Context, r RemoteRequest) (dbclient.RemoteResponse, error) {
	if s.Movers == nil {
		return dbclient.RemoteResponse{}, errNoTransfers
	}
	remote, err := dbclient.ParseRemote(r.Repository, r.Config)
	if err != nil {
		return dbclient.RemoteResponse{}, err
	}
	ctx, leave, err := s.Life.Enter(ctx)
	if err != nil {
		return dbclient.RemoteResponse{}, err
	}
	defer leave()
	c, _, err := s.Clusters.Latest(ctx)
	if err != nil {
		return dbclient.RemoteResponse{}, err
	}
	answer, err := s.askRemote(ctx, c.Members, dbclient.RemoteRequest{Operation: r.Operation, ID: r.ID, Remote: remote, Config: r.Config, Trust: c.Trust(r.Keys)})
	if r.Operation == dbclient.RemoteVerify && len(r.Keys) > 0 && err == nil && len(answer.Problems) == 0 {
		answer.Problems = notJudged(answer.Backups)
	}
	return answer, err
}

// notJudged names the backups of which a DB server says nothing about the signature, because it is of
// a version that knows none: that is no proof.
func notJudged(all []dbclient.RemoteBackup) (problems []string) {
	for _, b := range all {
		if b.Signature == nil {
			problems = append(problems, b.ID+": the DB server that was asked is of a version that checks no signatures")
		}
	}
	return problems
}

// checkRemote asks a DB server whether it would open a remote, so that Start records no job for a
// configuration that is refused. Only DB servers have rclone, and their operator decides what may
// be configured. If no server answers, checkRemote accepts the remote: each server checks again
// before it opens it.
func (s *Service) checkRemote(ctx context.Context, members []fanout.Member, remote dbclient.Remote, config dbclient.RemoteConfig) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeouts.Answer)
	defer cancel()
	_, err := s.askRemote(ctx, members, dbclient.RemoteRequest{Operation: dbclient.RemoteCheck, Remote: remote, Config: config})
	if err == nil || away(err) || ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Service) askRemote(ctx context.Context, members []fanout.Member, r dbclient.RemoteRequest) (answer dbclient.RemoteResponse, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeouts.Remote)
	defer cancel()
	for _, m := range members {
		answer, err = s.Movers.Remote(ctx, m.Target, r)
		if err == nil || !away(err) {
			break
		}
	}
	return answer, err
}

// away says whether an error means that a DB server does not serve now, but may later.
func away(err error) bool {
	return fanout.Unreachable(err) || errors.Is(err, apierror.StartingUp) || errors.Is(err, apierror.ShuttingDown) || errors.Is(err, apierror.ServiceUnavailable)
}
