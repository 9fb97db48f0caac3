package ddl

import (
	"encoding/json"
	"slices"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
)

// invalidKeyGenerator is the number for a key generator that does not exist.
const invalidKeyGenerator apierror.Num = 1232

// collectionBody is the body of creating a collection, or changing its properties.
type collectionBody struct {
	placementOptions
	featureOptions
	Name           json.RawMessage `json:"name"`
	Type           *int            `json:"type"`
	IsSystem       bool            `json:"isSystem"`
	WaitForSync    *bool           `json:"waitForSync"`
	CacheEnabled   *bool           `json:"cacheEnabled"`
	NumberOfShards *int            `json:"numberOfShards"`
	ShardKeys      []string        `json:"shardKeys"`
	KeyOptions     *keyOptions     `json:"keyOptions"`
}

type keyOptions struct {
	Type          string `json:"type"`
	AllowUserKeys *bool  `json:"allowUserKeys"`
}

// featureOptions are attributes for what this version lacks.
type featureOptions struct {
	ShardingStrategy     string          `json:"shardingStrategy"`
	DistributeShardsLike string          `json:"distributeShardsLike"`
	IsSmart              bool            `json:"isSmart"`
	IsDisjoint           bool            `json:"isDisjoint"`
	SmartGraphAttribute  string          `json:"smartGraphAttribute"`
	SmartJoinAttribute   string          `json:"smartJoinAttribute"`
	Schema               json.RawMessage `json:"schema"`
	ComputedValues       json.RawMessage `json:"computedValues"`
}

// checkSupported refuses attributes that would have no effect.
func (b *collectionBody) checkSupported() error {
	refuse := func(what string) error {
		return apierror.New(apierror.BadParameter, "%s not supported by this version", what)
	}
	switch {
	case b.ShardingStrategy != "" && b.ShardingStrategy != "hash":
		return apierror.New(apierror.BadParameter, "shardingStrategy %.300q is not supported by this version: want hash", b.ShardingStrategy)
	case b.DistributeShardsLike != "":
		return refuse("distributeShardsLike is")
	case b.IsSmart || b.IsDisjoint || b.SmartGraphAttribute != "" || b.SmartJoinAttribute != "":
		return refuse("smart collections are")
	case given(b.Schema):
		return refuse("schema is")
	case given(b.ComputedValues) && string(b.ComputedValues) != "[]":
		return refuse("computedValues are")
	}
	return nil
}

// checkUnchanged refuses to change what decides where documents are: they never move to another shard.
func (b *collectionBody) checkUnchanged(coll *catalog.Collection) error {
	if b.ShardKeys != nil && !slices.Equal(b.ShardKeys, coll.ShardKeys) {
		return apierror.New(apierror.BadParameter, "the shardKeys of collection %s cannot be changed: they are %q", coll.Name, coll.ShardKeys)
	}
	if b.NumberOfShards != nil && *b.NumberOfShards != len(coll.ShardNames) {
		return apierror.New(apierror.BadParameter, "the numberOfShards of collection %s cannot be changed: it is %d", coll.Name, len(coll.ShardNames))
	}
	return nil
}

func given(raw json.RawMessage) bool {
	return len(raw) > 0 && string(raw) != "null" && string(raw) != "{}"
}

func (b *collectionBody) spec() (catalog.CollectionSpec, error) {
	s := catalog.CollectionSpec{IsSystem: b.IsSystem}
	if len(b.Name) > 0 && json.Unmarshal(b.Name, &s.Name) != nil {
		return s, apierror.New(apierror.IllegalName, "illegal name: not a string")
	}
	if err := catalog.CheckCollectionName(s.Name, s.IsSystem); err != nil {
		return s, err
	}
	if err := b.checkSupported(); err != nil {
		return s, err
	}
	var err error
	if s.Replication, err = b.replication(); err != nil {
		return s, err
	}
	if b.Type != nil {
		if s.Type = *b.Type; s.Type == 0 {
			return s, apierror.New(apierror.CollectionTypeBad, "collection type 0 is invalid: want 2 (documents) or 3 (edges)")
		}
	}
	if b.NumberOfShards != nil {
		if s.NumberOfShards = *b.NumberOfShards; s.NumberOfShards == 0 {
			return s, apierror.New(apierror.BadParameter, "numberOfShards 0 is not positive")
		}
	}
	s.ShardKeys = b.ShardKeys
	s.WaitForSync = b.WaitForSync != nil && *b.WaitForSync
	s.CacheEnabled = b.CacheEnabled != nil && *b.CacheEnabled
	if k := b.KeyOptions; k != nil {
		if k.Type != "" && k.Type != "traditional" {
			return s, apierror.New(invalidKeyGenerator, "key generator %q is not supported by this version: want traditional", k.Type)
		}
		s.DenyUserKeys = k.AllowUserKeys != nil && !*k.AllowUserKeys
	}
	return s, nil
}
