package piece

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Lister asks one DB server for its pieces; *dbserver/client.Client is one. It does not repeat the
// request.
type Lister interface {
	List(ctx context.Context, t dbclient.Target, r dbclient.ListRequest) (dbclient.ListResponse, error)
}

// Lists are the answers of all DB servers.
type Lists = []fanout.Answer[dbclient.ListResponse]

// List has a server list its pieces. It fails if another server answers at the address.
func List(ctx context.Context, servers Lister, m fanout.Member, r dbclient.ListRequest) (dbclient.ListResponse, error) {
	l, err := servers.List(ctx, m.Target, r)
	if err == nil && l.Server != m.ID {
		return dbclient.ListResponse{}, &displaced{m, l.Server}
	}
	return l, err
}

// displaced is the error of a server at whose address another server answers: it has lost its
// directory, or was started elsewhere and has not registered yet.
type displaced struct {
	fanout.Member
	by string // id
}

func (e *displaced) Error() string {
	return fmt.Sprintf("DB server %s is not at %s any more, %s is there: start it with its own data directory, or if that is lost remove it with stasis cluster remove %s",
		e.Name, e.Address(), e.by, e.ID)
}

func (e *displaced) MemberID() string { return e.ID }

// Unwrap makes it match the error of a server that cannot be reached.
func (e *displaced) Unwrap() error { return apierror.ConnectionLost }

// Hide removes the pieces of deleted backups from what the servers have listed.
func Hide(c *topology.Cluster, lists Lists) {
	for i := range lists {
		lists[i].Value.Pieces = slices.DeleteFunc(lists[i].Value.Pieces, func(p dbclient.PieceDetail) bool {
			return slices.Contains(c.Tombstones[p.ID], lists[i].ID)
		})
	}
}

// Absent says whether an error means that a server does not have the piece, or that the id is not
// one of a backup.
func Absent(err error) bool {
	return errors.Is(err, apierror.FileNotFound) || errors.Is(err, apierror.NotFound) || errors.Is(err, apierror.BadParameter)
}
