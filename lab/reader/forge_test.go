package reader

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
	"stasis/dbserver/engine"
	"stasis/internal/overlay"
)

// copied is pieces that can be changed: what is changed is in memory.
func copied(t *testing.T, pieces []Piece) []Piece {
	t.Helper()
	out := make([]Piece, len(pieces))
	for i, p := range pieces {
		disk, err := overlay.New(overlay.Mount{At: "/copy/backups/" + p.FS.PathBase(p.Dir), FS: p.FS, Dir: p.Dir})
		require.NoError(t, err)
		out[i] = Piece{FS: disk, Dir: "/copy/backups/" + p.FS.PathBase(p.Dir)}
	}
	return out
}

// at is the folder of a piece.
func at(p Piece) piece.Folder { return piece.In(p.FS, p.Dir) }

// changeDocuments changes one byte in each document of one piece that holds from.
func changeDocuments(t *testing.T, p Piece, from, to byte) (changed int) {
	t.Helper()
	e, err := engine.Open(at(p).EngineDir(), engine.Options{FS: p.FS, MustExist: true, NoCompactions: true})
	require.NoError(t, err)
	it, err := e.NewIter([]byte("S"), []byte("T"))
	require.NoError(t, err)
	batch := e.NewBatch()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.Value()
		require.NoError(t, err)
		value = append([]byte(nil), value...)
		if n := len(value); n > 2 && value[n-1] == '}' && value[n-2] == from {
			value[n-2] = to
			require.NoError(t, batch.Set(append([]byte(nil), it.Key()...), value))
			changed++
		}
	}
	require.NoError(t, errors.Join(it.Err(), it.Close(), batch.Commit(true), e.Close()))
	return changed
}

// certifyAgain makes manifest, META and certificate agree with the engine of one of the pieces: only its documents tell that it
// was changed.
func certifyAgain(t *testing.T, pieces []Piece, changed int) {
	t.Helper()
	p := pieces[changed]
	folder := at(p)
	meta, err := folder.Meta()
	require.NoError(t, err)
	manifest, err := folder.ListedManifest()
	require.NoError(t, err)
	there, err := piece.Inventory(context.Background(), p.FS, folder.EngineDir(), piece.Hashed, piece.Known{})
	require.NoError(t, err)
	manifest.Files = there.Files
	dump, err := piece.Disk{FS: p.FS}.ReadFile(folder.PathOf(piece.FileDump))
	require.NoError(t, err)
	meta, err = folder.Describe(meta, dump, manifest)
	require.NoError(t, err)
	raw, err := folder.Certificate()
	require.NoError(t, err)
	cert, err := certificate.Parse(raw)
	require.NoError(t, err)
	evidence := cert.Servers[meta.ServerID]
	evidence.Piece.ManifestSHA256, evidence.Piece.SizeInBytes, evidence.Piece.NrFiles = meta.ManifestSHA256, meta.SizeInBytes, meta.NrFiles
	cert.Servers[meta.ServerID] = evidence
	raw, err = cert.Encode()
	require.NoError(t, err)
	for _, p := range pieces {
		require.NoError(t, at(p).WriteCertificate(raw))
	}
}
