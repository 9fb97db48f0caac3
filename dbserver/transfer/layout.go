package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
)

// formatNumber is that of the manifests at the remote. A higher one is not read.
const formatNumber = 1

// Names at the remote.
const (
	folderBlobs    = "blobs"
	folderSessions = "sessions"
	folderDamaged  = "damaged"
	filePiece      = "PIECE.json"
	fileBackup     = "BACKUP.json"
)

// maxManifest bounds what is read of a manifest, which is whatever the remote has.
const maxManifest = 256 << 20

// pieceManifest is PIECE.json.
type pieceManifest struct {
	Format int            `json:"format"`
	Piece  dbclient.Piece `json:"piece"`
	Files  []piece.File   `json:"files"`
}

func (m pieceManifest) content() piece.Content {
	return piece.Content{Piece: m.Piece, Files: m.Files}
}

// backupManifest is BACKUP.json: the same bytes, whichever server writes it.
type backupManifest struct {
	Format                  int                  `json:"format"`
	ID                      string               `json:"id"`
	DateTime                string               `json:"datetime"`
	Version                 string               `json:"version"`
	PotentiallyInconsistent bool                 `json:"potentiallyInconsistent,omitempty"`
	Pieces                  map[string]pieceMark `json:"pieces"` // by the server that made it
}

// pieceMark is what BACKUP.json says of a piece.
type pieceMark struct {
	SHA256  string `json:"sha256"` // of its PIECE.json
	NrFiles int    `json:"nrFiles"`
	Bytes   int64  `json:"bytes"`
}

func blobName(sum string) string           { return folderBlobs + "/" + sum[:1] + "/" + sum }
func pieceName(id, server string) string   { return id + "/" + server + "/" + filePiece }
func backupName(id string) string          { return id + "/" + fileBackup }
func sessionName(kind, name string) string { return folderSessions + "/" + kind + "." + name }

// Immutable says whether an object's content never changes under its name, other than
// by damage.
func Immutable(name string) bool { return strings.HasPrefix(name, folderBlobs+"/") }

// manifestOf takes the name of a manifest apart: server is "" for a backup's.
func manifestOf(name string) (id, server string, ok bool) {
	parts := strings.Split(name, "/")
	switch {
	case piece.CheckID(parts[0]) != nil || parts[0] == folderBlobs || parts[0] == folderSessions || parts[0] == folderDamaged:
	case len(parts) == 2 && parts[1] == fileBackup:
		return parts[0], "", true
	case len(parts) == 3 && parts[2] == filePiece:
		return parts[0], parts[1], true
	}
	return "", "", false
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// putBytes stores a small object.
func putBytes(ctx context.Context, r Remote, name string, data []byte) error {
	return r.Put(ctx, name, int64(len(data)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	})
}

// getBytes reads a small object.
func getBytes(ctx context.Context, r Remote, name string) ([]byte, error) {
	in, err := r.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(in, maxManifest+1))
	if err == nil && len(data) > maxManifest {
		err = fmt.Errorf("%w: %s is too large for a manifest", errDamaged, name)
	}
	return data, errors.Join(err, in.Close())
}

// errDamaged marks what is at the remote and is not as it was written.
var errDamaged = errors.New("damaged at the remote")

// putChecked stores a manifest and reads it back.
func putChecked(ctx context.Context, r Remote, name string, value any) (sum string, err error) {
	data, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return "", err
	}
	if err := putBytes(ctx, r, name, data); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	if err := readBack(ctx, r, name, data); err != nil {
		return "", err
	}
	return sumOf(data), nil
}

// readBack reads a manifest that was written. Another server may be writing the same,
// and some remotes show a part of an object, or nothing, while it is replaced: so it is
// looked at again.
func readBack(ctx context.Context, r Remote, name string, want []byte) error {
	p, ok := r.(patient)
	if ok {
		r = p.Remote // tried again here, together with what is read
	}
	return p.again(ctx, func() error {
		back, err := getBytes(ctx, r, name)
		switch {
		case errors.Is(err, ErrNotFound):
			return fmt.Errorf("read %s back: it is not there", name)
		case err != nil:
			return fmt.Errorf("read %s back: %w", name, err)
		case !bytes.Equal(back, want):
			return fmt.Errorf("%w: %s was read back different", errDamaged, name)
		}
		return nil
	})
}

// readPiece reads PIECE.json; want is its hash, "" for any.
func readPiece(ctx context.Context, r Remote, id, server, want string) (m pieceManifest, mark pieceMark, err error) {
	name := pieceName(id, server)
	data, err := getBytes(ctx, r, name)
	if err != nil {
		return m, mark, fmt.Errorf("read %s: %w", name, err)
	}
	mark.SHA256 = sumOf(data)
	if want != "" && mark.SHA256 != want {
		return m, mark, fmt.Errorf("%w: %s differs from the hash in %s", errDamaged, name, fileBackup)
	}
	if err := decode(name, data, &m); err != nil {
		return m, mark, err
	}
	if m.Format != formatNumber {
		return m, mark, fmt.Errorf("%w: %s has format %d, this version knows %d", ErrFinal, name, m.Format, formatNumber)
	}
	if err := m.content().Check(); err != nil || m.Piece.ID != id || m.Piece.ServerID != server {
		return m, mark, fmt.Errorf("%w: %s: no piece of backup %s by %s: %w", errDamaged, name, id, server, err)
	}
	mark.NrFiles, mark.Bytes = len(m.Files), m.content().Bytes()
	return m, mark, nil
}

// readBackup reads BACKUP.json.
func readBackup(ctx context.Context, r Remote, id string) (m backupManifest, err error) {
	name := backupName(id)
	data, err := getBytes(ctx, r, name)
	if err != nil {
		return m, fmt.Errorf("read %s: %w", name, err)
	}
	if err := decode(name, data, &m); err != nil {
		return m, err
	}
	switch {
	case m.Format != formatNumber:
		return m, fmt.Errorf("%w: %s has format %d, this version knows %d", ErrFinal, name, m.Format, formatNumber)
	case m.ID != id || len(m.Pieces) == 0:
		return m, fmt.Errorf("%w: %s is not of backup %s", errDamaged, name, id)
	}
	return m, nil
}

func decode(name string, data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %s: %w", errDamaged, name, err)
	}
	return nil
}
