package piece

import (
	"encoding/json"

	dbclient "stasis/dbserver/client"
)

// ManifestFormat is the number of MANIFEST.json's format. Format 1 has no replicas.
const ManifestFormat = 2

// Manifest names every file of a piece's engine, and says where the replicas in it
// stand. A failsafe's has no replicas, because no gate was held.
type Manifest struct {
	Format     int                              `json:"format"`
	Files      []File                           `json:"files"` // ordered by name
	Replicas   map[string]dbclient.PieceReplica `json:"replicas"`
	Statements []dbclient.ShardStatement        `json:"statements,omitempty"` // of all leaders, at the cut
}

// File is one file. SHA256 is empty in a failsafe: its files are moved, not read.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

func (m Manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", " ")
	return append(data, '\n'), err
}

func (m Manifest) bytes() (sum int64) {
	for _, f := range m.Files {
		sum += f.Size
	}
	return sum
}
