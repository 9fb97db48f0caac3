package shard

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// This file checks what another server sends before it is stored. What a leader of this version
// has numbered passes. Everything else is refused, and nothing of it is stored.

// maxTime bounds revision times that another server may send. A clock that went on after a
// later one could overflow. It compares no clocks of two servers.
var maxTime = uint64(time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()) << counterBits

// maxSeq bounds the numbers of records that another server may send: what is counted on
// from them does not overflow.
const maxSeq = math.MaxInt64 / 2

// Bounds of what a transaction has: the names of a shard, and the shards of one transaction.
const (
	maxNameBytes = 1024
	maxOthers    = 1 << 16
)

// check says whether a leader can have numbered this: one change of a document, or those of a transaction together with its
// end, or one preparation, or decisions that are forgotten.
func (r Record) check() error {
	n := len(r.Changes)
	if n == 0 || r.Time > maxTime {
		return apierror.New(apierror.BadParameter, "it has %d changes, at the time %d", n, r.Time)
	}
	documents := r.Changes[:n-1]
	switch last := r.Changes[n-1]; last.Kind {
	case Put, Delete, Truncate:
		documents = r.Changes
		if n > 1 {
			return apierror.New(apierror.BadParameter, "it has %d changes, and no transaction", n)
		}
	case Forgotten:
		if r.Added != 0 {
			return apierror.New(apierror.BadParameter, "decisions are forgotten, and %d documents are added", r.Added)
		}
		return checkForgotten(r.Changes)
	default:
		if err := r.checkTxn(last, documents); err != nil {
			return err
		}
	}
	newest, err := checkChanges(documents, r.Added)
	if err != nil {
		return err
	}
	if newest > r.Time || n == 1 && newest > 0 && newest != r.Time {
		return apierror.New(apierror.BadParameter, "a document is of another time than its record")
	}
	return nil
}

// checkTxn checks the change of a transaction that ends a record. documents are before it.
func (r Record) checkTxn(c Change, documents []Change) error {
	if err := checkTxnKey(c.Key); err != nil {
		return err
	}
	switch c.Kind {
	case Prepare:
		newest, err := checkPrepared(c.Value)
		if err == nil && (newest > r.Time || len(documents) > 0 || r.Added != 0) {
			err = apierror.New(apierror.BadParameter, "it prepares a transaction with documents that are later than it, or changes others")
		}
		return err
	case Decided:
		return checkDecision(c.Value)
	default:
		if len(c.Value) != 1 || c.Value[0] > 1 || c.Value[0] == 0 && (len(documents) > 0 || r.Added != 0) {
			return apierror.New(apierror.BadParameter, "it resolves a transaction neither way, or aborts it with %d changes", len(documents))
		}
		return nil
	}
}

// checkForgotten checks a record of decisions that are forgotten.
func checkForgotten(changes []Change) error {
	last := ""
	for _, c := range changes {
		if err := checkTxnKey(c.Key); err != nil {
			return err
		}
		if c.Kind != Forgotten || len(c.Value) > 0 || c.Key <= last {
			return apierror.New(apierror.BadParameter, "it forgets decisions, and has something else, or not in order")
		}
		last = c.Key
	}
	return nil
}

// checkChanges checks changes of documents: a truncation comes first, each document has one, and they are in the order of keys.
// newest is the latest revision time.
func checkChanges(changes []Change, added int64) (newest uint64, err error) {
	least, most, last := int64(0), int64(0), ""
	for i, c := range changes {
		switch c.Kind {
		case Put:
			t, err := checkStored(c.Key, c.Value)
			if err != nil {
				return 0, err
			}
			newest = max(newest, t)
			most++
		case Delete:
			if err := checkKey(c.Key); err != nil {
				return 0, apierror.New(apierror.BadParameter, "%w", err)
			}
			least--
		}
		emptied := c.Kind == Truncate
		if c.Kind > Truncate || c.Kind != Put && len(c.Value) > 0 || emptied && (i > 0 || c.Key != "") || !emptied && c.Key <= last {
			return 0, apierror.New(apierror.BadParameter, "a removal has a value, a truncation a key, or changes are not in order")
		}
		last = c.Key
	}
	if len(changes) > 0 && changes[0].Kind == Truncate {
		least = most // there was nothing before that could be removed or replaced
		if most != int64(len(changes))-1 {
			return 0, apierror.New(apierror.BadParameter, "documents are removed one by one from an empty shard")
		}
	}
	if added < least || added > most {
		return 0, apierror.New(apierror.BadParameter, "the number of added documents, %d, does not agree with its changes", added)
	}
	return newest, nil
}

func checkTxnKey(key string) error {
	id, err := txnOf(key)
	if err == nil && id == 0 {
		err = errTxn
	}
	if err != nil {
		return apierror.New(apierror.BadParameter, "%w", err)
	}
	return nil
}

// checkPrepared says whether this can be what a transaction was prepared with. newest is the latest revision time.
func checkPrepared(value []byte) (newest uint64, err error) {
	p, err := decodePrepared(value)
	if err != nil {
		return 0, apierror.New(apierror.BadParameter, "%w", err)
	}
	if err := checkShard(p.home); err != nil {
		return 0, err
	}
	return checkChanges(p.changes, p.added)
}

// checkDecision says whether this can be a decision.
func checkDecision(value []byte) error {
	others, err := decodeOthers(value)
	if err != nil {
		return apierror.New(apierror.BadParameter, "%w", err)
	}
	return checkOthers(others)
}

func checkOthers(others []dbclient.TxnShard) error {
	if len(others) > maxOthers {
		return apierror.New(apierror.BadParameter, "a transaction on %d shards", len(others))
	}
	for _, o := range others {
		if err := checkShard(o); err != nil {
			return err
		}
	}
	return nil
}

// checkShard refuses what names no shard.
func checkShard(s dbclient.TxnShard) error {
	for _, name := range [...]string{s.Database, s.Collection, s.Shard} {
		if len(name) > maxNameBytes || strings.IndexByte(name, 0) >= 0 {
			return apierror.New(apierror.BadParameter, "a shard of a transaction has a name that none can have")
		}
	}
	if s.Shard == "" {
		return apierror.New(apierror.BadParameter, "a shard of a transaction has no name")
	}
	return nil
}

// check says whether this can be an entry of a replica. newest is the latest revision time.
func (e Entry) check() (newest uint64, err error) {
	switch e.Space {
	case Documents:
		return checkStored(e.Key, e.Value)
	case PreparedTxns:
		if err := checkTxnKey(e.Key); err != nil {
			return 0, err
		}
		return checkPrepared(e.Value)
	case DecisionsMade:
		if err := checkTxnKey(e.Key); err != nil {
			return 0, err
		}
		return 0, checkDecision(e.Value)
	}
	return 0, apierror.New(apierror.BadParameter, "%q is of an unknown space", e.Key)
}

// checkStored says whether this can be a stored document: its revision time, and a JSON
// object that begins with its key. (The size is that of documents which clients may write.)
func checkStored(key string, value []byte) (time uint64, err error) {
	if err := checkKey(key); err != nil {
		return 0, apierror.New(apierror.BadParameter, "%w", err)
	}
	d, err := decodeDocument(value)
	if err != nil {
		return 0, apierror.New(apierror.BadParameter, "document %s: %w", key, err)
	}
	begins := append(append([]byte(`{"_key":"`), key...), `","_id":"`...)
	if len(d.json) > maxDocumentBytes || d.time > maxTime || !bytes.HasPrefix(d.json, begins) || !json.Valid(d.json) {
		return 0, apierror.New(apierror.BadParameter, "document %s is not one that was stored under this key", key)
	}
	return d.time, nil
}
