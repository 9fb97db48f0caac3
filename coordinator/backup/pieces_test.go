package backup

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

func TestPiecesThatDoNotAgreeFailTheBackup(t *testing.T) {
	for name, spoil := range map[string]func(*dbclient.Piece){
		"agency dump": func(p *dbclient.Piece) { p.AgencyDumpSHA256 = "other" },
		"nonce":       func(p *dbclient.Piece) { p.Nonce = "other" },
		"id":          func(p *dbclient.Piece) { p.ID = "other" },
		"manifest":    func(p *dbclient.Piece) { p.ManifestSHA256 = "" },
		"count":       func(p *dbclient.Piece) { p.NrDBServers = 2 },
		"epoch":       func(p *dbclient.Piece) { p.Epoch = 9 },
		"mark":        func(p *dbclient.Piece) { p.PotentiallyInconsistent = true },
		"server":      func(p *dbclient.Piece) { p.ServerID = "PRMR-9" },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.servers["PRMR-2"].quirk(func(q *quirks) { q.piece = spoil })
				_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
				require.ErrorIs(t, err, apierror.BackupCreate, "pieces are committed that do not agree")
				require.ErrorContains(t, err, "PRMR-2")
				w.requireClean(name)
			})
		})
	}
}

func TestFullDiskKeepsItsNumber(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.linkFails = apierror.New(apierror.NoSpace, "no space left") })
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, apierror.NoSpace)
		require.ErrorContains(t, err, "PRMR-2")
		w.requireClean("full disk")
	})
}

// A server that does not publish after the commit does not fail the backup.
func TestUnpublishedPieceDoesNotFailTheBackup(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.faults.breakCalls(func(c string) bool { return c == "publish PRMR-2" })
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Equal(t, []string{"PRMR-2"}, r.Unpublished)
		listed, err := w.service(coordinatorA).List(context.Background(), ListRequest{})
		require.NoError(t, err)
		entry := listed.List[r.ID]
		require.False(t, entry.Available)
		require.Equal(t, 2, entry.NrPiecesPresent)
		require.Equal(t, []string{"PRMR-2"}, entry.Missing)

		w.servers["PRMR-2"].quirk(func(q *quirks) { q.resolves = true })
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HeartbeatMS: 1000}})
		time.Sleep(time.Second)
		w.requireBackup("published by itself", r.ID)
	})
}
