package shard

import (
	"encoding/binary"
	"errors"
	"fmt"

	dbclient "stasis/dbserver/client"
)

// TxnID names a transaction in the whole cluster.
type TxnID = dbclient.TxnID

// keyOfTxn is the key of a transaction in its space, and in changes.
func keyOfTxn(id TxnID) string { return string(binary.BigEndian.AppendUint64(nil, uint64(id))) }

// txnOf is the transaction of a key.
func txnOf(key string) (TxnID, error) {
	if len(key) != 8 {
		return 0, fmt.Errorf("%w: its id has %d bytes", errTxn, len(key))
	}
	return TxnID(binary.BigEndian.Uint64([]byte(key))), nil
}

// errTxn is the error of a stored transaction that cannot be read.
var errTxn = errors.New("stored transaction is damaged")
