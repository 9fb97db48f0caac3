package shard

import (
	"encoding/binary"
	"fmt"
	"time"

	dbclient "stasis/dbserver/client"
)

// Decision says that a transaction is committed.
type Decision struct {
	ID     TxnID
	Others []dbclient.TxnShard // have prepared it
	Seen   time.Time           // when this leader has first had it
}

// encodeOthers gives the value that is stored for a decision. Layout: format, number, and the shards.
func encodeOthers(others []dbclient.TxnShard) []byte {
	b := binary.AppendUvarint([]byte{layoutFormat}, uint64(len(others)))
	for _, o := range others {
		b = appendShard(b, o)
	}
	return b
}

func decodeOthers(b []byte) (others []dbclient.TxnShard, err error) {
	if len(b) == 0 || b[0] != layoutFormat {
		return nil, fmt.Errorf("%w: unknown format", errTxn)
	}
	d := decoder{b: b[1:]}
	for n := d.number(); n > 0 && !d.short; n-- {
		others = append(others, d.shard())
	}
	if d.short || len(d.b) > 0 {
		return nil, errTxn
	}
	return others, nil
}
