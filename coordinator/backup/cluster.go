package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// member is one DB server that takes part.
type member struct {
	id     string
	name   string // for people: short name and id
	target dbserver.Target
}

// cluster is what the agency said at one moment.
type cluster struct {
	index    uint64 // Plan is that of this index (and of every later one while it is frozen)
	term     uint64
	uuid     string
	epoch    uint64
	latestID uint64
	plan     *agency.Node
	members  []member               // Plan/DBServers, sorted
	commits  map[string]keys.Commit // committed backups
	arriving map[string]bool        // backups that are being downloaded
	names    map[string]string      // short names of the DB servers in Plan
	doomed   map[string][]string    // backup id → servers whose piece of it has to go, sorted
	deletes  *agency.Node           // changes with every deletion
	restored keys.Restore           // the last one committed; zero: none

	epochStored bool // false before the cluster's first restore, where the key is not bootstrapped
}

// clusterPaths are the keys that readCluster reads, in one cross-section.
var clusterPaths = []string{
	keys.Plan, keys.LatestID, keys.RestoreEpoch, keys.Cluster,
	keys.CurrentServersRegistered, keys.HotBackup, keys.ShortIDs,
}

// readCluster reads the agency linearizably: it sees the lock that was written at
// lockIndex, so Plan cannot change any more.
func (op *operation) readCluster(ctx context.Context, lockIndex uint64) (*cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, op.Timing.Agency)
	defer cancel()
	root, err := op.Agency.Read(ctx, clusterPaths...)
	if err != nil {
		return nil, agencyError(fmt.Errorf("read Plan: %w", err))
	}
	if got := root.At(keys.HotBackupNonce).Text(); got != op.nonce {
		return nil, errLockLost
	}
	config, err := op.Agency.Config(ctx)
	if err != nil {
		return nil, agencyError(fmt.Errorf("read the agency's term: %w", err))
	}
	c, err := parseCluster(root)
	if err != nil {
		return nil, err
	}
	c.index, c.term = lockIndex, config.Term
	return c, nil
}

// parseCluster takes what is needed from a tree that has clusterPaths.
func parseCluster(root *agency.Node) (*cluster, error) {
	c := &cluster{
		plan:    root.At(keys.Plan),
		uuid:    root.At(keys.Cluster).Text(),
		epoch:   number(root.At(keys.RestoreEpoch)),
		commits: map[string]keys.Commit{}, arriving: map[string]bool{}, names: map[string]string{},
		doomed: doomedIn(root), deletes: root.At(keys.HotBackupDeletes),
	}
	if last := root.At(keys.HotBackupRestore); last.Exists() {
		if err := last.Decode(&c.restored); err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.HotBackupRestore, err)
		}
	}
	c.latestID = number(root.At(keys.LatestID))
	c.epochStored = root.At(keys.RestoreEpoch).Exists()
	for id, n := range root.At(keys.HotBackupCommits).Children() {
		var commit keys.Commit
		if err := n.Decode(&commit); err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.HotBackupCommit(id), err)
		}
		c.commits[id] = commit
	}
	for _, job := range jobsIn(root) {
		if job.Kind == keys.TransferDownload && !job.Finished() {
			c.arriving[job.BackupID] = true
		}
	}
	for id := range root.At(keys.PlanDBServers).Children() {
		url, err := serverURL(root, id)
		if err != nil {
			return nil, err
		}
		if c.names[id] = shortName(root, id); c.names[id] == "" {
			delete(c.names, id)
		}
		c.members = append(c.members, member{id, nameOf(root, id), dbserver.Target{URL: url, Epoch: c.epoch}})
	}
	if len(c.members) == 0 {
		return nil, errors.New("there are no DB servers in Plan")
	}
	return c, nil
}

// doomedIn says which pieces belong to deleted backups.
func doomedIn(root *agency.Node) map[string][]string {
	doomed := map[string][]string{}
	for server, backups := range root.At(keys.HotBackupDeleted).Children() {
		for id := range backups.Children() {
			doomed[id] = append(doomed[id], server)
		}
	}
	for _, servers := range doomed {
		slices.Sort(servers)
	}
	return doomed
}

// shortName is what the cluster calls a server for people, "" if it does not.
func shortName(root *agency.Node, id string) string {
	return root.At(keys.ShortIDs + "/" + id + "/ShortName").Text()
}

// nameOf names a server so that it can be found under either name: "DBServer0002 (PRMR-…)".
func nameOf(root *agency.Node, id string) string { return bothNames(shortName(root, id), id) }

func bothNames(short, id string) string {
	if short == "" {
		return id
	}
	return short + " (" + id + ")"
}

// named names these servers.
func (c *cluster) named(servers []string) string { return nameAll(c.names, servers) }

// nameAll names servers whose short names are known, as far as they are.
func nameAll(short map[string]string, servers []string) string {
	out := make([]string, len(servers))
	for i, id := range servers {
		out[i] = bothNames(short[id], id)
	}
	return strings.Join(out, ", ")
}

// hide takes the pieces of deleted backups out of what the servers have listed.
func (c *cluster) hide(lists []answer[dbserver.ListResponse]) {
	for i := range lists {
		lists[i].value.Pieces = slices.DeleteFunc(lists[i].value.Pieces, func(p dbserver.PieceDetail) bool {
			return slices.Contains(c.doomed[p.ID], lists[i].id)
		})
	}
}

// serverURL is the address under which a server registered.
func serverURL(root *agency.Node, id string) (string, error) {
	var r keys.Registered
	if err := root.At(keys.ServerRegistered(id)).Decode(&r); err != nil {
		return "", fmt.Errorf("the address of %s is not registered: %w", id, err)
	}
	if rest, ok := strings.CutPrefix(r.Endpoint, "ssl://"); ok {
		return "https://" + rest, nil
	}
	return "http://" + strings.TrimPrefix(r.Endpoint, "tcp://"), nil
}

// number reads a counter; a missing one is 0.
func number(n *agency.Node) uint64 {
	v, ok := n.Int()
	if !ok || v < 0 {
		return 0
	}
	return uint64(v)
}

func ids(members []member) []string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.id
	}
	return out
}

// answer is what one member answered.
type answer[T any] struct {
	member
	value T
	err   error // names the member
	at    time.Time
}

// ask calls f for all members at once, each call bounded by timeout (0: not), and waits
// for every answer; they come in the order of members. An error for which fatal
// says so ends the other calls (nil: none does).
func ask[T any](ctx context.Context, members []member, timeout time.Duration, fatal func(error) bool,
	f func(context.Context, member) (T, error)) []answer[T] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make([]answer[T], len(members))
	var group sync.WaitGroup
	for i, m := range members {
		group.Go(func() {
			ctx := ctx
			if timeout > 0 {
				var done context.CancelFunc
				ctx, done = context.WithTimeout(ctx, timeout)
				defer done()
			}
			value, err := f(ctx, m)
			if err != nil {
				if err = m.explain(err); fatal != nil && fatal(err) {
					cancel()
				}
			}
			answers[i] = answer[T]{m, value, err, time.Now()}
		})
	}
	group.Wait()
	return answers
}

// tell is ask for requests that answer nothing; the first that fails ends the rest.
func tell(ctx context.Context, members []member, timeout time.Duration, f func(context.Context, member) error) error {
	return firstError(ask(ctx, members, timeout, anyError, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, f(ctx, m)
	}))
}

func anyError(error) bool { return true }

// firstError is the error that came first: the others may only say that they were
// cut off because of it.
func firstError[T any](answers []answer[T]) error { return firstOf(answers, anyError) }

// firstOf is the first error of a kind.
func firstOf[T any](answers []answer[T], kind func(error) bool) error {
	failed := slices.DeleteFunc(slices.Clone(answers), func(a answer[T]) bool { return a.err == nil || !kind(a.err) })
	if len(failed) == 0 {
		return nil
	}
	return slices.MinFunc(failed, func(a, b answer[T]) int {
		if ac, bc := errors.Is(a.err, context.Canceled), errors.Is(b.err, context.Canceled); ac != bc {
			if bc {
				return -1
			}
			return 1
		}
		return a.at.Compare(b.at)
	}).err
}

// allErrors joins every error.
func allErrors[T any](answers []answer[T]) error {
	var errs []error
	for _, a := range answers {
		errs = append(errs, a.err)
	}
	return errors.Join(errs...)
}

// silence is the error of a server that did not answer. How that was noticed is for
// errors.Is and the log; whoever reads it has to know which server, and what to do.
type silence struct {
	member
	cause error
}

func (e *silence) Error() string {
	return fmt.Sprintf("DB server %s does not answer at %s: start it, or remove it with stasis cluster remove %s",
		e.name, strings.TrimPrefix(e.target.URL, "http://"), e.id)
}

func (e *silence) Unwrap() error { return e.cause }

// displaced is the error of a server at whose address another one answers: it has lost
// its directory, or was started elsewhere and has not registered yet.
type displaced struct {
	member
	by string // id
}

func (e *displaced) Error() string {
	return fmt.Sprintf("DB server %s is not at %s any more, %s is there: start it with its own data directory, or if that is lost remove it with stasis cluster remove %s",
		e.name, strings.TrimPrefix(e.target.URL, "http://"), e.by, e.id)
}

// Unwrap makes it like a server that is not there.
func (e *displaced) Unwrap() error { return apierror.ConnectionLost }

// listOn has a server list its pieces, and makes sure that it is the one that is meant.
func (s *Service) listOn(ctx context.Context, m member, r dbserver.ListRequest) (dbserver.ListResponse, error) {
	l, err := s.Servers.List(ctx, m.target, r)
	if err == nil && l.Server != m.id {
		return dbserver.ListResponse{}, &displaced{m, l.Server}
	}
	return l, err
}

// explain says which server an error comes from.
func (m member) explain(err error) error {
	var known *silence
	var other *displaced
	var stuck *stalled
	switch {
	case errors.As(err, &known), errors.As(err, &other), errors.As(err, &stuck):
		return err
	case unreachable(err):
		return &silence{m, err}
	}
	return fmt.Errorf("%s: %w", m.name, err)
}

// unavailable is the answer when a server that is needed does not answer and nothing
// has been done yet: 503, the operation may be tried again. Other errors stay.
func unavailable(what string, err error) error {
	var silent *silence
	var other *displaced
	var stuck *stalled
	id := ""
	switch {
	case errors.As(err, &silent):
		id = silent.id
	case errors.As(err, &stuck):
		id = stuck.id
	case errors.As(err, &other):
		id = other.id
	default:
		return err
	}
	e := apierror.New(apierror.ServiceUnavailable, "%s: %w", what, err)
	e.Extra = map[string]any{"server": id}
	return e
}

// unreachable: there was no answer, as opposed to a bad one.
func unreachable(err error) bool {
	return errors.Is(err, apierror.ConnectionLost) || errors.Is(err, context.DeadlineExceeded)
}

// dump is what is kept of the agency with every piece.
func (c *cluster) dump() (dbserver.AgencyDump, error) {
	type sync struct {
		LatestID uint64 `json:"LatestID"`
	}
	type arango struct {
		Plan *agency.Node `json:"Plan"`
		Sync sync         `json:"Sync"`
	}
	raw, err := json.Marshal([]map[string]arango{{"arango": {c.plan, sync{c.latestID}}}})
	if err != nil {
		return dbserver.AgencyDump{}, fmt.Errorf("encode Plan: %w", err)
	}
	return dbserver.AgencyDump{ClusterID: c.uuid, Index: c.index, Term: c.term, Dump: raw}, nil
}
