package reader

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"stasis/client"
)

// Contents are what a client finds in a cluster.
type Contents struct {
	Databases   int    `json:"databases"`
	Collections int    `json:"collections"`
	Documents   int64  `json:"documents"`
	Bytes       int64  `json:"bytes"` // of the documents, as JSON
	Sum         string `json:"sum"`   // of names and documents, revisions included; it does not depend on their order
}

// summer adds hashes up, so that the order of what is added does not matter.
type summer [4]uint64

func (s *summer) add(parts ...[]byte) {
	h := sha256.New()
	for _, p := range parts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(p))) // a hash takes everything
		h.Write(p)
	}
	sum := h.Sum(nil)
	for i := range s {
		s[i] += binary.BigEndian.Uint64(sum[8*i:])
	}
}

func (s *summer) String() string { return fmt.Sprintf("%016x%016x%016x%016x", s[0], s[1], s[2], s[3]) }

// ReadAll reads all databases, collections and documents of a cluster. If nothing is written meanwhile, two clusters with the same
// contents give the same result, and almost certainly only those. progress is called now and then with what has been read so
// far; it may be nil.
func ReadAll(ctx context.Context, c *client.Client, progress func(Contents)) (Contents, error) {
	all := Contents{}
	var sum summer
	databases, err := c.Databases(ctx)
	if err != nil {
		return all, fmt.Errorf("read the databases: %w", err)
	}
	slices.Sort(databases)
	for _, name := range databases {
		sum.add([]byte("database"), []byte(name))
		all.Databases++
		if err := all.read(ctx, c, name, &sum, progress); err != nil {
			return all, fmt.Errorf("read database %s: %w", name, err)
		}
	}
	all.Sum = sum.String()
	return all, nil
}

// every is how many documents are read between two calls of progress.
const every = 1000

// read adds one database.
func (all *Contents) read(ctx context.Context, c *client.Client, database string, sum *summer, progress func(Contents)) error {
	var answer struct {
		Result []client.Collection `json:"result"`
	}
	// those of the system, too
	if err := c.Do(ctx, http.MethodGet, "/_db/"+url.PathEscape(database)+"/_api/collection", nil, &answer); err != nil {
		return err
	}
	db := c.Database(database)
	for _, collection := range answer.Result {
		sum.add([]byte("collection"), []byte(database), []byte(collection.ID), []byte(collection.Name))
		all.Collections++
		err := db.Documents(ctx, collection.Name, func(document json.RawMessage) error {
			sum.add([]byte("document"), []byte(database), []byte(collection.Name), document)
			all.Documents++
			all.Bytes += int64(len(document))
			if progress != nil && all.Documents%every == 0 {
				progress(*all)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
