package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/coordinator/backup/transfer"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// carriers are DB servers that do their part of a transfer when told to.
type carriers struct {
	a *fakeAgency

	mu     sync.Mutex
	given  []string // server of every request, in order
	away   map[string]bool
	hold   bool
	remote dbclient.RemoteResponse

	refuses error // what a DB server says of every remote
}

func (c *carriers) Transfer(ctx context.Context, t dbclient.Target, r dbclient.TransferRequest) error {
	server := t.URL[len("http://") : len(t.URL)-2]
	c.mu.Lock() // unlocked before the agency takes its time: a bubble's clock stands still for mutexes
	away, hold := c.away[server], c.hold
	c.given = append(c.given, server)
	c.mu.Unlock()
	if away {
		return apierror.New(apierror.ConnectionLost, "%s is away", server)
	}
	if r.Config["r"]["secret"] != canary {
		return apierror.New(apierror.BadRemote, "no configuration")
	}
	status := keys.TransferCompleted
	if hold {
		status = keys.TransferStarted
	}
	_, err := c.a.Write(ctx, agencyclient.Tx{Ops: map[string]any{
		keys.TransferEntryKey(r.Job, server): agencyclient.Set(keys.TransferEntry{Status: status, Source: r.Source, RebootID: 1}),
	}})
	return err
}

func (c *carriers) Remote(_ context.Context, _ dbclient.Target, r dbclient.RemoteRequest) (dbclient.RemoteResponse, error) {
	if r.Config[r.Remote.Name] == nil {
		return dbclient.RemoteResponse{}, apierror.New(apierror.BadRemote, "no remote of that name")
	}
	return c.remote, c.refuses
}

// A DB server of a version that knows no signatures has verified a remote without its keys, and says
// nothing of the signature: that is not good enough for a request with keys.
func TestRemoteVerifyWithoutSignatureIsNoProof(t *testing.T) {
	withCarriers(t, []string{"PRMR-1"}, func(w *world, s *Service, c *carriers, _ func()) {
		r := transfer.RemoteRequest{Operation: dbclient.RemoteVerify, Repository: "r:p", Config: dbclient.RemoteConfig{"r": {"type": "x"}}}
		answer, err := s.transfers.Remote(w.t.Context(), r)
		require.NoError(w.t, err)
		require.Empty(w.t, answer.Problems)
		r.Keys = []certificate.PublicKey{{1}}
		answer, err = s.transfers.Remote(w.t.Context(), r)
		require.NoError(w.t, err)
		require.Equal(w.t, []string{"b: the DB server that was asked is of a version that checks no signatures"}, answer.Problems)
		c.remote.Backups[0].Signature = &certificate.Signature{Status: certificate.Signed}
		answer, err = s.transfers.Remote(w.t.Context(), r)
		require.NoError(w.t, err)
		require.Empty(w.t, answer.Problems)
	})
}

const canary = "canary-5ecr3t"

func transferOf(id string) transfer.Request {
	return transfer.Request{Kind: keys.TransferDownload, ID: id, Repository: "r:p", Config: dbclient.RemoteConfig{"r": {"type": "x", "secret": canary}}}
}

// withCarriers runs a test with coordinator A, whose background part runs, and a
// remote that has a backup of these servers.
func withCarriers(t *testing.T, sources []string, test func(w *world, s *Service, c *carriers, stop func())) {
	inWorld(t, threeServers, func(w *world) {
		c := &carriers{a: w.agency, away: map[string]bool{}}
		c.remote.Backups = []dbclient.RemoteBackup{{ID: "b", Complete: true, Servers: sources}}
		s := w.service(coordinatorA, withMovers(c))
		ctx, cancel := context.WithCancel(w.t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = s.Run(ctx) })
		stop := func() { cancel(); running.Wait() }
		defer stop()
		test(w, s, c, stop)
		raw, err := json.Marshal(w.agency.Snapshot().Root)
		require.NoError(t, err)
		require.NotContains(t, string(raw), canary)
	})
}

func (w *world) awaitJob(s *Service, id string, want map[string]string) TransferStatus {
	w.t.Helper()
	var got map[string]string
	for range 2000 {
		st, err := s.transfers.Status(context.Background(), id)
		require.NoError(w.t, err)
		got = map[string]string{}
		for server, e := range st.DBServers {
			got[server] = e.Status
		}
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return st
		}
		time.Sleep(time.Second)
	}
	require.Equal(w.t, want, got)
	return TransferStatus{}
}

func each(status string) map[string]string {
	return map[string]string{"PRMR-1": status, "PRMR-2": status, "PRMR-3": status}
}

// Every server is listed at once; other servers than the backup's take its pieces by
// the canonical matching, and one for which there is none has nothing to do.
func TestTransferIsDispatched(t *testing.T) {
	withCarriers(t, []string{"PRMR-x", "PRMR-2"}, func(w *world, s *Service, c *carriers, _ func()) {
		id, err := s.transfers.Start(w.t.Context(), transferOf("b"))
		require.NoError(t, err)
		st, err := s.transfers.Status(w.t.Context(), id)
		require.NoError(t, err)
		require.Len(t, st.DBServers, 3)
		require.Equal(t, id, st.DownloadID)
		w.awaitJob(s, id, each(keys.TransferCompleted))
		root := w.agency.Snapshot().Root
		for server, source := range map[string]string{"PRMR-1": "PRMR-x", "PRMR-2": "PRMR-2", "PRMR-3": ""} {
			require.Equal(t, source, root.At(keys.TransferEntryKey(id, server)).At("Source").Text())
		}
		_, err = s.transfers.Status(w.t.Context(), "4711")
		require.ErrorIs(t, err, apierror.NotFound)
		_, err = s.transfers.Status(w.t.Context(), "../../Plan")
		require.ErrorIs(t, err, apierror.NotFound)
	})
}

// A download to too few servers is refused with the numbers before a part is assigned. A
// backup that does not exist, or is not complete, makes a job that fails.
func TestTransferThatCannotBe(t *testing.T) {
	withCarriers(t, []string{"a", "b", "c", "d"}, func(w *world, s *Service, c *carriers, _ func()) {
		_, err := s.transfers.Start(w.t.Context(), transferOf("b"))
		require.ErrorIs(t, err, apierror.BackupTopology)
		require.ErrorContains(t, err, "the backup has 4 DB servers, the cluster only 3")
		c.remote.Backups = nil
		id, err := s.transfers.Start(w.t.Context(), transferOf("none"))
		require.NoError(t, err)
		st := w.awaitJob(s, id, each(keys.TransferFailed))
		require.EqualValues(t, apierror.NoSuchBackup, st.DBServers["PRMR-1"].Error)
		require.Empty(t, c.given)
	})
}

// A server that is started again is assigned its part again. The job waits for a server
// that is away. An abort ends the part of a server that was never reached.
func TestTransferSurvivesServers(t *testing.T) {
	withCarriers(t, threeServers, func(w *world, s *Service, c *carriers, _ func()) {
		c.hold, c.away["PRMR-3"] = true, true
		id, err := s.transfers.Start(w.t.Context(), transferOf("b"))
		require.NoError(t, err)
		w.awaitJob(s, id, map[string]string{"PRMR-1": "STARTED", "PRMR-2": "STARTED", "PRMR-3": "NEW"})
		c.mu.Lock()
		c.hold = false
		c.mu.Unlock()
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1"): keys.Known{RebootID: 2}}})
		w.awaitJob(s, id, map[string]string{"PRMR-1": "COMPLETED", "PRMR-2": "STARTED", "PRMR-3": "NEW"})
		require.NoError(t, s.transfers.Abort(w.t.Context(), id))
		w.awaitJob(s, id, map[string]string{"PRMR-1": "COMPLETED", "PRMR-2": "STARTED", "PRMR-3": "CANCELLED"})
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.Health + "/PRMR-2/Status": "FAILED"}})
		w.awaitJob(s, id, map[string]string{"PRMR-1": "COMPLETED", "PRMR-2": "CANCELLED", "PRMR-3": "CANCELLED"})
	})
}

// The coordinator that had the configuration is gone: servers that have it go on. The part
// of a server that was started again, or was never reached, fails and says what to do.
func TestTransferSurvivesItsCoordinator(t *testing.T) {
	withCarriers(t, threeServers, func(w *world, s *Service, c *carriers, stop func()) {
		c.hold, c.away["PRMR-3"] = true, true
		id, err := s.transfers.Start(w.t.Context(), transferOf("b"))
		require.NoError(t, err)
		w.awaitJob(s, id, map[string]string{"PRMR-1": "STARTED", "PRMR-2": "STARTED", "PRMR-3": "NEW"})
		stop()
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{
			keys.ServerKnown(coordinatorA): keys.Known{RebootID: 2}, keys.ServerKnown("PRMR-2"): keys.Known{RebootID: 2},
		}})
		other := w.service(coordinatorB, withMovers(c))
		ctx, cancel := context.WithCancel(w.t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = other.Run(ctx) })
		defer func() { cancel(); running.Wait() }()
		st := w.awaitJob(other, id, map[string]string{"PRMR-1": "STARTED", "PRMR-2": "FAILED", "PRMR-3": "FAILED"})
		require.Contains(t, st.DBServers["PRMR-2"].ErrorMessage, "start the transfer again: it continues where it stopped")
	})
}

// The error of a wrong request repeats nothing of it.
func TestTransferBodies(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		s := w.service(coordinatorA, withMovers(&carriers{a: w.agency}))
		for body, want := range map[string]int{
			``:                          10,
			`{}`:                        10,
			`{"id":7}`:                  10,
			`{"id":"b","uploadId":"1"}`: 10,
			`{"id":"b","remoteRepository":"r","config":{"r":{"secret":"` + canary + `"}}}`:                  7008,
			`{"id":"b","remoteRepository":"r:a:b","config":{"r":{"secret":"` + canary + `"}}}`:              7008,
			`{"id":"b","remoteRepository":"q:a","config":{"r":{"type":"x","secret":"` + canary + `"}}}`:     7008,
			`{"id":"b","remoteRepository":"r:../a","config":{"r":{"type":"x","secret":"` + canary + `"}}}`:  7008,
			`{"id":"b","remoteRepository":"r:a","config":{"r":{"type":"x","secret":{"` + canary + `":1}}}}`: 7008,
			`{"id":"b","remoteRepository":"r:a","config":{"r":["` + canary + `"]}}`:                         7008,
			`{"id":"b","remoteRepository":"r,pass=` + canary + `:a","config":{"r":{"type":"x"}}}`:           7008,
			`{"id":"b","remoteRepository":":x,pass=` + canary + `:a","config":{"r":{"type":"x"}}}`:          7008,
			`{"id":"b","remoteRepository":"r:a","transfers":"` + canary + `","config":{}}`:                  10,
			`{"id":"b","remoteRepository":"r:a","config":{"r":{"` + canary + `":{}}}}`:                      7008,
			`{"id":"b","remoteRepository":"r:a","transfers":33,"config":{"r":{"type":"x"}}}`:                10,
			`{"id":"b","remoteRepository":"r:a","transfers":-1,"config":{"r":{"type":"x"}}}`:                10,
			`{"uploadId":"4711"}`:                404,
			`{"downloadId":"4711"}`:              404,
			`{"downloadId":"4711","abort":true}`: 404,
		} {
			for _, command := range []string{"upload", "download"} {
				r := send(t, s, "POST", "/_admin/backup/"+command, body)
				require.Equal(t, want, r.ErrorNum, "%s: %s", body, r.Message)
				require.NotContains(t, r.Message, canary)
			}
		}
	})
}

// A backup that is deleted is not uploaded, though a server still has its piece.
func TestDeletedBackupIsNotUploaded(t *testing.T) {
	withCarriers(t, threeServers, func(w *world, s *Service, c *carriers, _ func()) {
		backup := w.create("x").ID
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = true })
		_, err := s.Delete(w.t.Context(), backup)
		require.NoError(t, err)
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf, q.behind = false, true })
		require.Equal(t, []string{backup}, w.servers["PRMR-2"].pieceIDs())
		r := transferOf(backup)
		r.Kind = keys.TransferUpload
		id, err := s.transfers.Start(w.t.Context(), r)
		require.NoError(t, err)
		st := w.awaitJob(s, id, each(keys.TransferFailed))
		require.EqualValues(t, apierror.NoSuchBackup, st.DBServers["PRMR-1"].Error)
		require.Empty(t, c.given)
	})
}

// A remote that a DB server refuses is refused with its words before there is a job.
// Neither a job nor a lock in the agency has a remote's path, in which a client may have
// put a secret.
func TestRefusedRemoteMakesNoJob(t *testing.T) {
	withCarriers(t, threeServers, func(w *world, s *Service, c *carriers, _ func()) {
		c.refuses = apierror.New(apierror.BadRemote, "option %q is not for requests", "ssh")
		r := transferOf("b")
		r.Repository = "r:bucket/" + canary
		_, err := s.transfers.Start(w.t.Context(), r)
		require.ErrorIs(t, err, apierror.BadRemote)
		require.ErrorContains(t, err, `"ssh"`)
		all, err := s.transfers.All(w.t.Context())
		require.NoError(t, err)
		require.Empty(t, all)
		require.Empty(t, c.given)
		c.refuses = nil
		id, err := s.transfers.Start(w.t.Context(), r)
		require.NoError(t, err)
		st := w.awaitJob(s, id, each(keys.TransferCompleted))
		require.Regexp(t, `^r:#[0-9a-f]{32}$`, st.Remote)
	})
}
