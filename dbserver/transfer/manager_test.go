package transfer_test

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
	"stasis/event"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// office is an agency of one state machine, which keeps everything ever written.
type office struct {
	mu      sync.Mutex
	machine *fsm.Machine
	written bytes.Buffer
	changed chan struct{}
	down    bool
	meets   func(raw []byte) (lost bool) // is shown what is written, before it is applied; lost: its answer gets lost
}

func newOffice() *office { return &office{machine: fsm.New(1000), changed: make(chan struct{})} }

func (o *office) Write(_ context.Context, tx agencyclient.Tx) (uint64, error) {
	raw, err := tx.Encode("c")
	if err != nil {
		return 0, err
	}
	parsed, err := fsm.ParseTransaction(raw)
	if err != nil {
		return 0, err
	}
	lost := o.meets != nil && o.meets(raw)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return 0, agencyclient.ErrUnavailable
	}
	o.written.Write(raw)
	if out := o.machine.Apply(1, fsm.Command{Transactions: []fsm.Transaction{parsed}}); out[0].Index == 0 {
		return 0, agencyclient.ErrPrecondition
	}
	close(o.changed)
	o.changed = make(chan struct{})
	if lost {
		return 0, agencyclient.ErrUnknown
	}
	return o.machine.State().Index(), nil
}

func (o *office) Read(_ context.Context, paths ...string) (*agencyclient.Node, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return nil, agencyclient.ErrUnavailable
	}
	return o.machine.State().Read(paths), nil
}

func (o *office) Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	for {
		o.mu.Lock()
		s, changed := agencyclient.Snapshot{Index: o.machine.State().Index(), Root: o.machine.State().Root()}, o.changed
		o.mu.Unlock()
		if ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return agencyclient.Snapshot{}, ctx.Err()
		}
	}
}

func (o *office) setDown(down bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = down
}

// desk is an office, a storage, and a DB server with a manager.
type desk struct {
	t      *testing.T
	o      *office
	m      *remotetest.Memory
	shop   *shop
	log    *bytes.Buffer
	opener storage.Opener
	steps  event.Sink
	*transfer.Manager
}

func newDesk(t *testing.T, s *shop) *desk {
	d := &desk{t: t, o: newOffice(), m: remotetest.NewMemory(), shop: s, log: &bytes.Buffer{}}
	d.opener = d.m.Opener()
	d.restart(1)
	return d
}

// restart is the server's next life.
func (d *desk) restart(reboot uint64) {
	d.Manager = transfer.NewManager(transfer.Config{
		Server: d.shop.id, RebootID: func() uint64 { return reboot }, Pieces: d.shop.store, Remotes: d.opener, Agency: d.o, Watch: d.o, Steps: d.steps,
		Logger: hclog.New(&hclog.LoggerOptions{Output: d.log, Level: hclog.Trace}),
	})
}

const secret = "canary-5ecr3t"

func (d *desk) record(job, kind, id string) dbclient.TransferRequest {
	d.t.Helper()
	remote := dbclient.Remote{Name: "r", Path: "p"}
	_, err := d.o.Write(d.t.Context(), agencyclient.Tx{Ops: map[string]any{keys.TransferJobKey(job): agencyclient.Set(keys.TransferJob{
		BackupID: id, Kind: kind, Remote: remote.Label(), DBServers: map[string]keys.TransferEntry{d.shop.id: {Status: keys.TransferNew}},
	})}})
	require.NoError(d.t, err)
	return dbclient.TransferRequest{
		Job: job, Kind: kind, BackupID: id, Source: d.shop.id, Servers: []string{d.shop.id},
		Remote: remote, Config: dbclient.RemoteConfig{"r": {"type": "memory", "pass": secret}},
	}
}

func (d *desk) entry(job string) keys.TransferEntry {
	var e keys.TransferEntry
	_ = d.o.machine.State().Root().At(keys.TransferEntryKey(job, d.shop.id)).Decode(&e)
	return e
}

func (d *desk) awaitStatus(job, status string) keys.TransferEntry {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Minute)
	defer cancel()
	_, err := d.o.Wait(ctx, func(agencyclient.Snapshot) bool { return d.entry(job).Status == status })
	require.NoError(d.t, err, "%+v", d.entry(job))
	return d.entry(job)
}

func (d *desk) abort(job string) {
	_, err := d.o.Write(d.t.Context(), agencyclient.Tx{Ops: map[string]any{keys.TransferJobKey(job) + "/Cancelled": agencyclient.Set(true)}})
	require.NoError(d.t, err)
}

// withDesk runs a test in a bubble with a server that has a backup.
func withDesk(t *testing.T, test func(d *desk)) {
	s := newShop(t, "PRMR-a")
	s.put(100, 3000)
	s.backup(first, "PRMR-a")
	bubbles.Test(t, func(t *testing.T) {
		d := newDesk(t, s)
		defer func() { d.Close() }()
		test(d)
		d.Close()
		require.NotContains(t, d.o.written.String(), secret, "the agency must not see the configuration")
		require.NotContains(t, d.log.String(), secret, "nor the log")
	})
}

// A server refuses to move more files at once than its memory is meant for, whichever client asks.
func TestTransfersAreBounded(t *testing.T) {
	withDesk(t, func(d *desk) {
		for i, allowed := range map[int]bool{0: true, dbclient.MostTransfers: true, dbclient.MostTransfers + 1: false, -1: false} {
			r := d.record(strconv.Itoa(100+i), keys.TransferUpload, first)
			r.Options.Transfers = i
			err := d.Start(d.t.Context(), r)
			require.Equal(d.t, allowed, err == nil, "%d: %v", i, err)
			if allowed {
				d.awaitStatus(r.Job, keys.TransferCompleted)
				continue
			}
			require.ErrorContains(d.t, err, "transfers from 0 to 32")
		}
	})
}

// A job goes through its states, counts, and gives its lock back.
func TestJobStates(t *testing.T) {
	withDesk(t, func(d *desk) {
		r := d.record("1", keys.TransferUpload, first)
		require.NoError(d.t, d.Start(d.t.Context(), r))
		require.Equal(d.t, keys.TransferAck, d.entry("1").Status)
		location := d.entry("1").LockLocation
		require.Equal(d.t, "Upload/"+url.PathEscape(r.Remote.Label())+"/"+first+"/PRMR-a", location)
		require.NoError(d.t, d.Start(d.t.Context(), r), "asked again it does nothing")
		e := d.awaitStatus("1", keys.TransferCompleted)
		require.Equal(d.t, e.Progress.Total, e.Progress.Done)
		require.Equal(d.t, e.Progress.BytesTotal, e.Progress.BytesDone)
		require.Positive(d.t, e.Progress.BytesMoved)
		require.NotEmpty(d.t, e.Progress.Time)
		require.False(d.t, d.o.machine.State().Root().At(keys.TransferLock(location)).Exists())
		require.NoError(d.t, d.Start(d.t.Context(), r), "nor when it is over")
		require.ErrorIs(d.t, d.Start(d.t.Context(), dbclient.TransferRequest{Job: "77", Kind: keys.TransferUpload, BackupID: first}), apierror.NotFound)

		d.record("2", keys.TransferUpload, "2000-01-01T00.00.00Z_none")
		r.Job, r.BackupID = "2", "2000-01-01T00.00.00Z_none"
		require.NoError(d.t, d.Start(d.t.Context(), r))
		require.EqualValues(d.t, apierror.NoSuchBackup, d.awaitStatus("2", keys.TransferFailed).Error)
	})
}

// A stranger that names a job has this server send nothing anywhere else, bring nothing
// here, and end nothing: the job is done as it was recorded.
func TestJobIsDoneAsRecorded(t *testing.T) {
	withDesk(t, func(d *desk) {
		r := d.record("1", keys.TransferUpload, first)
		for what, change := range map[string]func(*dbclient.TransferRequest){
			"another remote": func(r *dbclient.TransferRequest) {
				r.Remote.Name, r.Config = "mine", dbclient.RemoteConfig{"mine": {"type": "memory"}}
			},
			"another path":      func(r *dbclient.TransferRequest) { r.Remote.Path = "mine" },
			"the other way":     func(r *dbclient.TransferRequest) { r.Kind = keys.TransferDownload },
			"another backup":    func(r *dbclient.TransferRequest) { r.BackupID = "2000-01-01T00.00.00Z_none" },
			"another cluster's": func(r *dbclient.TransferRequest) { r.Remote = dbclient.Remote{} },
		} {
			stranger := r
			change(&stranger)
			require.ErrorIs(d.t, d.Start(d.t.Context(), stranger), apierror.BackupConflict, "%s than is recorded", what)
			require.Equal(d.t, keys.TransferNew, d.entry("1").Status, what)
		}
		require.NoError(d.t, d.Start(d.t.Context(), r))
		d.awaitStatus("1", keys.TransferCompleted)
	})
}

// Aborted at once, in the middle, or just when it is done: CANCELLED, never COMPLETED.
func TestAbort(t *testing.T) {
	withDesk(t, func(d *desk) {
		require.NoError(d.t, d.Start(d.t.Context(), d.record("1", keys.TransferUpload, first)))
		d.abort("1")
		d.awaitStatus("1", keys.TransferCancelled)
		require.Empty(d.t, d.m.Objects(), "nothing was begun")

		stuck := make(chan struct{})
		var once sync.Once
		d.m.Hook = func(ctx context.Context, c remotetest.Call) error {
			if c.Op == "put" && strings.HasPrefix(c.Name, "blobs/") {
				once.Do(func() { close(stuck) })
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		require.NoError(d.t, d.Start(d.t.Context(), d.record("2", keys.TransferUpload, first)))
		<-stuck
		d.abort("2")
		d.awaitStatus("2", keys.TransferCancelled)
		synctest.Wait()
		d.m.Hook = func(_ context.Context, c remotetest.Call) error {
			if c.Op == "stat" && c.Name == first+"/PRMR-a/PIECE.json" { // the last call of an upload
				d.abort("3")
			}
			return nil
		}
		require.NoError(d.t, d.Start(d.t.Context(), d.record("3", keys.TransferUpload, first)))
		d.awaitStatus("3", keys.TransferCancelled)
	})
}

// A server that is started again gets its job again, takes its own lock over, and
// sends what is missing.
func TestRestartedServerGoesOn(t *testing.T) {
	withDesk(t, func(d *desk) {
		stuck := make(chan struct{})
		var once sync.Once
		puts := 0
		d.m.Hook = func(ctx context.Context, c remotetest.Call) error {
			if c.Op == "put" && strings.HasPrefix(c.Name, "blobs/") {
				if puts++; puts > 6 {
					once.Do(func() { close(stuck) })
					<-ctx.Done()
					return ctx.Err()
				}
			}
			return nil
		}
		r := d.record("1", keys.TransferUpload, first)
		r.Options.Transfers = 1
		require.NoError(d.t, d.Start(d.t.Context(), r))
		<-stuck
		d.Close()
		require.Equal(d.t, keys.TransferStarted, d.entry("1").Status, "it is not over")
		before, _ := d.m.Sent()
		require.Positive(d.t, before)
		d.m.Hook = nil
		d.restart(2)
		require.NoError(d.t, d.Start(d.t.Context(), r))
		e := d.awaitStatus("1", keys.TransferCompleted)
		require.EqualValues(d.t, 2, e.RebootID)
		content, err := d.shop.store.Published.Content(d.t.Context(), first)
		require.NoError(d.t, err)
		require.Less(d.t, e.Progress.BytesMoved, content.Bytes())
	})
}

// One transfer of a piece to the same place at a time: the second is FAILED with
// 7011. The lock of a job that is over is no obstacle.
func TestOneAtATime(t *testing.T) {
	withDesk(t, func(d *desk) {
		held := make(chan struct{})
		d.m.Hook = func(context.Context, remotetest.Call) error { <-held; return nil }
		require.NoError(d.t, d.Start(d.t.Context(), d.record("1", keys.TransferUpload, first)))
		require.NoError(d.t, d.Start(d.t.Context(), d.record("2", keys.TransferUpload, first)))
		e := d.awaitStatus("2", keys.TransferFailed)
		require.EqualValues(d.t, apierror.BackupConflict, e.Error)
		require.Contains(d.t, e.ErrorMessage, "job 1")
		require.Contains(d.t, e.ErrorMessage, "upload of backup "+first+", begun on ", "it says whose")
		close(held)
		location := d.awaitStatus("1", keys.TransferCompleted).LockLocation
		_, err := d.o.Write(d.t.Context(), agencyclient.Tx{Ops: map[string]any{keys.TransferLock(location): agencyclient.Set("1")}}) // left over
		require.NoError(d.t, err)
		require.NoError(d.t, d.Start(d.t.Context(), d.record("3", keys.TransferUpload, first)))
		d.awaitStatus("3", keys.TransferCompleted)
	})
}

// The agency is away while a job works: it goes on, and reports when the agency is back.
func TestAgencyAway(t *testing.T) {
	withDesk(t, func(d *desk) {
		r := d.record("1", keys.TransferUpload, first)
		r.Options.BytesPerSecond = 20 << 10
		require.NoError(d.t, d.Start(d.t.Context(), r))
		d.awaitStatus("1", keys.TransferStarted)
		d.o.setDown(true)
		time.Sleep(5 * time.Minute)
		require.Contains(d.t, d.m.Objects(), "p/"+first+"/BACKUP.json", "done meanwhile")
		require.Equal(d.t, keys.TransferStarted, d.entry("1").Status)
		d.o.setDown(false)
		d.awaitStatus("1", keys.TransferCompleted)
	})
}

// A cancelled download leaves nothing; a failed one leaves what it has, hidden, and
// deleting the backup takes that away.
func TestDownloadThatEndsEarly(t *testing.T) {
	withDesk(t, func(d *desk) {
		require.NoError(d.t, d.Start(d.t.Context(), d.record("1", keys.TransferUpload, first)))
		d.awaitStatus("1", keys.TransferCompleted)
		d.Close()
		d.shop = emptyShop(d.t, vfs.NewMem(), "PRMR-c")
		d.restart(1)
		down := func(job string) dbclient.TransferRequest {
			r := d.record(job, keys.TransferDownload, first)
			r.Source, r.Options.Transfers = "PRMR-a", 1
			return r
		}
		gets := 0
		d.m.Hook = func(_ context.Context, c remotetest.Call) error {
			if c.Op == "open" && strings.HasPrefix(c.Name, "blobs/") {
				if gets++; gets > 5 {
					return storage.ErrFinal
				}
			}
			return nil
		}
		require.NoError(d.t, d.Start(d.t.Context(), down("2")))
		e := d.awaitStatus("2", keys.TransferFailed)
		require.EqualValues(d.t, apierror.BackupDownload, e.Error)
		synctest.Wait()
		require.Empty(d.t, d.shop.listed())
		require.Equal(d.t, []string{first + ".pending"}, d.shop.leftovers())
		require.NoError(d.t, d.Forget(d.t.Context(), first))
		require.Empty(d.t, d.shop.leftovers())

		d.m.Hook = func(_ context.Context, c remotetest.Call) error {
			if c.Op == "open" && strings.HasPrefix(c.Name, "blobs/") {
				d.abort("3")
			}
			return nil
		}
		require.NoError(d.t, d.Start(d.t.Context(), down("3")))
		d.awaitStatus("3", keys.TransferCancelled)
		require.Empty(d.t, d.shop.leftovers())
	})
}
