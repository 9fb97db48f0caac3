package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"stasis/client"
)

// Read reads collections whole, as Check wants them. A collection that does not
// exist is an error.
func Read(ctx context.Context, db *client.Database, collections ...string) (State, error) {
	state := State{}
	for _, name := range collections {
		docs := map[string]json.RawMessage{}
		err := db.Documents(ctx, name, func(raw json.RawMessage) error {
			key, doc, err := Strip(raw)
			docs[key] = doc
			return err
		})
		if err != nil {
			return nil, err
		}
		state[name] = docs
	}
	return state, nil
}

// Strip takes _id and _rev off a document, and gives its key.
func Strip(raw json.RawMessage) (key string, doc json.RawMessage, err error) {
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

// Sum is a checksum over a collection that does not depend on the order in which
// its documents are read: the XOR of the SHA-256 of each, _id and _rev included.
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
