package workload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"stasis/client"
)

// State is what was found: key → document, without _id and _rev.
type State map[string]json.RawMessage

// Read reads a collection whole. A collection that does not exist is an error.
func Read(ctx context.Context, db *client.Database, collection string) (State, error) {
	state := State{}
	err := db.Documents(ctx, collection, func(raw json.RawMessage) error {
		key, doc, err := strip(raw)
		if err == nil && state[key] != nil {
			err = fmt.Errorf("document %s is there twice", key)
		}
		state[key] = doc
		return err
	})
	return state, err
}

// strip takes _id and _rev off a document, and gives its key.
func strip(raw json.RawMessage) (key string, doc json.RawMessage, err error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", nil, fmt.Errorf("document: %w", err)
	}
	if err := json.Unmarshal(m["_key"], &key); err != nil {
		return "", nil, fmt.Errorf("document without _key: %w", err)
	}
	delete(m, "_id")
	delete(m, "_rev")
	doc, err = json.Marshal(m)
	return key, doc, err
}

// Sum is a checksum over a collection that does not depend on the order in which its documents are read: the
// XOR of the SHA-256 of each, _id and _rev included.
func Sum(ctx context.Context, db *client.Database, collection string) (count int, sum string, err error) {
	var total [sha256.Size]byte
	err = db.Documents(ctx, collection, func(raw json.RawMessage) error {
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return err
		}
		one := sha256.Sum256(compact.Bytes())
		for i := range total {
			total[i] ^= one[i]
		}
		count++
		return nil
	})
	return count, hex.EncodeToString(total[:8]), err
}

// sameJSON says whether two documents are the same, in whatever order their attributes are.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, err1 := json.Marshal(x) // re-encoding sorts the attributes
	q, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && bytes.Equal(p, q)
}

// sortedKeys are the keys of a map in their order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
