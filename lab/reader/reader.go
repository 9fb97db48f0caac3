// Package reader opens a backup without touching the cluster it was taken of: its pieces, read-only, with
// what has to be written in memory, become a small cluster of their own, which clients can read.
//
// (contract; the owner of this package replaces this file)
package reader

import (
	"context"
	"encoding/json"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client"
	"stasis/client/certificate"
)

// Piece is the folder of a published piece of a backup.
type Piece struct {
	FS  vfs.FS // on which it lies; nothing is written to it
	Dir string // "…/backups/<id>"
}

// Reader is a backup as a running cluster. Close ends it. It works inside a bubble of testing/synctest in
// which it was opened, and outside.
type Reader struct{}

// Open opens a backup from its pieces.
func Open(ctx context.Context, id string, pieces []Piece) (*Reader, error) { panic("contract") }

// Client talks to the backup's cluster.
func (r *Reader) Client() *client.Client { panic("contract") }

// Certificate is the certificate that the pieces carry.
func (r *Reader) Certificate() certificate.Certificate { panic("contract") }

// Plan is /arango/Plan as it was dumped, with the index of the dump.
func (r *Reader) Plan() (plan json.RawMessage, index uint64) { panic("contract") }

// Replica is one replica of a shard as a piece has it.
type Replica struct {
	Shard    string
	Server   string // id of the DB server
	InSync   bool   // at the cut, as the leader stated
	Position uint64 // the end of its log as stated
	Sum      string // of its documents up to that position
}

// Replicas reads all replicas of all shards directly from the pieces.
func (r *Reader) Replicas(ctx context.Context) ([]Replica, error) { panic("contract") }

// Close ends the cluster and forgets what it wrote.
func (r *Reader) Close() error { panic("contract") }
