package transaction

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// An id is 63 bits: in the highest 15 the number of the coordinator that has begun the transaction, which the agency has given it;
// the others by chance. (Numbers of the cluster's range would come again after a restore, which sets the range back, while shards
// may still remember a transaction with them.)
const (
	chanceBits = 48
	maxNumber  = 1<<15 - 1
)

// newID makes an id of a coordinator.
func newID(number uint64) dbclient.TxnID {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // does not fail, by its documentation
	return dbclient.TxnID(number<<chanceBits | binary.BigEndian.Uint64(raw[:])>>(64-chanceBits))
}

// ParseID reads an id as a client sends it.
func ParseID(text string) (dbclient.TxnID, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return 0, apierror.New(apierror.BadParameter, "transaction id %.40q: want a number, as begin has given it", text)
	}
	return dbclient.TxnID(n), nil
}

// numberOf is the number of a coordinator, 0 if the agency has not given it one.
func numberOf(snap *catalog.Snapshot, coordinator string) uint64 {
	n, _ := snap.Node(keys.ShortIDs + "/" + coordinator + "/TransactionID").Int()
	if n < 0 || n > maxNumber {
		return 0
	}
	return uint64(n)
}

// BeganAt returns the coordinator that has begun a transaction. ok is false if it is not part of the cluster.
func BeganAt(snap *catalog.Snapshot, id dbclient.TxnID) (coordinator string, ok bool) {
	number := uint64(id) >> chanceBits
	for _, c := range snap.Coordinators() {
		if number != 0 && numberOf(snap, c) == number {
			return c, true
		}
	}
	return "", false
}
