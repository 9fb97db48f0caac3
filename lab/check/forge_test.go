package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/overlay"
	"stasis/lab/reader"
)

// copied is pieces that can be changed: what is changed is in memory.
func copied(t *testing.T, pieces []reader.Piece) []reader.Piece {
	t.Helper()
	out := make([]reader.Piece, len(pieces))
	for i, p := range pieces {
		dir := "/copy/backups/" + p.FS.PathBase(p.Dir)
		disk, err := overlay.New(overlay.Mount{At: dir, FS: p.FS, Dir: p.Dir})
		require.NoError(t, err)
		out[i] = reader.Piece{FS: disk, Dir: dir}
	}
	return out
}

func at(p reader.Piece) piece.Folder { return piece.In(p.FS, p.Dir) }

// record is a document as an engine has it.
type record struct{ key, value []byte }

// records are those of the documents with a key. A key of the engine ends with that of the document.
func records(t *testing.T, p reader.Piece, keys ...string) (all []record) {
	t.Helper()
	inEngine(t, p, func(e *engine.Engine) {
		it, err := e.NewIter([]byte("S"), []byte("T"))
		require.NoError(t, err)
		for ok := it.First(); ok; ok = it.Next() {
			value, err := it.Value()
			require.NoError(t, err)
			if slices.ContainsFunc(keys, func(key string) bool {
				return bytes.HasSuffix(it.Key(), []byte("\x00d"+key)) || bytes.HasSuffix(it.Key(), []byte("\x00e"+key))
			}) {
				all = append(all, record{bytes.Clone(it.Key()), bytes.Clone(value)})
			}
		}
		require.NoError(t, errors.Join(it.Err(), it.Close()))
	})
	return all
}

// change changes the engine of a piece.
func change(t *testing.T, p reader.Piece, do func(*engine.Batch) error) {
	t.Helper()
	inEngine(t, p, func(e *engine.Engine) {
		batch := e.NewBatch()
		require.NoError(t, errors.Join(do(batch), batch.Commit(true)))
	})
}

func inEngine(t *testing.T, p reader.Piece, do func(*engine.Engine)) {
	t.Helper()
	e, err := engine.Open(at(p).EngineDir(), engine.Options{FS: p.FS, MustExist: true, NoCompactions: true})
	require.NoError(t, err)
	do(e)
	require.NoError(t, e.Close())
}

// lose removes a document from the pieces that have it, and says how many do.
func lose(t *testing.T, pieces []reader.Piece, key string) (replicas int) {
	t.Helper()
	for _, p := range pieces {
		for _, r := range records(t, p, key) {
			change(t, p, func(b *engine.Batch) error { return b.Delete(r.key) })
			replicas++
		}
	}
	return replicas
}

// put gives pieces the document that others have.
func put(t *testing.T, pieces, others []reader.Piece, keys ...string) (replicas int) {
	t.Helper()
	for i, p := range pieces {
		all := records(t, others[i], keys...)
		replicas += len(all)
		change(t, p, func(b *engine.Batch) error {
			for _, r := range all {
				if err := b.Set(r.key, r.value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return replicas
}

// certify makes manifests, descriptions and the certificate agree with what is in the pieces: what was changed is told by its contents
// alone. edit changes the certificate; it may be nil.
func certify(t *testing.T, pieces []reader.Piece, edit func(*certificate.Certificate)) {
	t.Helper()
	raw, err := at(pieces[0]).Certificate()
	require.NoError(t, err)
	cert, err := certificate.Parse(raw)
	require.NoError(t, err)
	for _, p := range pieces {
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
		evidence := cert.Servers[meta.ServerID]
		evidence.Piece = certificate.PieceEvidence{
			SizeInBytes: meta.SizeInBytes, NrFiles: meta.NrFiles, ManifestSHA256: meta.ManifestSHA256, AgencyDumpSHA256: meta.AgencyDumpSHA256,
		}
		cert.Servers[meta.ServerID] = evidence
	}
	dump, err := at(pieces[0]).Dump()
	require.NoError(t, err)
	cert.Agency.DumpSHA256, err = certificate.Hash(dump)
	require.NoError(t, err)
	cert.Agency.Index = dump.Index
	if edit != nil {
		edit(cert)
	}
	raw, err = cert.Encode()
	require.NoError(t, err)
	for _, p := range pieces {
		require.NoError(t, at(p).WriteCertificate(raw))
	}
}

// replan changes the agency dump in all pieces.
func replan(t *testing.T, pieces []reader.Piece, edit func(*dbclient.AgencyDump)) {
	t.Helper()
	for _, p := range pieces {
		dump, err := at(p).Dump()
		require.NoError(t, err)
		edit(dump)
		raw, err := json.Marshal(dump)
		require.NoError(t, err)
		require.NoError(t, piece.Disk{FS: p.FS}.WriteFile(at(p).PathOf(piece.FileDump), raw))
	}
}
