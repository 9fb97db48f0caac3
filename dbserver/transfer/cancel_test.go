package transfer_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
)

// deaf is a storage that from some call on answers nothing, and does not look at any
// context: not before it is released.
type deaf struct {
	m    *remotetest.Memory
	from string // "new", "put", "open", "read", "list", "remove", "close"
	wait chan struct{}
	met  chan struct{} // closed when it fell silent

	mu     sync.Mutex
	silent bool
}

// say is called before the storage answers.
func (d *deaf) say(op string) {
	d.mu.Lock()
	if op == d.from && !d.silent {
		d.silent = true
		close(d.met)
	}
	silent := d.silent
	d.mu.Unlock()
	if silent {
		<-d.wait
	}
}

func (d *deaf) opener() storage.Opener {
	return func(ctx context.Context, r dbclient.Remote, c dbclient.RemoteConfig) (storage.Remote, error) {
		d.say("new")
		opened, err := d.m.Opener()(ctx, r, c)
		d.m.Hook = func(_ context.Context, c remotetest.Call) error { d.say(c.Op); return nil }
		return &deafRemote{opened, d}, err
	}
}

type deafRemote struct {
	storage.Remote
	d *deaf
}

func (r *deafRemote) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	in, err := r.Remote.Open(ctx, name)
	if err != nil || !storage.Immutable(name) {
		return in, err
	}
	return &deafReader{in, r.d}, nil
}

func (r *deafRemote) Close() error { r.d.say("close"); return r.Remote.Close() }

type deafReader struct {
	io.ReadCloser
	d *deaf
}

func (r *deafReader) Read(p []byte) (int, error) {
	r.d.say("read")
	return r.ReadCloser.Read(p)
}

func (r *deafReader) Close() error { r.d.say("close of a reader"); return r.ReadCloser.Close() }

// Whatever a remote is doing when it falls silent for good, and though it looks at no
// context: an abort ends the job within seconds, its progress says that nothing moves,
// and the server stops. Nothing of a download stays.
func TestSilentRemote(t *testing.T) {
	for _, kind := range []string{keys.TransferUpload, keys.TransferDownload} {
		for _, from := range []string{"new", "list", "put", "open", "read", "remove", "close"} {
			if kind == keys.TransferDownload && (from == "list" || from == "put" || from == "remove") || kind == keys.TransferUpload && from == "read" {
				continue // it makes no such call
			}
			t.Run(kind+"/"+from, func(t *testing.T) { silentFrom(t, kind, from) })
		}
	}
}

func silentFrom(t *testing.T, kind, from string) {
	withDesk(t, func(d *desk) {
		if kind == keys.TransferDownload {
			require.NoError(d.t, d.Start(d.t.Context(), d.record("1", keys.TransferUpload, first)))
			d.awaitStatus("1", keys.TransferCompleted)
			d.shop = emptyShop(d.t, vfs.NewMem(), "PRMR-c")
		}
		d.Close()
		silent := &deaf{m: d.m, from: from, wait: make(chan struct{}), met: make(chan struct{})}
		d.opener = silent.opener()
		d.restart(2)
		r := d.record("2", kind, first)
		r.Source, r.Options.Transfers = "PRMR-a", 1
		require.NoError(d.t, d.Start(d.t.Context(), r))
		<-silent.met
		if from != "remove" && from != "close" { // else all is done, and said as soon as may be
			time.Sleep(3 * time.Second)
			require.Equal(d.t, keys.TransferStarted, d.entry("2").Status)
			require.NotNil(d.t, d.entry("2").Progress)
			require.Zero(d.t, d.entry("2").Progress.BytesPerSecond, "nothing moves")
			begun := time.Now()
			d.abort("2")
			d.awaitStatus("2", keys.TransferCancelled)
			require.Less(d.t, time.Since(begun), 8*time.Second)
			if kind == keys.TransferDownload {
				require.Empty(d.t, d.shop.leftovers())
			}
		}
		begun := time.Now()
		d.Close()
		require.Less(d.t, time.Since(begun), 8*time.Second)
		close(silent.wait) // or the bubble would not end
		synctest.Wait()
	})
}
