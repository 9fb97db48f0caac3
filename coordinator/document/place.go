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

// placeModified says where the document of a replace or an update is, and that its shard keys must stay as they are: a
// document never moves to another shard. A replacement must have all shard keys (1468).
func (r Rules) placeModified(op *Operation, body *Body) error {
	if r.ShardKeys == nil {
		return nil
	}
	op.ShardKeys = r.ShardKeys
	value := body.valueOf(op.Key)
	missing := r.ShardKeys.Missing(value)
	if missing != "" && op.Kind == dbclient.OpReplace && !failpoint.Off("replacement-has-its-shard-keys") {
		return apierror.New(apierror.ShardKeysMissing, "not all sharding attributes given: the new document lacks %s", missing)
	}
	if op.Kind == dbclient.OpUpdate && r.mergesShardKey(value) {
		return nil // what the document has in the end is not what is given
	}
	r.placeNamed(op, body)
	return nil
}

// placeNamed says where the document of an object is, if the object has all shard keys.
func (r Rules) placeNamed(op *Operation, body *Body) {
	if r.ShardKeys == nil {
		return
	}
	if value := body.valueOf(op.Key); r.ShardKeys.Missing(value) == "" {
		op.Spot = r.ShardKeys.Spot(value)
	}
}

// mergesShardKey says whether an update gives an object for a shard key: it is merged into the stored one.
func (r Rules) mergesShardKey(value shardkey.Value) bool {
	for _, name := range r.ShardKeys {
		if v := value(name); len(v) > 0 && v[0] == '{' {
			return true
		}
	}
	return false
}
