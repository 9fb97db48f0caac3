package shard

import (
	"encoding/binary"
	"fmt"

	dbclient "stasis/dbserver/client"
)

// prepared is what a transaction is going to do to a shard.
type prepared struct {
	home    dbclient.TxnShard // knows whether it is committed
	added   int64             // documents; see Record
	changes []Change          // of documents
}

// encode gives the value that is stored while the transaction is prepared. Layout: format, home (three fields with their lengths),
// added, and the changes as in a record.
func (p prepared) encode() []byte {
	size := 64
	for _, c := range p.changes {
		size += 16 + len(c.Key) + len(c.Value)
	}
	b := appendShard(append(make([]byte, 0, size), layoutFormat), p.home)
	return appendChanges(binary.AppendVarint(b, p.added), p.changes)
}

// decodePrepared reads what encode wrote. It copies nothing.
func decodePrepared(b []byte) (p prepared, err error) {
	if len(b) == 0 || b[0] != layoutFormat {
		return p, fmt.Errorf("%w: unknown format", errTxn)
	}
	d := decoder{b: b[1:], most: Truncate}
	p.home = d.shard()
	p.added = d.signed()
	p.changes = d.changes()
	if d.short || len(d.b) > 0 {
		return p, errTxn
	}
	return p, nil
}

func appendShard(b []byte, s dbclient.TxnShard) []byte {
	for _, name := range [...]string{s.Database, s.Collection, s.Shard} {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	}
	return b
}

func (d *decoder) shard() dbclient.TxnShard {
	return dbclient.TxnShard{Database: string(d.field()), Collection: string(d.field()), Shard: string(d.field())}
}

// effect is what a change does to an entry of a space, or to all documents.
type effect struct {
	space Space
	key   string
	value []byte // nil: the entry goes
	all   bool   // all entries of the space go
}

// effectOf says what applying a change does. It depends on nothing else.
func effectOf(c Change) effect {
	switch c.Kind {
	case Put:
		return effect{space: Documents, key: c.Key, value: c.Value}
	case Delete:
		return effect{space: Documents, key: c.Key}
	case Prepare:
		return effect{space: PreparedTxns, key: c.Key, value: c.Value}
	case Resolved:
		return effect{space: PreparedTxns, key: c.Key}
	case Decided:
		return effect{space: DecisionsMade, key: c.Key, value: c.Value}
	case Forgotten:
		return effect{space: DecisionsMade, key: c.Key}
	default:
		return effect{space: Documents, all: true}
	}
}
