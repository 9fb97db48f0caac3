package document

import (
	"encoding/json"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/shardkey"
)

// valueOf returns the values of a body's attributes, of a document with this key.
func (b *Body) valueOf(key string) shardkey.Value {
	return func(name string) json.RawMessage {
		if name == shardkey.Default {
			return json.RawMessage(`"` + key + `"`) // keys have no character that needs an escape
		}
		for i := range b.fields {
			if b.fields[i].name == name {
				return b.fields[i].value
			}
		}
		return nil
	}
}

// spotOf says where the document with a key is, if a body has all its shard keys.
func (b *Body) spotOf(keys shardkey.Keys, key string) (s shardkey.Spot) {
	if keys == nil {
		return s
	}
	if value := b.valueOf(key); keys.Missing(value) == "" {
		s = keys.Spot(value)
	}
	return s
}

// spotOfChanged is spotOf for a body that a document becomes, or that changes it. What replaces a document must have all shard
// keys (1468).
func (b *Body) spotOfChanged(keys shardkey.Keys, kind dbclient.OpKind, key string) (s shardkey.Spot, err error) {
	if keys == nil {
		return s, nil
	}
	value := b.valueOf(key)
	missing := keys.Missing(value)
	if missing != "" && kind == dbclient.OpReplace && !failpoint.Off("replacement-has-its-shard-keys") {
		return s, apierror.New(apierror.ShardKeysMissing, "not all sharding attributes given: the new document lacks %s", missing)
	}
	if kind == dbclient.OpUpdate && merges(keys, value) {
		return s, nil // what the document has in the end is not what is given
	}
	return b.spotOf(keys, key), nil
}

// merges says whether an update gives an object for a shard key: it is merged into the stored one.
func merges(keys shardkey.Keys, value shardkey.Value) bool {
	for _, name := range keys {
		if v := value(name); len(v) > 0 && v[0] == '{' {
			return true
		}
	}
	return false
}
