package list

import (
	"context"

	"stasis/client"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Shown is the answer to a show.
type Shown = client.ShowResult

// Show returns what the pieces and the record of one backup say, with its certificate. It compares
// them, and reads no data.
//
// [apierror.NotFound]: there is no such backup. [apierror.BackupServersMissing]: no DB server answers.
// [apierror.ServiceUnavailable]: those that answer know nothing of it, and others do not answer.
func (l *Lister) Show(ctx context.Context, id string) (Shown, error) {
	ctx, leave, err := l.Life.Enter(ctx)
	if err != nil {
		return Shown{}, err
	}
	defer leave()
	c, known, lists, err := l.pieces(ctx, dbclient.ListRequest{IDs: []string{id}, WithDetails: true})
	if err != nil {
		return Shown{}, err
	}
	result := Shown{Problems: []string{}, ShortNames: c.Names}
	for _, a := range lists {
		if a.Err != nil {
			result.Unreachable = append(result.Unreachable, a.ID)
		}
	}
	if len(result.Unreachable) == len(lists) {
		return Shown{}, apierror.New(apierror.BackupServersMissing, "no DB server answers: %w", fanout.FirstError(lists))
	}
	if !known {
		c.Commits = nil
	}
	set := piece.Collect(lists, id)
	record, recorded := c.Commits[id]
	if len(set.Pieces) == 0 && !recorded {
		if err := fanout.FirstError(lists); err != nil {
			return Shown{}, fanout.Unavailable("it is unknown whether there is a backup "+id, err)
		}
		if !known {
			return Shown{}, apierror.New(apierror.ServiceUnavailable, "it is unknown whether there is a backup %s: the agency does not answer", id)
		}
		return Shown{}, apierror.New(apierror.NotFound, "there is no backup %s", id)
	}
	result.Backup = entryOf(id, set, c.Expected(id), len(c.Members))
	cert, problems := set.Certify(record.CertificateSHA256)
	result.Certificate, result.Problems = cert, append(result.Problems, problems...)
	return result, nil
}
