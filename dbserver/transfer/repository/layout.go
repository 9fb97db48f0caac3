package repository

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/backupname"
)

// formatNumber is that of the manifests at the remote. A higher one is not read.
const formatNumber = 1

// Names at the remote.
const (
	folderBlobs    = storage.FolderImmutable
	folderSessions = "sessions"
	folderDamaged  = "damaged"
	filePiece      = "PIECE.json"
	fileBackup     = "BACKUP.json"
)

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
	Pieces                  map[string]PieceMark `json:"pieces"` // by the server that made it
}

// PieceMark is what BACKUP.json says of a piece.
type PieceMark struct {
	SHA256  string `json:"sha256"` // of its PIECE.json
	NrFiles int    `json:"nrFiles"`
	Bytes   int64  `json:"bytes"`
}

// BlobName is the name of the blob with this hash.
func BlobName(sum string) string { return folderBlobs + "/" + sum[:1] + "/" + sum }

func pieceName(id, server string) string   { return id + "/" + server + "/" + filePiece }
func backupName(id string) string          { return id + "/" + fileBackup }
func sessionName(kind, name string) string { return folderSessions + "/" + kind + "." + name }

// manifestOf splits the name of a manifest: server is "" for a backup's.
func manifestOf(name string) (id, server string, ok bool) {
	parts := strings.Split(name, "/")
	switch {
	case backupname.CheckID(parts[0]) != nil || parts[0] == folderBlobs || parts[0] == folderSessions || parts[0] == folderDamaged:
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
