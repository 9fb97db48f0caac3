package shardkey

import (
	"encoding/json"
	"slices"
	"strings"

	"stasis/internal/apierror"
)

// Default is the shard key of a collection that was created without any.
const Default = "_key"

// Bounds of what a client may choose.
const (
	most      = 8   // shard keys
	nameBytes = 256 // of one
)

// Keys are the names of the attributes by which documents are spread, in order. Nil means the document's key alone.
type Keys []string

// Of returns the Keys of a collection with these shard keys.
func Of(names []string) Keys {
	if !slices.ContainsFunc(names, func(name string) bool { return name != Default }) {
		return nil
	}
	return names
}

// Check returns the shard keys that a client chooses, without the empty ones: 400/10 if they are not 1 to 8, or if one cannot
// be a shard key.
func Check(chosen []string) ([]string, error) {
	names := slices.DeleteFunc(slices.Clone(chosen), func(name string) bool { return name == "" })
	if len(names) == 0 || len(chosen) > most {
		return nil, apierror.New(apierror.BadParameter, "invalid number of shard keys: %d of %d have a name, and 1 to %d are allowed", len(names), len(chosen), most)
	}
	for _, name := range names {
		switch bare := strings.Trim(name, ":"); {
		case bare == "_id" || bare == "_rev":
			return nil, apierror.New(apierror.BadParameter, "%s cannot be a shard key: want attributes other than _id and _rev", bare)
		case bare != name:
			return nil, apierror.New(apierror.BadParameter, "shard key %.300q: a part of a value (before or after a colon) as shard key is not supported by this version: want the whole attribute", name)
		case len(name) > nameBytes:
			return nil, apierror.New(apierror.BadParameter, "shard key %.300q is longer than %d bytes", name, nameBytes)
		}
	}
	return names, nil
}

// Value is the value of an attribute in a document; nil if the document does not have it.
type Value func(name string) json.RawMessage

// Missing returns the first shard key that a document does not have, "" if it has all. null is a value.
func (k Keys) Missing(document Value) string {
	for _, name := range k {
		if document(name) == nil {
			return name
		}
	}
	return ""
}

// Spot is where a document is, as far as a request says.
type Spot struct {
	hash  uint64
	known bool
}

// Spot returns the place of a document. What the document does not have is null.
func (k Keys) Spot(document Value) Spot {
	h := newHash()
	for _, name := range k {
		h.add(canonical(document(name)))
	}
	return Spot{hash: h.sum(), known: true}
}

// Index returns the number of the document's shard among n, false if the request does not say it.
func (s Spot) Index(n int) (int, bool) {
	if !s.known {
		return 0, false
	}
	return int(s.hash % uint64(n)), true
}

// HashOfKey is the hash of a document whose key alone places it.
func HashOfKey(key string) uint64 {
	h := newHash()
	for i := range len(key) {
		h = (h ^ hash(key[i])) * prime
	}
	return h.sum()
}
