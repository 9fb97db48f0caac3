package shard

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

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

// check says whether a leader can have numbered this.
func (r Record) check() error {
	if len(r.Changes) == 0 || r.Time > maxTime {
		return apierror.New(apierror.BadParameter, "it has %d changes, at the time %d", len(r.Changes), r.Time)
	}
	least, most := int64(0), int64(0)
	for _, c := range r.Changes {
		switch c.Kind {
		case Put:
			if t, err := checkStored(c.Key, c.Value); err != nil {
				return err
			} else if t != r.Time {
				return apierror.New(apierror.BadParameter, "document %s is of another time than its record", c.Key)
			}
			most++
		case Delete:
			if err := checkKey(c.Key); err != nil {
				return err
			}
			least--
		}
		if c.Kind != Put && len(c.Value) > 0 || c.Kind == Truncate && c.Key != "" {
			return apierror.New(apierror.BadParameter, "a removal has a value, or a truncation a key")
		}
	}
	if r.Added < least || r.Added > most {
		return apierror.New(apierror.BadParameter, "its number of added documents, %d, does not agree with its changes", r.Added)
	}
	return nil
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
