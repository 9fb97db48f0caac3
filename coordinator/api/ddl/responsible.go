package ddl

import (
	"bytes"
	"encoding/json"
	"net/http"

	"stasis/coordinator/catalog"
	"stasis/coordinator/document"
	"stasis/coordinator/route"
	"stasis/internal/apierror"
	"stasis/internal/rest"
	"stasis/internal/shardkey"
)

// responsibleShard answers with the shard that has the document with these shard keys, or would have it. A string or a number is
// a _key.
func responsibleShard(cat *catalog.Catalog) rest.Handler {
	return func(c *rest.Call) error {
		raw, err := c.JSON()
		if err != nil {
			return err
		}
		values, err := shardKeysOf(raw)
		if err != nil {
			return err
		}
		_, coll, err := cat.Collection(c.R.Context(), c.DB, c.Arg(0))
		if err != nil {
			return err
		}
		if len(coll.ShardNames) == 0 {
			return apierror.New(apierror.ShardGone, "no responsible shard found in collection %s: it has no shards", coll.Name)
		}
		index, err := responsible(coll, func(name string) json.RawMessage { return values[name] })
		if err != nil {
			return err
		}
		return c.OK(http.StatusOK, rest.Fields{"shardId": coll.ShardNames[index]})
	}
}

// shardKeysOf reads the body of a request for a shard.
func shardKeysOf(raw json.RawMessage) (map[string]json.RawMessage, error) {
	switch c := raw[0]; {
	case c == '{':
		var values map[string]json.RawMessage
		if err := json.Unmarshal(raw, &values); err != nil {
			return nil, apierror.New(apierror.CorruptedJSON, "invalid JSON: %w", err)
		}
		return values, nil
	case c == '"':
		return map[string]json.RawMessage{shardkey.Default: raw}, nil
	case c == '-' || c >= '0' && c <= '9':
		return map[string]json.RawMessage{shardkey.Default: json.RawMessage(`"` + string(raw) + `"`)}, nil
	}
	return nil, apierror.New(apierror.BadParameter, "expecting the shard keys: an object, or a string or a number, which is a _key")
}

// responsible is the number of the shard.
func responsible(coll *catalog.Collection, value shardkey.Value) (int, error) {
	keys := coll.SpreadBy()
	if keys != nil {
		if missing := keys.Missing(value); missing != "" {
			return 0, apierror.New(apierror.ShardKeysMissing, "not all sharding attributes given: %s is missing", missing)
		}
		index, _ := keys.Spot(value).Index(len(coll.ShardNames)) // it is known
		return index, nil
	}
	raw := value(shardkey.Default)
	if raw == nil {
		return 0, apierror.New(apierror.ShardKeysMissing, "not all sharding attributes given: _key is missing")
	}
	var key string
	if !bytes.HasPrefix(raw, []byte(`"`)) || json.Unmarshal(raw, &key) != nil {
		return 0, apierror.New(apierror.DocumentKeyBad, "illegal document key: not a string")
	}
	return route.ShardIndex(key, len(coll.ShardNames)), document.CheckKey(key)
}
